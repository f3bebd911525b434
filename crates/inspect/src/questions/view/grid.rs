//! What every head gives to a span of the prompt when it writes a part of the answer.

use std::ops::Range;

use model::batch::KeysOf;
use serde::Serialize;

use super::{View, log_lift, rows_of};
use crate::capture::{All, RowStatistics, SinkApart, Sources, SourcesPlan};
use crate::inspector::{InspectError, Inspector};

/// In the mean over the rows that wrote the part.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GridHead {
    pub layer: usize,
    pub head: usize,
    /// The weight of the text's first key.
    pub sink: f64,
    /// Of the other weights, made to sum to one; in nats.
    pub entropy: f64,
    /// Of the span.
    pub weight: f64,
    /// `ln` of the mean weight of its tokens over that of the prompt's others, the first aside.
    pub log_lift: f64,
}

/// All heads, layer by layer. `tokens`: of the answer; `span`: of the prompt.
///
/// # Errors
/// Tokens that do not exist, and what becomes of requests.
pub fn grid(
    inspector: &mut Inspector<'_>,
    view: &View,
    (tokens, span): (&Range<usize>, &Range<usize>),
) -> Result<Vec<GridHead>, InspectError> {
    let (tokens, span) = (view.answer(tokens)?, view.prompt(span)?);
    let parts = view.parts(&span);
    let n_tokens = [0, 1].map(|part| parts.iter().filter(|of| **of == Some(part)).count());
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        parts,
        n_parts: 2,
        rows: rows_of(tokens.clone(), |_| 0, |_| None),
        n_units: 1,
        head_weights: None,
        lenses: Vec::new(),
    };
    let (model, limit) = (inspector.model.clone(), inspector.n_bytes_max);
    let sources = Sources::new(model, plan, limit)?;
    let rows = tokens.start as u32 - 1..tokens.end as u32 - 1;
    let statistics = RowStatistics::new(&inspector.model.config, rows, limit)?;
    let ids = view.until(inspector, tokens.end);
    let All(sources, statistics) = inspector.watch(ids, All(sources, statistics))?;
    let n_heads = inspector.model.config.n_heads;
    let weights = sources.by_head();
    let head = |(place, row): (usize, SinkApart)| {
        let SinkApart { first, entropy } = row;
        let [weight, rest] = [0, 1].map(|part| f64::from(weights[2 * place + part]));
        GridHead {
            layer: place / n_heads,
            head: place % n_heads,
            sink: first,
            entropy,
            weight,
            log_lift: log_lift((weight, n_tokens[0]), (rest, n_tokens[1])),
        }
    };
    Ok(statistics.means().into_iter().enumerate().map(head).collect())
}
