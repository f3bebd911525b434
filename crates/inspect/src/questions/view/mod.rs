//! An answer as a page shows it: a part of it is chosen, and what it read is seen tile by tile,
//! head by head, at any length of text.

mod grid;
mod knock_out;
mod pieces;
mod readers;
mod strip;
mod tiles;

use std::ops::Range;

use model::ModelConfig;

use crate::capture::{SourceRow, Target};
use crate::inspector::{InspectError, Inspector};

pub use grid::{GridHead, grid};
pub use knock_out::{KNOCK_OUT_CAVEAT, KnockedOut, TokenWithout, knock_out};
pub use pieces::{contents, pieces, sentences};
pub use readers::{Reader, readers};
pub use strip::{StripToken, strip};
pub use tiles::{HeadTiles, N_VALUES_MAX, Tiles, TilesAsked, tiles};

/// A prompt with its answer.
#[derive(Clone, Debug)]
pub struct View {
    /// Prompt, then answer.
    pub ids: Vec<u32>,
    pub n_prompt: usize,
}

impl View {
    /// Places in the text of tokens of the answer, which are counted from its first.
    ///
    /// # Errors
    /// Tokens that the answer does not have, or none.
    pub fn answer(&self, tokens: &Range<usize>) -> Result<Range<usize>, InspectError> {
        let n_answer = self.ids.len() - self.n_prompt;
        if tokens.is_empty() || tokens.end > n_answer {
            let what = format!("tokens {} to {} of the answer", tokens.start, tokens.end);
            let found = format!("{what}, which has {n_answer}");
            return Err(InspectError::Unfit { what: found, expected: "some that it has" });
        }
        Ok(tokens.start + self.n_prompt..tokens.end + self.n_prompt)
    }

    /// The keys of tokens of the prompt.
    ///
    /// # Errors
    /// Tokens that the prompt does not have, or none.
    pub fn prompt(&self, span: &Range<usize>) -> Result<Range<usize>, InspectError> {
        if span.is_empty() || span.end > self.n_prompt {
            let what = format!("tokens {} to {} of the prompt", span.start, span.end);
            let found = format!("{what}, which has {}", self.n_prompt);
            return Err(InspectError::Unfit { what: found, expected: "some that it has" });
        }
        Ok(span.clone())
    }

    /// Reads the prompt alone, where that is of use to questions of it and its answer: layers with
    /// a window keep it where a text has ended, and questions begin where the prompt ends.
    ///
    /// # Errors
    /// What becomes of the request.
    pub fn read_prompt(&self, inspector: &mut Inspector<'_>) -> Result<(), InspectError> {
        match has_windows(&inspector.model.config) {
            true => Ok(inspector.read(&self.ids[..self.n_prompt])?),
            false => Ok(()),
        }
    }

    /// What is computed for the rows before `end`: the text up to there. Layers with a window keep
    /// it at the last few places where texts have ended: there, all texts end alike.
    fn until(&self, inspector: &Inspector<'_>, end: usize) -> &[u32] {
        match has_windows(&inspector.model.config) {
            true => &self.ids,
            false => &self.ids[..end],
        }
    }

    /// The parts that a span and the rest of the prompt are, for each key; the first key, which
    /// takes what is needed nowhere, is in neither.
    fn parts(&self, span: &Range<usize>) -> Vec<Option<u32>> {
        let part = |key: usize| (key > 0).then(|| u32::from(!span.contains(&key)));
        (0..self.n_prompt).map(part).collect()
    }
}

fn has_windows(config: &ModelConfig) -> bool {
    (0..config.n_layers).any(|layer_idx| config.window_of(layer_idx).is_some())
}

/// The rows that wrote tokens: each is that of the token before.
fn rows_of(
    tokens: Range<usize>,
    unit: impl Fn(usize) -> usize,
    target: impl Fn(usize) -> Option<Target>,
) -> Vec<SourceRow> {
    let row = |(nth, token): (usize, usize)| SourceRow {
        query_pos: token as u32 - 1,
        unit: unit(nth),
        target: target(token),
    };
    tokens.enumerate().map(row).collect()
}

/// `ln` of the mean weight of the tokens of a span over that of the others.
fn log_lift(of_span: (f64, usize), of_rest: (f64, usize)) -> f64 {
    let mean = |(weight, n): (f64, usize)| weight.max(f64::MIN_POSITIVE) / n.max(1) as f64;
    (mean(of_span) / mean(of_rest)).ln()
}
