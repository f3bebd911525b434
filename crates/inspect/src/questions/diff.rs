//! What differs between two models that read the same text: where they look, and what they expect.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use engine::request::N_TOP_MAX;
use engine::{LogprobsWanted, PromptToken, Request, SamplingParams, Special, Tokenizer};
use model::Model;
use serde::Serialize;

use crate::capture::{AllRows, Distance, RowDistances};
use crate::inspector::{InspectError, Inspector};

/// What must be equal in two models for their rows to be compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    n_layers: usize,
    n_heads: usize,
    n_tokens: usize,
    /// Of what each token stands for.
    vocabulary: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShapeError {
    #[error("{ours} {what} and {theirs}: expected two models of the same shape")]
    Number { what: &'static str, ours: usize, theirs: usize },
    #[error("the same number of tokens, but others: expected two models with one vocabulary")]
    Vocabulary,
}

/// What the first model made of a text.
pub struct TextRead {
    ids: Vec<u32>,
    rows: AllRows,
    tokens: Vec<PromptToken>,
}

/// How far the second model is from the first.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// Rows of each head; the first token's, which sees nothing but itself, is none of them.
    pub n_rows: usize,
    /// `[n_layers, n_heads]`
    pub heads: Vec<HeadDiff>,
    pub layers: Vec<LayerDiff>,
    /// Heads that differ most, and the median of all heads: the baseline.
    pub farthest: Vec<HeadDiff>,
    pub median: f64,
    /// The first layer whose mean distance is above the threshold.
    pub first_layer: Option<usize>,
    pub threshold: f64,
    /// Of each token but the first.
    pub tokens: Vec<TokenDiff>,
    pub kl_mean: f64,
    pub kl_max: f64,
    pub caveat: &'static str,
}

/// Total variation distances between the rows of a head: 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct HeadDiff {
    pub layer: usize,
    pub head: usize,
    pub mean: f64,
    pub max: f64,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct LayerDiff {
    pub layer: usize,
    pub mean: f64,
    pub max: f64,
}

/// What both models expected where a token stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct TokenDiff {
    pub pos: usize,
    pub token_id: u32,
    /// `KL(first || second)` in nats, from below: of the tokens that both have among their
    /// likeliest, the one that stands there, and all others together.
    pub kl_at_least: f64,
    /// `ln p` of the token by each.
    pub logprobs: [f64; 2],
}

const N_FARTHEST: usize = 10;
const CAVEAT: &str = "rows of one text; the divergence is a lower bound, from the 20 likeliest \
     tokens of each place; equal rows may carry other values";

impl Shape {
    pub fn of(model: &Model, tokenizer: &Tokenizer) -> Self {
        let n_tokens = tokenizer.n_vocab();
        let mut hasher = DefaultHasher::new();
        for id in 0..n_tokens as u32 {
            tokenizer.token_bytes(id, Special::Show).hash(&mut hasher);
        }
        let vocabulary = hasher.finish();
        Self {
            n_layers: model.config.n_layers,
            n_heads: model.config.n_heads,
            n_tokens,
            vocabulary,
        }
    }

    /// # Errors
    /// What differs first.
    pub fn check(&self, other: &Self) -> Result<(), ShapeError> {
        let numbers = [
            ("layers", self.n_layers, other.n_layers),
            ("heads a layer", self.n_heads, other.n_heads),
            ("tokens in the vocabulary", self.n_tokens, other.n_tokens),
        ];
        match numbers.into_iter().find(|(_, ours, theirs)| ours != theirs) {
            Some((what, ours, theirs)) => Err(ShapeError::Number { what, ours, theirs }),
            None if self.vocabulary != other.vocabulary => Err(ShapeError::Vocabulary),
            None => Ok(()),
        }
    }
}

impl TextRead {
    /// Shows a text to the first model, which is not needed any more then.
    ///
    /// # Errors
    /// A text of one token, or one that is too long; and what becomes of requests.
    pub fn by(inspector: &mut Inspector<'_>, ids: &[u32]) -> Result<Self, InspectError> {
        if ids.len() < 2 {
            return Err(InspectError::Empty { what: "the text behind its first token" });
        }
        let rows = AllRows::new(&inspector.model.config, ids.len(), inspector.n_bytes_max)?;
        let rows = inspector.watch(ids, rows)?;
        Ok(Self { rows, tokens: expected(inspector, ids)?, ids: ids.to_vec() })
    }

    pub fn n_tokens(&self) -> usize {
        self.ids.len()
    }
}

/// Shows the text to the second model, whose [`Shape`] is that of the first.
///
/// # Errors
/// What becomes of requests.
pub fn diff(
    inspector: &mut Inspector<'_>,
    read: TextRead,
    threshold: f64,
) -> Result<Diff, InspectError> {
    let TextRead { ids, rows, tokens: first } = read;
    let n_heads = inspector.model.config.n_heads;
    let distances = inspector.watch(&ids, RowDistances::from(rows))?;
    let second = expected(inspector, &ids)?;
    let of_head = |(idx, found): (usize, &Distance)| HeadDiff {
        layer: idx / n_heads,
        head: idx % n_heads,
        mean: found.mean(),
        max: found.max,
    };
    let heads: Vec<HeadDiff> = distances.found().iter().enumerate().map(of_head).collect();
    let layers = distances.found().chunks(n_heads).enumerate();
    let layers: Vec<LayerDiff> = layers.map(|(layer, heads)| of_layer(layer, heads)).collect();
    let tokens = ids.iter().enumerate().skip(1).zip(first.iter().zip(&second));
    let tokens: Vec<TokenDiff> = tokens
        .map(|((pos, &token_id), (first, second))| TokenDiff {
            pos,
            token_id,
            kl_at_least: divergence(first, second),
            logprobs: [first, second].map(|token| f64::from(token.logprob)),
        })
        .collect();
    let mut farthest = heads.clone();
    farthest.sort_by(|a, b| b.mean.total_cmp(&a.mean));
    let median = farthest[farthest.len() / 2].mean;
    farthest.truncate(N_FARTHEST);
    Ok(Diff {
        n_rows: ids.len() - 1,
        first_layer: layers.iter().position(|layer| layer.mean > threshold),
        heads,
        layers,
        farthest,
        median,
        threshold,
        kl_mean: tokens.iter().map(|token| token.kl_at_least).sum::<f64>() / tokens.len() as f64,
        kl_max: tokens.iter().map(|token| token.kl_at_least).fold(0.0, f64::max),
        tokens,
        caveat: CAVEAT,
    })
}

fn of_layer(layer: usize, heads: &[Distance]) -> LayerDiff {
    let mean = heads.iter().map(Distance::mean).sum::<f64>() / heads.len() as f64;
    LayerDiff { layer, mean, max: heads.iter().map(|of_head| of_head.max).fold(0.0, f64::max) }
}

/// How likely each token but the first is, and the likeliest in its place.
fn expected(inspector: &mut Inspector<'_>, ids: &[u32]) -> Result<Vec<PromptToken>, InspectError> {
    let request = Request {
        n_tokens_max: Some(0),
        logprobs: LogprobsWanted { n_top: N_TOP_MAX, of_prompt: Some(1) },
        ..Request::new(ids.to_vec(), SamplingParams::greedy())
    };
    let replies = inspector.ask.ask(vec![request])?;
    Ok(replies.into_iter().flat_map(|reply| reply.prompt).collect())
}

/// `sum p ln(p / q)` over tokens that both know of and all others together, which is no more than
/// that over all tokens (the log sum inequality).
fn divergence(first: &PromptToken, second: &PromptToken) -> f64 {
    let own = (first.token_id, first.logprob, second.logprob);
    let common = first.top.iter().filter(|&&(id, _)| id != first.token_id);
    let common = common.filter_map(|&(id, p)| {
        let (_, q) = second.top.iter().find(|&&(other, _)| other == id)?;
        Some((id, p, *q))
    });
    let mut rest = [1.0f64; 2];
    let mut sum = 0.0;
    for (_, p, q) in [own].into_iter().chain(common) {
        let [p, q] = [p, q].map(f64::from);
        sum += p.exp() * (p - q);
        rest[0] -= p.exp();
        rest[1] -= q.exp();
    }
    // Below it is rounding: probabilities are those of f32 logits.
    const LEAST: f64 = 1e-6;
    let [p, q] = rest.map(|rest| rest.max(LEAST));
    (sum + p * (p / q).ln()).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(top: &[(u32, f32)]) -> PromptToken {
        let top: Vec<(u32, f32)> = top.iter().map(|&(id, p)| (id, p.ln())).collect();
        PromptToken { token_id: top[0].0, logprob: top[0].1, top }
    }

    #[test]
    fn divergence_is_that_of_what_both_know() {
        let check = |first: &[(u32, f32)], second: &[(u32, f32)], expected: f64| {
            let found = divergence(&token(first), &token(second));
            assert!((found - expected).abs() < 1e-5, "{found}");
        };
        let half = [(1, 0.5), (2, 0.25), (3, 0.25)];
        check(&half, &half, 0.0);
        // All that is known of both is token 1: 0.5 ln(0.5 / 0.25) + 0.5 ln(0.5 / 0.75)
        check(&half, &[(1, 0.25), (4, 0.75)], 0.143_841);
        check(&[(1, 0.5), (2, 0.5)], &[(1, 0.25), (2, 0.75)], 0.143_841);
    }
}
