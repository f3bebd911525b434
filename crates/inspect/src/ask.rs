//! Asking a model: every question is made of requests to an engine, whoever drives it.

use std::ops::ControlFlow;

use engine::{Engine, Event, PromptToken, Request, RequestId, Usage};

/// Runs requests to their ends.
pub trait Ask {
    /// The replies, in the order of the requests.
    ///
    /// # Errors
    /// The first request that fails; the others are given up then.
    fn ask(&mut self, requests: Vec<Request>) -> Result<Vec<Reply>, AskError>;
}

/// What came of a request.
#[derive(Clone, Debug, Default)]
pub struct Reply {
    /// Tokens of the prompt, where they were asked for, from `first_of_prompt` on.
    pub prompt: Vec<PromptToken>,
    pub first_of_prompt: usize,
    /// Tokens that were written.
    pub ids: Vec<u32>,
    pub text: String,
    pub usage: Usage,
}

/// Why there is no reply.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum AskError {
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error("stopped before the end")]
    Stopped,
    #[error("the model is not served any more")]
    Gone,
}

/// An engine that nobody else drives meanwhile. `progress` is told of tokens that were computed,
/// and may stop the work.
pub struct AskEngine<'a> {
    pub engine: &'a mut Engine,
    pub progress: &'a mut dyn FnMut(usize) -> ControlFlow<()>,
}

impl Ask for AskEngine<'_> {
    fn ask(&mut self, requests: Vec<Request>) -> Result<Vec<Reply>, AskError> {
        let mut ids = Vec::new();
        let submitted = requests.into_iter().try_for_each(|request| {
            ids.push(self.engine.submit(request)?);
            Ok(())
        });
        let replies = submitted.and_then(|()| self.drive(&ids));
        if replies.is_err() {
            ids.iter().for_each(|&id| self.engine.cancel(id));
            while !self.engine.is_idle() {
                self.engine.step();
            }
        }
        replies
    }
}

impl AskEngine<'_> {
    fn drive(&mut self, ids: &[RequestId]) -> Result<Vec<Reply>, AskError> {
        let mut replies = vec![Reply::default(); ids.len()];
        let mut n_computed_of = vec![0; ids.len()];
        while !self.engine.is_idle() {
            let mut n_new = 0;
            for event in self.engine.step() {
                let Ok(idx) = ids.binary_search(&event.id()) else { continue };
                match &event {
                    Event::Progress { n_computed, .. } => {
                        n_new += n_computed.saturating_sub(n_computed_of[idx]);
                        n_computed_of[idx] = *n_computed;
                    }
                    Event::Token { .. } => n_new += 1,
                    _ => (),
                }
                replies[idx].take(event)?;
            }
            if (self.progress)(n_new).is_break() {
                return Err(AskError::Stopped);
            }
        }
        Ok(replies)
    }
}

impl Reply {
    /// Takes note of an event of its request.
    ///
    /// # Errors
    /// That of a request that failed.
    pub fn take(&mut self, event: Event) -> Result<(), AskError> {
        match event {
            Event::Progress { .. } => (),
            Event::Prompt { first, tokens, .. } => {
                if self.prompt.is_empty() {
                    self.first_of_prompt = first;
                }
                self.prompt.extend(tokens);
            }
            Event::Token { token_id, text, .. } => {
                self.ids.push(token_id);
                self.text.push_str(&text);
            }
            Event::Finished { text, usage, .. } => {
                self.text.push_str(&text);
                self.usage = usage;
            }
            Event::Failed { error, .. } => return Err(error.into()),
        }
        Ok(())
    }

    /// `ln p` of the prompt's tokens, of those that were asked for.
    pub fn logprob(&self) -> f64 {
        self.prompt.iter().map(|token| f64::from(token.logprob)).sum()
    }
}
