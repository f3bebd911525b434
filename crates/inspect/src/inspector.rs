//! A model under inspection: what all questions are made of.

use std::sync::{Arc, Mutex, PoisonError};

use engine::{
    LogprobsWanted, Request, SamplingParams, Special, SpecialText, Tokenizer, Watch, Watcher,
};
use model::Model;
use model::kv::Hidden;

use crate::ask::{Ask, AskError, Reply};
use crate::capture::{PlanTooLarge, SelectionError};
use crate::capture::{RowPlan, Sources, SourcesError, SourcesPlan, TopRows};
use crate::record::Row;
use crate::text::{SpanError, TokenText};

/// Most bytes of what is kept of one pass, unless somebody says otherwise.
pub const N_BYTES_MAX: usize = 256 << 20;
/// Most tokens of an answer that a model writes to be looked at, unless somebody says otherwise.
pub const N_ANSWER: usize = 128;

/// A model that is asked, and bounds on what is kept.
pub struct Inspector<'a> {
    pub model: Arc<Model>,
    pub tokenizer: &'a Tokenizer,
    pub ask: &'a mut dyn Ask,
    pub n_bytes_max: usize,
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InspectError {
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Span(#[from] SpanError),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(transparent)]
    Sources(#[from] SourcesError),
    #[error(transparent)]
    TooLarge(#[from] PlanTooLarge),
    #[error("{what} is empty: give a text")]
    Empty { what: &'static str },
    #[error("{what}: expected {expected}")]
    Unfit { what: String, expected: &'static str },
}

impl Inspector<'_> {
    /// The text that tokens spell, control tokens by their names.
    pub fn text(&self, ids: &[u32]) -> TokenText {
        text_of(self.tokenizer, ids)
    }

    /// The model's likeliest answer: its tokens, without that which ends it.
    pub fn answer(&mut self, prompt: &[u32], n_max: usize) -> Result<Vec<u32>, AskError> {
        let request = Request {
            n_tokens_max: Some(n_max),
            ..Request::new(prompt.to_vec(), SamplingParams::greedy())
        };
        Ok(self.ask_one(request)?.ids)
    }

    /// The tokens of an answer that is given, or the model's likeliest.
    pub fn given_or_written(
        &mut self,
        prompt: &[u32],
        given: Option<&str>,
        n_max: usize,
    ) -> Result<Vec<u32>, AskError> {
        match given {
            Some(text) => Ok(self.tokenizer.encode(text, SpecialText::AsText)),
            None => self.answer(prompt, n_max),
        }
    }

    /// How likely the tokens from `from` on are, and the two likeliest in each place.
    pub fn score(&mut self, ids: &[u32], from: usize) -> Result<Reply, AskError> {
        self.ask_one(scoring(ids, from, None))
    }

    /// The same with some keys hidden.
    pub fn score_hidden(
        &mut self,
        ids: &[u32],
        from: usize,
        hidden: Hidden,
    ) -> Result<Reply, AskError> {
        self.ask_one(scoring(ids, from, Some(hidden)))
    }

    /// `ln p` of all of them under each of some hidden ranges of keys.
    pub fn score_without(
        &mut self,
        ids: &[u32],
        from: usize,
        hidden: impl IntoIterator<Item = Hidden>,
    ) -> Result<Vec<f64>, AskError> {
        let requests = hidden.into_iter().map(|hidden| scoring(ids, from, Some(hidden)));
        let replies = self.ask.ask(requests.collect())?;
        Ok(replies.iter().map(Reply::logprob).collect())
    }

    /// What parts of a text are worth to some of its rows.
    pub fn sources(&mut self, ids: &[u32], plan: SourcesPlan) -> Result<Sources, InspectError> {
        let sources = Sources::new(Arc::clone(&self.model), plan, self.n_bytes_max)?;
        Ok(self.watch(ids, sources)?)
    }

    /// Single rows of a text.
    pub fn rows(&mut self, ids: &[u32], plan: RowPlan) -> Result<Vec<Row>, InspectError> {
        let rows = TopRows::new(plan, ids.len(), self.n_bytes_max)?;
        Ok(self.watch(ids, rows)?.take())
    }

    /// Shows a text to a watcher.
    pub fn watch<W: Watcher + 'static>(&mut self, ids: &[u32], watcher: W) -> Result<W, AskError> {
        let shared = Arc::new(Mutex::new(watcher));
        let watch = Some(Watch::new(Arc::clone(&shared) as _));
        self.ask_one(Request { watch, ..unanswered(ids) })?;
        let watcher = Arc::into_inner(shared).expect("the request is over, nobody else holds it");
        Ok(watcher.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// Leaves a text in the cache, for texts that begin with it.
    pub fn read(&mut self, ids: &[u32]) -> Result<(), AskError> {
        // Nothing is computed of what nothing is wanted of.
        self.answer(ids, 1).map(drop)
    }

    fn ask_one(&mut self, request: Request) -> Result<Reply, AskError> {
        let replies = self.ask.ask(vec![request])?;
        Ok(replies.into_iter().next().expect("a reply for each request"))
    }
}

/// The text that tokens spell, control tokens by their names.
pub fn text_of(tokenizer: &Tokenizer, ids: &[u32]) -> TokenText {
    TokenText::new(ids.iter().map(|&id| tokenizer.token_bytes(id, Special::Show)))
}

/// A text that is read and not gone on with.
fn unanswered(ids: &[u32]) -> Request {
    Request { n_tokens_max: Some(0), ..Request::new(ids.to_vec(), SamplingParams::greedy()) }
}

fn scoring(ids: &[u32], from: usize, hidden: Option<Hidden>) -> Request {
    let logprobs = LogprobsWanted { n_top: 2, of_prompt: Some(from) };
    Request { logprobs, hidden, ..unanswered(ids) }
}
