//! How often attention proposes a planted contradiction, and how well the model judges pairs.

use serde::Serialize;

use super::{Auroc, Rate};
use crate::inspector::{InspectError, Inspector};
use crate::planted::{ContractText, Half, Pairing, contract};
use crate::questions::{Judge, Pair, proposed};

/// Which contracts.
#[derive(Clone, Debug)]
pub struct ContradictTrialPlan {
    pub half: Half,
    pub n: u64,
    pub n_clauses: usize,
    /// Pairs that are proposed.
    pub n_pairs: usize,
    /// `[n_layers, n_heads]`: what each head counts in proposing; `None`: all alike.
    pub head_weights: Option<Vec<f32>>,
}

#[derive(Clone, Debug, Serialize)]
pub struct ContradictTrial {
    pub n: u64,
    pub n_clauses: usize,
    pub n_pairs: usize,
    /// Contradictions that are among the pairs which attention proposes.
    pub recall: Rate,
    /// The same of clauses that say the same in other words.
    pub recall_of_restatements: Rate,
    /// What pairs drawn at random would have: the baseline of both.
    pub recall_of_chance: f64,
    /// Scores of contradictions over those of restatements, where 0.5 is chance.
    pub against_restatements: Option<Auroc>,
    /// Over those of clauses that have nothing to do with each other.
    pub against_unrelated: Option<Auroc>,
    /// Contradictions with a score above zero, and others without.
    pub accuracy: Rate,
    /// Of whoever finds no contradiction anywhere: the baseline of `accuracy`.
    pub accuracy_of_never: f64,
    pub caveat: &'static str,
}

const CAVEAT: &str = "made-up English leases in which one pair of clauses contradicts itself";

/// `progress(n_done)` is told of contracts.
///
/// # Errors
/// What becomes of requests.
pub fn contradict_trial(
    inspector: &mut Inspector<'_>,
    judge: &mut Judge<'_>,
    plan: &ContradictTrialPlan,
    progress: &mut dyn FnMut(usize),
) -> Result<ContradictTrial, InspectError> {
    let mut n_proposed = [0; 2];
    let mut scores: [Vec<f64>; 3] = Default::default();
    for seed in 0..plan.n {
        let made = |pairing| contract(seed, plan.half, plan.n_clauses, pairing);
        let contradiction = made(Pairing::Contradiction);
        let others = [contradiction.clone(), made(Pairing::Restatement), made(Pairing::Nothing)];
        // Clauses stand in the same places, whatever is planted.
        let planted = planted(&contradiction);
        for (kind, text) in others.iter().enumerate() {
            if let Some(n_proposed) = n_proposed.get_mut(kind) {
                let pairs = proposed(inspector, &text.text, plan.head_weights.clone())?;
                *n_proposed += usize::from(is_among(&pairs, plan.n_pairs, planted));
            }
            let both = planted.map(|idx| &text.text[text.clauses[idx].clone()]);
            scores[kind].push(judge.pair(inspector, both)?.score);
        }
        progress(seed as usize + 1);
    }
    let [contradictions, restatements, unrelated] = &scores;
    let n = plan.n as usize;
    let n_pairs_all = plan.n_clauses * (plan.n_clauses - 1) / 2;
    let is_above = |score: &&f64| **score > 0.0;
    let others = restatements.iter().chain(unrelated);
    let n_right = contradictions.iter().filter(is_above).count()
        + others.clone().filter(|score| !is_above(score)).count();
    Ok(ContradictTrial {
        n: plan.n,
        n_clauses: plan.n_clauses,
        n_pairs: plan.n_pairs,
        recall: Rate::of(n_proposed[0], n),
        recall_of_restatements: Rate::of(n_proposed[1], n),
        recall_of_chance: plan.n_pairs.min(n_pairs_all) as f64 / n_pairs_all as f64,
        against_restatements: Auroc::of(contradictions, restatements),
        against_unrelated: Auroc::of(contradictions, unrelated),
        accuracy: Rate::of(n_right, 3 * n),
        accuracy_of_never: 2.0 / 3.0,
        caveat: CAVEAT,
    })
}

/// The clauses of the pair, by their place in the text.
fn planted(made: &ContractText) -> [usize; 2] {
    let pair = made.pair.clone().expect("a contradiction is planted");
    pair.map(|clause| {
        let place = made.clauses.iter().position(|other| *other == clause);
        place.expect("it is one of the clauses")
    })
}

fn is_among(pairs: &[Pair], n: usize, [first_idx, second_idx]: [usize; 2]) -> bool {
    let is_it = |pair: &Pair| (pair.first_idx, pair.second_idx) == (first_idx, second_idx);
    pairs.iter().take(n).any(is_it)
}
