//! How often a true answer is told from an untrue one, on documents that nothing was chosen by.

use serde::Serialize;

use super::Auroc;
use crate::inspector::{InspectError, Inspector};
use crate::planted::{Half, grounding};
use crate::profile::Profile;
use crate::prompts::{PromptError, Prompts};
use crate::questions::ground::{Ground, ground as look_at};

/// Sentences of the document against sentences that it does not bear out.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GroundTrial {
    /// By the regression on lookback ratios.
    pub probability: Auroc,
    /// By the mean lookback ratio of all heads alike: its baseline.
    pub lookback: Auroc,
    /// By what the sentence loses without the document.
    pub nats: Auroc,
    /// By how likely the model finds the sentence, which takes no attention.
    pub logprob: Auroc,
    pub caveat: &'static str,
}

const CAVEAT: &str = "planted documents in English, made of templates, with answers of one \
                          sentence: what is fitted on them may tell less of other texts";

/// Measured on `n` documents with a true and an untrue answer each. `progress(n_done)` is told of
/// documents.
///
/// # Errors
/// What becomes of prompts and requests.
pub fn ground_trial(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    (profile, n): (&Profile, u64),
    progress: &mut dyn FnMut(usize),
) -> Result<GroundTrial, PromptError> {
    const N_SENTENCES: usize = 8;
    // Of the numbers of [`GroundTrial`], in its order: of true answers, and of untrue ones.
    let mut scores: [[Vec<f64>; 2]; 4] = Default::default();
    for seed in 0..n {
        let case = grounding(2 * seed + 1, Half::HeldOut, N_SENTENCES);
        let prompt = prompts.turn(&[&case.facts.document, &case.facts.question])?;
        for (kind, answer) in [&case.grounded, &case.ungrounded].into_iter().enumerate() {
            let question = Ground::new(inspector, &prompt, answer);
            let found = look_at(inspector, &profile.ground, &question)?;
            // Nothing else than one sentence was asked for; where it is seen as more, all count.
            let sentences = &found.sentences;
            let mean = |of: &dyn Fn(usize) -> f64| {
                (0..sentences.len()).map(of).sum::<f64>() / sentences.len() as f64
            };
            scores[0][kind].push(mean(&|i| sentences[i].probability));
            scores[1][kind].push(mean(&|i| sentences[i].lookback));
            scores[2][kind].push(mean(&|i| sentences[i].nats_per_token));
            scores[3][kind].push(mean(&|i| sentences[i].logprob_per_token));
        }
        progress(seed as usize + 1);
    }
    let auroc = |[grounded, ungrounded]: &[Vec<f64>; 2]| {
        Auroc::of(grounded, ungrounded)
            .ok_or(InspectError::Empty { what: "the set of trial documents" })
    };
    Ok(GroundTrial {
        probability: auroc(&scores[0])?,
        lookback: auroc(&scores[1])?,
        nats: auroc(&scores[2])?,
        logprob: auroc(&scores[3])?,
        caveat: CAVEAT,
    })
}
