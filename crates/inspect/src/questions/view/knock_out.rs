//! What a part of the answer loses when a span of the prompt is hidden from the rows that wrote it.

use std::ops::Range;

use engine::PromptToken;
use model::kv::Hidden;
use serde::Serialize;

use super::{View, pieces};
use crate::inspector::{InspectError, Inspector};

/// What the number is to be read with.
pub const KNOCK_OUT_CAVEAT: &str = "what later tokens had read of the span stays in the cache: the \
     loss without it is at least this";

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KnockedOut {
    /// `ln p` of the part as it was written, and without the span.
    pub logprob: f64,
    pub logprob_without: f64,
    pub nats_lost: f64,
    pub tokens: Vec<TokenWithout>,
}

/// `ln p` of one token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenWithout {
    pub piece: String,
    pub logprob: f64,
    pub without: f64,
}

/// `tokens`: of the answer; `span`: of the prompt. A row always sees itself: the prompt's last
/// token is never hidden from the first row.
///
/// # Errors
/// Tokens that do not exist, and what becomes of requests.
pub fn knock_out(
    inspector: &mut Inspector<'_>,
    view: &View,
    (tokens, span): (&Range<usize>, &Range<usize>),
) -> Result<KnockedOut, InspectError> {
    let (tokens, span) = (view.answer(tokens)?, view.prompt(span)?);
    let from = tokens.start as u32 - 1;
    let keys = span.start as u32..(span.end as u32).min(from);
    if keys.is_empty() {
        let what = "a span of the prompt's last token alone".to_owned();
        return Err(InspectError::Unfit { what, expected: "one that its row can go without" });
    }
    let ids = view.until(inspector, tokens.end);
    let seen = inspector.score(ids, tokens.start)?;
    let without = inspector.score_hidden(ids, tokens.start, Hidden { keys, from })?;
    let text = inspector.text(ids);
    let pieces = pieces(&text);
    let token = |((seen, without), place): ((&PromptToken, &PromptToken), usize)| TokenWithout {
        piece: pieces[place].to_owned(),
        logprob: f64::from(seen.logprob),
        without: f64::from(without.logprob),
    };
    let both = seen.prompt.iter().zip(&without.prompt).zip(tokens);
    let tokens: Vec<TokenWithout> = both.map(token).collect();
    let logprob = tokens.iter().map(|token| token.logprob).sum::<f64>();
    let logprob_without = tokens.iter().map(|token| token.without).sum::<f64>();
    let nats_lost = logprob - logprob_without;
    Ok(KnockedOut { logprob, logprob_without, nats_lost, tokens })
}
