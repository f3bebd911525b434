//! A document in which one sentence answers a question.

use std::ops::Range;

use super::Half;
use super::draft::{Draft, place};
use super::fact_templates::Fact;
use super::filler::Filler;
use super::random::Random;

/// Sentences about people, companies and things, of which one holds the answer to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactDocument {
    pub document: String,
    pub question: String,
    /// Stands once in the document.
    pub answer: String,
    pub answer_bytes: Range<usize>,
    pub sentences: Vec<Range<usize>>,
    /// The sentence that holds the answer.
    pub gold: Range<usize>,
    /// Sentences of the same form about something else.
    pub rivals: Vec<Range<usize>>,
}

/// A document of `n_sentences`, in paragraphs of six. About one in four is a fact that was not
/// asked for; from four sentences on two of them are of the same form as the one that was.
pub fn facts(seed: u64, half: Half, n_sentences: usize) -> FactDocument {
    write(&mut Random::new(seed), half, n_sentences).0
}

/// What was planted: the fact that is asked for, and those of its form.
pub(super) struct Planted {
    pub(super) fact: Fact,
    pub(super) rivals: Vec<Fact>,
}

pub(super) fn write(
    random: &mut Random,
    half: Half,
    n_sentences: usize,
) -> (FactDocument, Planted) {
    const N_RIVALS: usize = 2;
    const N_PER_PARAGRAPH: usize = 6;
    assert!(n_sentences > 0, "a document has a sentence");
    let fact = Fact::draw(half, random);
    let n_rivals = if n_sentences < 4 { 0 } else { N_RIVALS };
    let mut facts = vec![fact.clone()];
    while facts.len() <= n_rivals {
        push_new(&mut facts, fact.rival(random), &fact);
    }
    while facts.len() < n_sentences.div_ceil(4) {
        push_new(&mut facts, Fact::draw(half, random), &fact);
    }
    let mut filler = Filler::new(half);
    let sentences = facts.iter().map(|fact| fact.sentence.clone());
    let mut sentences: Vec<String> = sentences.collect();
    while sentences.len() < n_sentences {
        sentences.push(filler.sentence(&fact.answer, random));
    }
    let mut draft = Draft::default();
    let mut places = vec![0..0; n_sentences];
    let order = random.shuffled((0..n_sentences).collect());
    for (idx, &sentence) in order.iter().enumerate() {
        let gap = if idx % N_PER_PARAGRAPH == 0 { "\n\n" } else { " " };
        places[sentence] = draft.push_after(gap, &sentences[sentence]);
    }
    let document = FactDocument {
        question: fact.question.clone(),
        answer_bytes: place(&draft.text, &places[0], &fact.answer),
        answer: fact.answer.clone(),
        gold: places[0].clone(),
        rivals: places[1..=n_rivals].to_vec(),
        sentences: draft.sentences,
        document: draft.text,
    };
    let rivals = facts.drain(1..=n_rivals).collect();
    (document, Planted { fact, rivals })
}

/// Adds `other` unless it answers a question that is answered already, or holds the answer.
fn push_new(facts: &mut Vec<Fact>, other: Fact, fact: &Fact) {
    let is_asked = facts.iter().any(|fact| fact.question == other.question);
    if !is_asked && !other.sentence.contains(&fact.answer) {
        facts.push(other);
    }
}
