//! What every dialect asks for, and what becomes of it: answers to one prompt, as they are made.

use engine::{Error, Event, FinishReason, PromptToken, Request, Usage};

use crate::error::ApiError;
use crate::worker::{EngineHandle, Events};

/// `n` answers to one prompt.
pub(crate) struct Generation {
    /// The seed of the first answer; those after it have the numbers after it.
    pub(crate) request: Request,
    pub(crate) n: usize,
    /// The field that the prompt came from.
    pub(crate) prompt_field: &'static str,
}

/// What happened to one of the answers.
#[derive(Debug)]
pub(crate) struct Delta {
    pub(crate) choice: usize,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    Prompt(Vec<PromptToken>),
    Token {
        id: u32,
        logprob: f32,
        top: Vec<(u32, f32)>,
        text: String,
    },
    /// The rest of the text, and the end.
    End {
        text: String,
        reason: FinishReason,
        usage: Box<Usage>,
    },
}

/// Answers on their way.
pub(crate) struct Answers {
    running: Vec<(usize, Events)>,
    prompt_field: &'static str,
    next_idx: usize,
}

impl Generation {
    /// Starts all answers: the engine reads their prompt once.
    ///
    /// # Errors
    /// What the engine says of the request.
    pub(crate) async fn start(self, engine: &EngineHandle) -> Result<Answers, ApiError> {
        let Self { request, n, prompt_field } = self;
        let mut running = Vec::with_capacity(n);
        for choice in 0..n {
            let request = request.sample(choice as u64);
            running.push((choice, engine.submit(request, prompt_field).await?));
        }
        Ok(Answers { running, prompt_field, next_idx: 0 })
    }
}

impl Answers {
    /// The next thing that happened to any of them; `None`: all have ended.
    ///
    /// # Errors
    /// An answer that failed.
    pub(crate) async fn next(&mut self) -> Result<Option<Delta>, ApiError> {
        loop {
            if self.running.is_empty() {
                return Ok(None);
            }
            let (choice, event) = self.next_event().await;
            let Some(event) = event else { return Err(ApiError::gone()) };
            let what = match event {
                Event::Progress { .. } => continue,
                Event::Prompt { tokens, .. } => What::Prompt(tokens),
                Event::Token { token_id, logprob, top, text, .. } => {
                    What::Token { id: token_id, logprob, top, text }
                }
                Event::Finished { text, reason, usage, .. } => {
                    self.running.retain(|(running, _)| *running != choice);
                    What::End { text, reason, usage: Box::new(usage) }
                }
                Event::Failed { error, .. } => return Err(self.failed(&error)),
            };
            return Ok(Some(Delta { choice, what }));
        }
    }

    fn failed(&self, error: &Error) -> ApiError {
        ApiError::engine(error, self.prompt_field)
    }

    /// Of whoever has something to say, each in turn.
    async fn next_event(&mut self) -> (usize, Option<Event>) {
        let (running, next_idx) = (&mut self.running, &mut self.next_idx);
        std::future::poll_fn(|context| {
            for step in 0..running.len() {
                let idx = (*next_idx + step) % running.len();
                let (choice, events) = &mut running[idx];
                let next = std::pin::pin!(events.next());
                if let std::task::Poll::Ready(event) = next.poll(context) {
                    *next_idx = idx + 1;
                    return std::task::Poll::Ready((*choice, event));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}
