//! Whether sentences of an answer rest on the document: by where the model looked while it wrote
//! them (lookback ratio, Chuang et al. 2407.07071), and by what they lose without it.

mod calibrate;

pub use calibrate::{GroundEffort, calibrate};

use std::ops::Range;

use engine::SpecialText;
use model::kv::Hidden;
use serde::{Deserialize, Serialize};

use super::look::LookedPart;
use crate::capture::{SpanWeights, SpansPlan};
use crate::inspector::{InspectError, Inspector};
use crate::prompts::Prompt;
use crate::regression::Logistic;
use crate::text::{Segments, Unit};

/// A prompt with its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ground {
    /// Prompt, then answer.
    pub ids: Vec<u32>,
    pub n_prompt: usize,
    /// Tokens of the document.
    pub document: Range<usize>,
}

/// What was learnt from planted answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroundDetector {
    /// From lookback ratios, `[n_layers * n_heads]`, to how likely a sentence is grounded.
    pub logistic: Logistic,
    pub baselines: GroundBaselines,
}

/// Means of planted sentences that are grounded, and of those that are not. Probabilities are those
/// of sentences that the regression had not seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GroundBaselines {
    pub grounded: Means,
    pub ungrounded: Means,
    /// Where the probability divides them best.
    pub cut: crate::trial::Cut,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Means {
    pub probability: f64,
    pub lookback: f64,
    pub nats_per_token: f64,
    /// Sentences.
    pub n: usize,
    /// Of them, those of `nats_per_token`.
    pub n_nats: usize,
}

/// What can be said of an answer.
#[derive(Clone, Debug, Serialize)]
pub struct Grounded {
    pub sentences: Vec<GroundedSentence>,
    pub baselines: GroundBaselines,
    pub caveat: &'static str,
}

const CAVEAT: &str = "advice, no proof: what a sentence looks at need not bear it out; fitted on \
     planted answers of one sentence. The question's tokens have read the document before it is \
     hidden";

#[derive(Clone, Debug, Serialize)]
pub struct GroundedSentence {
    #[serde(flatten)]
    pub part: LookedPart,
    /// That it is grounded, by the regression.
    pub probability: f64,
    /// The lookback ratio in the mean over heads.
    pub lookback: f64,
    /// `ln p` lost when the document is hidden from its rows.
    pub nats_per_token: f64,
    pub logprob_per_token: f64,
}

impl Ground {
    /// An answer to a prompt whose first part is the document.
    pub fn new(inspector: &Inspector<'_>, prompt: &Prompt, answer: &str) -> Self {
        let answer = inspector.tokenizer.encode(answer, SpecialText::AsText);
        Self {
            ids: [&prompt.ids[..], &answer].concat(),
            n_prompt: prompt.ids.len(),
            document: prompt.parts[0].clone(),
        }
    }
}

/// # Errors
/// An empty answer, and what becomes of requests.
pub fn ground(
    inspector: &mut Inspector<'_>,
    detector: &GroundDetector,
    question: &Ground,
) -> Result<Grounded, InspectError> {
    let text = inspector.text(&question.ids);
    let answer = question.n_prompt..question.ids.len();
    let segments = Segments::new(&text, answer, Unit::Sentence);
    let ratios = Ratios::new(inspector, question)?;
    let mut sentences = Vec::new();
    for segment in segments.segments() {
        let tokens = segment.tokens.clone();
        let features = ratios.of(tokens.clone());
        let (logprob, without) = logprobs(inspector, question, tokens.clone())?;
        let n = tokens.len() as f64;
        let bytes = segment.bytes.clone();
        sentences.push(GroundedSentence {
            part: LookedPart { text: text.text()[bytes.clone()].to_owned(), bytes, tokens },
            probability: detector.logistic.probability(&features),
            lookback: mean(&features),
            nats_per_token: (logprob - without) / n,
            logprob_per_token: logprob / n,
        });
    }
    if sentences.is_empty() {
        return Err(InspectError::Empty { what: "the answer" });
    }
    Ok(Grounded { sentences, baselines: detector.baselines, caveat: CAVEAT })
}

/// `ln p` of tokens of the answer, and the same when the document is hidden from their rows.
fn logprobs(
    inspector: &mut Inspector<'_>,
    question: &Ground,
    tokens: Range<usize>,
) -> Result<(f64, f64), InspectError> {
    let ids = &question.ids[..tokens.end];
    let logprob = inspector.score(ids, tokens.start)?.logprob();
    let Range { start, end } = question.document.clone();
    let hidden = Hidden { keys: start as u32..end as u32, from: tokens.start as u32 - 1 };
    let without = inspector.score_without(ids, tokens.start, [hidden])?;
    Ok((logprob, without[0]))
}

/// Lookback ratios of the rows that wrote an answer.
struct Ratios {
    weights: SpanWeights,
    n_document: usize,
    document_end: usize,
}

impl Ratios {
    fn new(inspector: &mut Inspector<'_>, question: &Ground) -> Result<Self, InspectError> {
        if question.ids.len() <= question.n_prompt {
            return Err(InspectError::Empty { what: "the answer" });
        }
        // The first key takes what is needed nowhere.
        let document = question.document.start.max(1)..question.document.end;
        if document.is_empty() {
            return Err(InspectError::Empty { what: "the document" });
        }
        let n = question.ids.len() as u32;
        let spans = vec![document.start as u32..document.end as u32, document.end as u32..n];
        let plan = SpansPlan { rows: question.n_prompt as u32 - 1..n - 1, spans };
        let weights = SpanWeights::new(&inspector.model.config, plan, inspector.n_bytes_max)?;
        let weights = inspector.watch(&question.ids, weights)?;
        Ok(Self { weights, n_document: document.len(), document_end: document.end })
    }

    /// In the mean over the rows that wrote `tokens`: `[n_layers * n_heads]`
    fn of(&self, tokens: Range<usize>) -> Vec<f64> {
        let mut means = Vec::new();
        let n = tokens.len() as f64;
        for row in tokens.start - 1..tokens.end - 1 {
            let n_new = row + 1 - self.document_end;
            let spans = self.weights.row(row as u32);
            means.resize(spans.len(), 0.0);
            for (mean, spans) in means.iter_mut().zip(spans) {
                let [document, new] = [spans[0], spans[1]].map(f64::from);
                *mean += lookback_ratio((document, self.n_document), (new, n_new)) / n;
            }
        }
        means
    }
}

/// `A_context / (A_context + A_new)` of mean weights: of the document's tokens, and of those that
/// came since, the rest of the prompt with them.
fn lookback_ratio((document, n_document): (f64, usize), (new, n_new): (f64, usize)) -> f64 {
    let document = document / n_document.max(1) as f64;
    let new = new / n_new.max(1) as f64;
    // A head that looks at neither tells nothing.
    if document + new > 0.0 { document / (document + new) } else { 0.5 }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lookback_ratios_compare_means() {
        let check = |document, new, expected: f64| {
            let found = lookback_ratio(document, new);
            assert!((found - expected).abs() < 1e-12, "{found}");
        };
        check((0.5, 10), (0.5, 10), 0.5);
        check((0.6, 20), (0.1, 10), 0.75);
        check((0.0, 20), (0.1, 10), 0.0);
        check((0.2, 20), (0.0, 0), 1.0);
        check((0.0, 20), (0.0, 5), 0.5);
    }
}
