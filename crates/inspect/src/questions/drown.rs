//! Whether a model drowns: what becomes of a part of a text that an answer needs when more stands
//! around it.
//!
//! No length is known at which models drown, so the same model with the same part in less text, and
//! in other places of the same text, is what it is compared with.

mod cases;
mod variants;

use std::ops::Range;

use model::kv::Hidden;
use serde::Serialize;

use crate::capture::{Spread, SpreadFound, SpreadPlan};
use crate::inspector::{InspectError, Inspector};

pub use cases::{dearest_span, drown_cases, named_span};
pub use variants::{Variant, VariantKind, variants};

/// A text in which the span stands, with the question, as tokens.
#[derive(Clone, Debug)]
pub struct DrownCase {
    pub kind: VariantKind,
    pub prompt: Vec<u32>,
    /// Tokens of the text, and those of it that the answer needs.
    pub context: Range<usize>,
    pub span: Range<usize>,
}

/// What became of the span.
#[derive(Clone, Debug, Serialize)]
pub struct Drowned {
    /// From the shortest text to the actual one, which is the last.
    pub curve: Vec<DrownPoint>,
    /// The whole text with the span elsewhere: at the start, in the middle, at the end.
    pub moved: Vec<DrownPoint>,
    pub change: DrownChange,
    pub caveat: &'static str,
}

/// What the rows that wrote the answer made of one text.
#[derive(Clone, Debug, Serialize)]
pub struct DrownPoint {
    pub kind: VariantKind,
    /// Tokens of the text without question and answer.
    pub n_tokens: usize,
    /// How far into the text the span begins: 0 to 1.
    pub depth: f64,
    /// `ln` of the mean weight of the span's tokens over that of the other tokens of the text,
    /// however many these are.
    pub log_lift: f64,
    /// The share of attention on the span, and what it would be if all tokens of the text got the
    /// same.
    pub span_share: f64,
    pub span_share_if_even: f64,
    /// The shares that rest on the first token, and on learned sinks.
    pub sink: f64,
    pub virtual_sink: f64,
    /// `e^H` of what is left without sinks, `H` in the mean over rows and heads: among how many
    /// keys attention is divided. And how many there are, in the mean over rows.
    pub n_effective: f64,
    pub n_keys: f64,
    pub logprob_per_token: f64,
    /// What the answer loses a token, in nats, without the span.
    pub knock_out_per_token: f64,
    /// Rows that wrote the answer, times heads.
    pub n_rows: usize,
}

/// The actual text less the shortest one.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DrownChange {
    pub log_lift: f64,
    pub span_share: f64,
    pub logprob_per_token: f64,
    pub knock_out_per_token: f64,
    /// Tokens of the answer.
    pub n: usize,
}

const CAVEAT: &str = "one answer to one text: the other sentences differ between lengths and may \
     say something themselves; hiding the span leaves what later tokens had read of it";

/// `cases`: [`variants`] as prompts, the curve's in the order of lengths, its last the actual text.
///
/// # Errors
/// An answer or cases that are missing, and what becomes of requests.
pub fn drown(
    inspector: &mut Inspector<'_>,
    cases: &[DrownCase],
    answer: &[u32],
    progress: &mut dyn FnMut(usize),
) -> Result<Drowned, InspectError> {
    if answer.is_empty() {
        return Err(InspectError::Empty { what: "the answer" });
    }
    let (mut curve, mut moved) = (Vec::new(), Vec::new());
    for (idx, case) in cases.iter().enumerate() {
        let found = point(inspector, case, answer)?;
        match case.kind {
            VariantKind::Start | VariantKind::Middle | VariantKind::End => moved.push(found),
            VariantKind::Cut { .. } | VariantKind::Actual => curve.push(found),
        }
        progress(idx + 1);
    }
    let (Some(shortest), Some(actual)) = (curve.first(), curve.last()) else {
        return Err(InspectError::Empty { what: "the text" });
    };
    let change = DrownChange {
        log_lift: actual.log_lift - shortest.log_lift,
        span_share: actual.span_share - shortest.span_share,
        logprob_per_token: actual.logprob_per_token - shortest.logprob_per_token,
        knock_out_per_token: actual.knock_out_per_token - shortest.knock_out_per_token,
        n: answer.len(),
    };
    Ok(Drowned { curve, moved, change, caveat: CAVEAT })
}

fn point(
    inspector: &mut Inspector<'_>,
    case: &DrownCase,
    answer: &[u32],
) -> Result<DrownPoint, InspectError> {
    let DrownCase { kind, prompt, context, span } = case.clone();
    let ids = [&prompt, answer].concat();
    // Row `i` writes token `i + 1`.
    let rows = prompt.len() as u32 - 1..ids.len() as u32 - 1;
    let of = |tokens: &Range<usize>| tokens.start as u32..tokens.end as u32;
    let plan = SpreadPlan { rows: rows.clone(), context: of(&context), span: of(&span) };
    let spread = inspector.watch(&ids, Spread::new(plan))?.found();
    let hidden = Hidden { keys: of(&span), from: rows.start };
    let logprob = inspector.score(&ids, prompt.len())?.logprob();
    let without = inspector.score_without(&ids, prompt.len(), [hidden])?;
    let n = answer.len() as f64;
    let (n_span, n_context) = (span.len() as f64, context.len() as f64);
    let SpreadFound { n: n_rows, sink, virtual_sink, span: span_share, .. } = spread;
    let of_rest = (spread.context - span_share).max(f64::MIN_POSITIVE);
    let n_rest = (n_context - n_span).max(1.0);
    let per_span = span_share.max(f64::MIN_POSITIVE) / n_span;
    Ok(DrownPoint {
        kind,
        n_tokens: context.len(),
        depth: (span.start - context.start) as f64 / n_rest,
        log_lift: (per_span / (of_rest / n_rest)).ln(),
        span_share,
        span_share_if_even: spread.context * n_span / n_context,
        sink,
        virtual_sink,
        n_effective: spread.entropy.exp(),
        n_keys: rows.map(|row| f64::from(row) + 1.0).sum::<f64>() / n,
        logprob_per_token: logprob / n,
        knock_out_per_token: without.iter().map(|without| logprob - without).sum::<f64>() / n,
        n_rows,
    })
}
