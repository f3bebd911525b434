//! Sentences that answer no question.

use std::collections::HashSet;

use super::Half;
use super::random::Random;
use super::slots::Filling;

const FILLER: &[&str] = &[
    "The {city} office was painted last spring.",
    "The windows in {city} face a quiet street.",
    "{person} likes long walks along the river.",
    "{person} reads the newspaper before breakfast.",
    "{company} prints its brochures on recycled paper.",
    "{company} keeps a stand at every trade fair.",
    "{person} and {person2} went to school together.",
    "{person} and {person2} often share a table at lunch.",
    "The canteen in {city} serves soup on cold days.",
    "The car park in {city} is full by eight in the morning.",
    "Visitors praise the friendly staff of {company}.",
    "Nobody at {company} minds the long corridors.",
    "{person} collects stamps from distant countries.",
    "{person} plants tomatoes on the balcony.",
    "The {product} hums quietly in the background.",
    "The {product} was covered with a thin layer of dust.",
    "{person} showed some photographs of {city}.",
    "{person} told a long story about a holiday in {city}.",
    "The colleagues from {city} sent a basket of fruit.",
    "The guests from {city} stayed longer than planned.",
    "{company} was mentioned in a short article.",
    "{company} has a small garden behind its main building.",
    "{person} forgot an umbrella at {company}.",
    "{person} left a scarf in the lobby of {company}.",
    "The road to {city} runs through a dense forest.",
    "The bridge near {city} was closed for repairs.",
    "{person} speaks slowly and chooses every word with care.",
    "{person} laughs loudly at the jokes of {person2}.",
    "{company} and {company2} share a reception desk.",
    "{company} and {company2} hold a summer party together.",
    "The old {product} was given to a school in {city}.",
    "The new {product} was admired by everyone in {city}.",
    "{person} praised the coffee in the {city} office.",
    "{person} complained about the heating in {city}.",
    "In {city} the trees along the avenue are very old.",
    "In {city} the market opens early and closes late.",
];

/// Sentences of one half of the templates, none of them twice as long as that can be.
pub(super) struct Filler {
    templates: Vec<&'static str>,
    said: HashSet<String>,
}

impl Filler {
    pub(super) fn new(half: Half) -> Self {
        Self { templates: half.of(FILLER), said: HashSet::new() }
    }

    /// A sentence that does not hold `answer`.
    pub(super) fn sentence(&mut self, answer: &str, random: &mut Random) -> String {
        /// Long documents say some things twice.
        const N_TRIES: usize = 20;
        let mut n_tries = 0;
        loop {
            let sentence = Filling::default().fill(random.pick(&self.templates), random);
            n_tries += 1;
            let is_new = self.said.insert(sentence.clone());
            if !sentence.contains(answer) && (is_new || n_tries > N_TRIES) {
                return sentence;
            }
        }
    }
}
