//! What every dialect asks for, and what becomes of it: answers to one prompt, as they are made.

use std::time::Instant;

use engine::{Error, Event, FinishReason, PromptToken, Request, Usage};
use inspect::record::Row;
use tokenizer::turn::{Part, ToolCall, TurnFormat, TurnParser, Wants};

use crate::attention::{AnswerPlan, AnswerRows};
use crate::error::ApiError;
use crate::limits::Limits;
use crate::metrics::Watch;
use crate::served::Served;
use crate::worker::{Delivery, Events};

/// `n` answers to one prompt.
#[derive(Clone)]
pub(crate) struct Generation {
    /// The seed of the first answer; those after it have the numbers after it.
    pub(crate) request: Request,
    pub(crate) n: usize,
    /// The field that the prompt came from.
    pub(crate) prompt_field: &'static str,
    /// How an answer is read; `None`: it is a text.
    pub(crate) turn: Option<Turn>,
    /// What is shown of the attention that wrote it.
    pub(crate) attention: Option<AnswerPlan>,
}

/// How the turn of a model is read.
#[derive(Clone)]
pub(crate) struct Turn {
    pub(crate) format: TurnFormat,
    pub(crate) wants: Wants,
    /// The end of the prompt, which may have begun the turn.
    pub(crate) prompt_tail: String,
}

/// What happened to one of the answers.
#[derive(Debug)]
pub(crate) struct Delta {
    pub(crate) choice: usize,
    pub(crate) what: What,
}

#[derive(Debug)]
pub(crate) enum What {
    /// So many tokens of the prompt are computed, of so many.
    Progress {
        n_computed: usize,
        n_prompt: usize,
    },
    Prompt(Vec<PromptToken>),
    Token {
        id: u32,
        logprob: f32,
        top: Vec<(u32, f32)>,
        parts: Vec<Part>,
        /// The rows that wrote it, where they were asked for.
        rows: Vec<Row>,
    },
    /// The rest of the answer, and the end.
    End {
        parts: Vec<Part>,
        reason: FinishReason,
        usage: Box<Usage>,
        /// Tokens of the answer that are reasoning.
        n_reasoning: usize,
    },
}

/// Answers on their way.
pub(crate) struct Answers {
    running: Vec<Running>,
    prompt_field: &'static str,
    next_idx: usize,
}

struct Running {
    choice: usize,
    events: Events,
    parser: Option<TurnParser>,
    n_reasoning: usize,
    watch: Watch,
    attention: Option<AnswerRows>,
}

/// All of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Written {
    pub(crate) reasoning: String,
    pub(crate) text: String,
    pub(crate) calls: Vec<ToolCall>,
}

/// One answer, and what it cost.
pub(crate) struct Ended {
    pub(crate) written: Written,
    pub(crate) reason: FinishReason,
    pub(crate) usage: Box<Usage>,
    pub(crate) n_reasoning: usize,
    /// Those that wrote it, where they were asked for.
    pub(crate) rows: Vec<Row>,
}

impl Written {
    pub(crate) fn add(&mut self, parts: Vec<Part>) {
        for part in parts {
            match part {
                Part::Reasoning(text) => self.reasoning.push_str(&text),
                Part::Text(text) => self.text.push_str(&text),
                Part::Call(call) => self.calls.push(call),
            }
        }
    }
}

impl Generation {
    /// Starts all answers: the engine reads their prompt once.
    ///
    /// # Errors
    /// What the engine says of the request.
    pub(crate) async fn start(
        self,
        served: &Served,
        limits: &Limits,
        delivery: Delivery,
    ) -> Result<Answers, ApiError> {
        let Self { request, n, prompt_field, turn, attention } = self;
        let mut running = Vec::with_capacity(n);
        for choice in 0..n {
            let watch = Watch::new(served.engine.metrics().clone());
            let mut request = request.sample(choice as u64);
            let attention =
                attention.as_ref().map(|plan| AnswerRows::watch(&mut request, plan, served.n_ctx));
            let attention = attention.transpose()?;
            let how = (limits.n_in_flight, delivery);
            let events = served.engine.submit(request, how, prompt_field).await?;
            let parser = turn.as_ref().map(|Turn { format, wants, prompt_tail }| {
                TurnParser::new(*format, *wants, prompt_tail)
            });
            running.push(Running { choice, events, parser, n_reasoning: 0, watch, attention });
        }
        Ok(Answers { running, prompt_field, next_idx: 0 })
    }
}

impl Running {
    fn parts(&mut self, text: String) -> Vec<Part> {
        match &mut self.parser {
            Some(parser) => parser.push(&text),
            None if text.is_empty() => Vec::new(),
            None => vec![Part::Text(text)],
        }
    }

    fn last_parts(&mut self, text: String) -> Vec<Part> {
        let mut parts = self.parts(text);
        parts.extend(self.parser.iter_mut().flat_map(TurnParser::finish));
        parts
    }
}

impl Answers {
    /// All of the only answer.
    ///
    /// # Errors
    /// An answer that failed.
    pub(crate) async fn ended(mut self) -> Result<Ended, ApiError> {
        let (mut written, mut all) = (Written::default(), Vec::new());
        while let Some(Delta { what, .. }) = self.next().await? {
            match what {
                What::Progress { .. } | What::Prompt(_) => {}
                What::Token { parts, rows, .. } => {
                    written.add(parts);
                    all.extend(rows);
                }
                What::End { parts, reason, usage, n_reasoning } => {
                    written.add(parts);
                    return Ok(Ended { written, reason, usage, n_reasoning, rows: all });
                }
            }
        }
        Err(ApiError::gone())
    }

    /// The next thing that happened to any of them; `None`: all have ended.
    ///
    /// # Errors
    /// An answer that failed.
    pub(crate) async fn next(&mut self) -> Result<Option<Delta>, ApiError> {
        if self.running.is_empty() {
            return Ok(None);
        }
        let (idx, event) = self.next_event().await;
        let Some((at, event)) = event else { return Err(ApiError::gone()) };
        let running = &mut self.running[idx];
        let choice = running.choice;
        let what = match event {
            Event::Progress { n_computed, n_prompt, .. } => What::Progress { n_computed, n_prompt },
            Event::Prompt { tokens, .. } => What::Prompt(tokens),
            Event::Token { token_id, logprob, top, text, .. } => {
                running.watch.token(at);
                let parts = running.parts(text);
                let is_reasoning = running.parser.as_ref().is_some_and(TurnParser::is_reasoning);
                running.n_reasoning += usize::from(is_reasoning);
                let rows = running.attention.as_mut().map(AnswerRows::next).unwrap_or_default();
                What::Token { id: token_id, logprob, top, parts, rows }
            }
            Event::Finished { text, reason, usage, .. } => {
                running.watch.end(reason, &usage);
                let (parts, n_reasoning) = (running.last_parts(text), running.n_reasoning);
                self.running.remove(idx);
                What::End { parts, reason, usage: Box::new(usage), n_reasoning }
            }
            Event::Failed { error, .. } => return Err(self.failed(&error)),
        };
        Ok(Some(Delta { choice, what }))
    }

    fn failed(&self, error: &Error) -> ApiError {
        ApiError::engine(error, self.prompt_field)
    }

    /// Of whoever has something to say, each in turn.
    async fn next_event(&mut self) -> (usize, Option<(Instant, Event)>) {
        let (running, next_idx) = (&mut self.running, &mut self.next_idx);
        std::future::poll_fn(|context| {
            for step in 0..running.len() {
                let idx = (*next_idx + step) % running.len();
                let next = std::pin::pin!(running[idx].events.next());
                if let std::task::Poll::Ready(event) = next.poll(context) {
                    *next_idx = idx + 1;
                    return std::task::Poll::Ready((idx, event));
                }
            }
            std::task::Poll::Pending
        })
        .await
    }
}
