//! The other direction: which tokens of the answer looked at a span of the prompt.

use std::ops::Range;

use model::batch::KeysOf;
use serde::Serialize;

use super::{View, log_lift, rows_of};
use crate::capture::{Found, SourcesPlan};
use crate::inspector::{InspectError, Inspector};

/// Of the row that wrote a token, in the mean over heads.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Reader {
    /// Of the span.
    pub weight: f64,
    /// `ln` of the mean weight of its tokens over that of the prompt's others, the first aside.
    pub log_lift: f64,
}

/// One of each token of the answer; `span`: of the prompt.
///
/// # Errors
/// A span that does not exist, and what becomes of requests.
pub fn readers(
    inspector: &mut Inspector<'_>,
    view: &View,
    span: &Range<usize>,
) -> Result<Vec<Reader>, InspectError> {
    let span = view.prompt(span)?;
    let parts = view.parts(&span);
    let n_tokens = [0, 1].map(|part| parts.iter().filter(|of| **of == Some(part)).count());
    let tokens = view.n_prompt..view.ids.len();
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        parts,
        n_parts: 2,
        n_units: tokens.len(),
        rows: rows_of(tokens, |nth| nth, |_| None),
        head_weights: None,
        lenses: Vec::new(),
    };
    let found = inspector.sources(&view.ids, plan)?.found();
    let reader = |unit: &Found| Reader {
        weight: unit.weights[0],
        log_lift: log_lift((unit.weights[0], n_tokens[0]), (unit.weights[1], n_tokens[1])),
    };
    Ok(found.iter().map(reader).collect())
}
