//! What the last token of a prompt gives to the instruction and to the data.

use std::ops::Range;

use crate::capture::{SpanWeights, SpansPlan};
use crate::inspector::{InspectError, Inspector};
use crate::prompts::Prompt;
use crate::questions::heads::focus;
use crate::text::{Segments, Unit};

pub(super) struct Features {
    /// `[n_layers * n_heads]`: what instruction and data get.
    weights: Vec<[f32; 2]>,
    n_tokens: [usize; 2],
    /// `[n_layers * n_heads]`: what the heaviest sentence of the data gets, a token.
    heaviest: Vec<f64>,
}

/// A weight a token below which there is none.
const EPSILON: f64 = 1e-6;

impl Features {
    pub(super) fn of(inspector: &mut Inspector<'_>, prompt: &Prompt) -> Result<Self, InspectError> {
        let n = prompt.ids.len() as u32;
        let text = inspector.text(&prompt.ids);
        let segments = Segments::new(&text, prompt.parts[1].clone(), Unit::Sentence);
        let sentences = segments.segments().iter().map(|segment| segment.tokens.clone());
        let spans = prompt.parts.iter().cloned().chain(sentences);
        // The first key takes what is needed nowhere.
        let spans = spans.map(|span: Range<usize>| span.start.max(1) as u32..span.end as u32);
        let spans: Vec<Range<u32>> = spans.collect();
        let plan = SpansPlan { rows: n - 1..n, spans: spans.clone() };
        let plan = SpanWeights::new(&inspector.model.config, plan, inspector.n_bytes_max)?;
        let found = inspector.watch(&prompt.ids, plan)?;
        let heaviest = |weights: &[f32]| {
            let a_token =
                |(weight, span): (&f32, &Range<u32>)| f64::from(*weight) / span.len().max(1) as f64;
            weights[2..].iter().zip(&spans[2..]).map(a_token).fold(0.0, f64::max)
        };
        Ok(Self {
            weights: found.row(n - 1).map(|spans| [spans[0], spans[1]]).collect(),
            heaviest: found.row(n - 1).map(heaviest).collect(),
            n_tokens: prompt.lengths(),
        })
    }

    pub(super) fn focus(&self, heads: &[usize]) -> f64 {
        focus(&self.weights, self.n_tokens, heads)
    }

    /// Of each head: by how much a token of the instruction outweighs one of the data, and a token
    /// of the heaviest sentence one of all the data, as logarithms.
    ///
    /// # Shapes
    /// `[2 * n_layers * n_heads]`
    pub(super) fn all(&self) -> Vec<f64> {
        let n_tokens = self.n_tokens.map(|n| n.max(1) as f64);
        let ratio = |a: f64, b: f64| ((a + EPSILON) / (b + EPSILON)).ln();
        let of_head = |(weights, heaviest): (&[f32; 2], &f64)| {
            let [instruction, data] = [0, 1].map(|i| f64::from(weights[i]) / n_tokens[i]);
            [ratio(instruction, data), ratio(*heaviest, data)]
        };
        self.weights.iter().zip(&self.heaviest).flat_map(of_head).collect()
    }
}
