//! How often each measure of `who` puts first what a planted pronoun stands for.

use serde::Serialize;

use super::Rate;
use crate::inspector::{InspectError, Inspector};
use crate::planted::{Clue, Half, PronounPassage, pronoun};
use crate::questions::{Among, Measure, Who, WhoFound, who};

/// Which passages.
#[derive(Clone, Debug)]
pub struct WhoTrialPlan {
    pub half: Half,
    /// Sentences between the candidates and the pronoun, `n_each` passages of each.
    pub distances: Vec<usize>,
    pub n_each: u64,
    /// As in [`Who`].
    pub head_weights: Option<Vec<f32>>,
}

/// Rates by measure and by what tells which candidate is meant.
#[derive(Clone, Debug, Serialize)]
pub struct WhoTrial {
    pub n: usize,
    pub distances: Vec<usize>,
    pub rates: Vec<WhoRate>,
    pub caveat: &'static str,
}

#[derive(Clone, Debug, Serialize)]
pub struct WhoRate {
    pub measure: Measure,
    /// Where the clue stands: `gender`, in the pronoun alone; `before` it; `after` it.
    pub clue: &'static str,
    /// `None`: all together.
    pub distance: Option<usize>,
    #[serde(flatten)]
    pub rate: Rate,
    /// What a guess would have: the baseline.
    pub chance: f64,
}

const CAVEAT: &str = "made-up English passages with two or three candidates, each named once; a \
     row cannot know a clue that stands behind it, and no substitution knows a gender";

const MEASURES: [Measure; 5] = [
    Measure::Substitution,
    Measure::WholeSubstitution,
    Measure::OwnRow,
    Measure::RowsAfter,
    Measure::KnockOut,
];

const CLUES: [(Clue, &str); 3] =
    [(Clue::Gender, "gender"), (Clue::Before, "before"), (Clue::After, "after")];

impl WhoTrialPlan {
    /// Passages of all distances.
    pub fn n(&self) -> usize {
        self.distances.len() * self.n_each as usize
    }
}

/// `progress(n_done)` is told of passages.
///
/// # Errors
/// What becomes of requests.
pub fn who_trial(
    inspector: &mut Inspector<'_>,
    plan: &WhoTrialPlan,
    progress: &mut dyn FnMut(usize),
) -> Result<WhoTrial, InspectError> {
    let mut cases = Vec::new();
    // Passages of one seed have the same candidates at all distances, and count once.
    for (first, &distance) in (0..).step_by(plan.n_each.max(1) as usize).zip(&plan.distances) {
        for seed in first..first + plan.n_each {
            let passage = pronoun(seed, plan.half, distance);
            cases.push(case(inspector, plan, &passage, distance)?);
            progress(cases.len());
        }
    }
    let mut rates = Vec::new();
    for measure in MEASURES {
        for (clue, name) in CLUES {
            let distances = plan.distances.iter().copied().map(Some).chain([None]);
            for distance in distances {
                let is_in = |case: &&Case| {
                    case.clue == clue && distance.is_none_or(|distance| case.distance == distance)
                };
                let of: Vec<&Case> = cases.iter().filter(is_in).collect();
                rates.push(rate(measure, name, distance, &of));
            }
        }
    }
    Ok(WhoTrial { n: cases.len(), distances: plan.distances.clone(), rates, caveat: CAVEAT })
}

/// What was found of a passage.
struct Case {
    clue: Clue,
    distance: usize,
    n_candidates: usize,
    /// The measures that put the right candidate first.
    right: Vec<Measure>,
}

fn case(
    inspector: &mut Inspector<'_>,
    plan: &WhoTrialPlan,
    passage: &PronounPassage,
    distance: usize,
) -> Result<Case, InspectError> {
    let gold = &passage.text[passage.gold.clone()];
    let mut places = passage.rivals.clone();
    places.push(passage.gold.clone());
    places.sort_by_key(|place| place.start);
    let names: Vec<String> =
        places.iter().map(|place| passage.text[place.clone()].to_owned()).collect();
    let question = Who {
        text: passage.text.clone(),
        word: passage.pronoun.clone(),
        among: Among::Named(names),
        head_weights: plan.head_weights.clone(),
    };
    let found = who(inspector, &question)?;
    let is_right = |measure: &Measure| is_first(&found, *measure, gold);
    Ok(Case {
        clue: passage.clue,
        distance,
        n_candidates: found.candidates.len(),
        right: MEASURES.into_iter().filter(is_right).collect(),
    })
}

/// Ties are lost: nothing was told apart.
fn is_first(found: &WhoFound, measure: Measure, gold: &str) -> bool {
    let is_gold = |name: &str| name == gold;
    let of = |wanted: bool| {
        let those = found.candidates.iter().filter(move |other| is_gold(&other.name) == wanted);
        those.map(|other| other.by(measure)).fold(f64::NEG_INFINITY, f64::max)
    };
    of(true) > of(false)
}

fn rate(measure: Measure, clue: &'static str, distance: Option<usize>, cases: &[&Case]) -> WhoRate {
    let n_right = cases.iter().filter(|case| case.right.contains(&measure)).count();
    let chance = cases.iter().map(|case| 1.0 / case.n_candidates as f64).sum::<f64>();
    let chance = chance / cases.len().max(1) as f64;
    WhoRate { measure, clue, distance, rate: Rate::of(n_right, cases.len()), chance }
}
