//! The regression on lookback ratios, fitted on planted answers.

use serde::{Deserialize, Serialize};

use super::{Ground, GroundBaselines, GroundDetector, Means, Ratios, logprobs, mean};
use crate::inspector::{InspectError, Inspector};
use crate::planted::{Half, grounding};
use crate::prompts::{PromptError, Prompts};
use crate::regression::cross_validated;
use crate::trial::Cut;

/// How many documents a detector is fitted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroundEffort {
    /// Each with a true and an untrue answer.
    pub n_documents: u64,
    pub n_sentences: usize,
    /// Of the documents, those that are hidden to see what answers lose.
    pub n_hidden: u64,
}

impl Default for GroundEffort {
    fn default() -> Self {
        Self { n_documents: 100, n_sentences: 8, n_hidden: 30 }
    }
}

/// Documents are left out one fold after the other.
const N_FOLDS: usize = 5;

/// # Errors
/// What becomes of prompts and requests.
pub fn calibrate(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    effort: GroundEffort,
) -> Result<GroundDetector, PromptError> {
    if effort.n_documents < N_FOLDS as u64 {
        return Err(InspectError::Empty { what: "a fold of the calibration documents" }.into());
    }
    let mut seen = Seen::default();
    for seed in 0..effort.n_documents {
        let case = grounding(seed, Half::Calibration, effort.n_sentences);
        let prompt = prompts.turn(&[&case.facts.document, &case.facts.question])?;
        for (answer, is_grounded) in [(&case.grounded, true), (&case.ungrounded, false)] {
            let question = Ground::new(inspector, &prompt, answer);
            let tokens = question.n_prompt..question.ids.len();
            seen.features.push(Ratios::new(inspector, &question)?.of(tokens.clone()));
            seen.is_grounded.push(is_grounded);
            if seed < effort.n_hidden {
                let n = tokens.len() as f64;
                let (logprob, without) = logprobs(inspector, &question, tokens)?;
                seen.nats.push((logprob - without) / n);
            }
        }
    }
    Ok(seen.fit())
}

/// Sentences in pairs, each of one document.
#[derive(Default)]
struct Seen {
    features: Vec<Vec<f64>>,
    is_grounded: Vec<bool>,
    /// Of the first of them.
    nats: Vec<f64>,
}

impl Seen {
    fn fit(&self) -> GroundDetector {
        let cross =
            cross_validated(&self.features, &self.is_grounded, (N_FOLDS, |idx| idx / 2 % N_FOLDS));
        let probabilities = &cross.unseen;
        let of_kind = |values: &[f64], kind: bool| -> Vec<f64> {
            let of_kind = values.iter().zip(&self.is_grounded).filter(|pair| *pair.1 == kind);
            of_kind.map(|(&value, _)| value).collect()
        };
        let lookback: Vec<f64> = self.features.iter().map(|features| mean(features)).collect();
        let means = |kind| {
            let (probability, nats) = (of_kind(probabilities, kind), of_kind(&self.nats, kind));
            Means {
                probability: mean(&probability),
                lookback: mean(&of_kind(&lookback, kind)),
                nats_per_token: mean(&nats),
                n: probability.len(),
                n_nats: nats.len(),
            }
        };
        let cut = Cut::best(&of_kind(probabilities, true), &of_kind(probabilities, false));
        GroundDetector {
            logistic: cross.logistic,
            baselines: GroundBaselines {
                grounded: means(true),
                ungrounded: means(false),
                cut: cut.expect("both kinds were seen"),
            },
        }
    }
}
