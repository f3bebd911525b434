//! Questions of where a model looked, asked over HTTP: one file a question.
//!
//! A question is made of requests to the engine like those of everybody else: they wait for their
//! turns, share what is cached, and end when their client has gone.

mod ask;
mod contradict;
mod drown;
mod ground;
mod heads;
mod inject;
mod known;
mod look;
mod rows;
mod view;
mod who;

use std::sync::Arc;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use engine::{Client, Error as EngineError};
use inspect::Inspector;
use inspect::prompts::{Prompt, Prompts};
use model::Model;
use serde::Serialize;
use serde_json::Value;
use tokenizer::Message;

pub(crate) use self::contradict::{Body as ContradictBody, contradict};
pub(crate) use self::drown::{Body as DrownBody, drown};
pub(crate) use self::ground::{Body as GroundBody, ground};
pub(crate) use self::heads::{Body as HeadsBody, heads};
pub(crate) use self::inject::{Body as InjectBody, inject};
pub(crate) use self::known::HeadsKnown;
pub(crate) use self::look::{Body as LookBody, look};
pub(crate) use self::rows::{Body as RowsBody, rows};
pub(crate) use self::view::{
    ReadersBody, Spanned, Subject, TilesBody, grid, knock_out, overview, readers, strip, tiles,
};
pub(crate) use self::who::{Body as WhoBody, who};

use crate::app::App;
use crate::error::ApiError;
use crate::limits::Limits;
use crate::served::Served;

/// Who asks, of which model.
#[derive(Clone)]
struct Asked {
    served: Arc<Served>,
    limits: Limits,
    client: Client,
    /// Where the text that is looked at came from.
    field: &'static str,
}

/// What was found, and of which model.
#[derive(Serialize)]
struct Answered<'a, T> {
    object: &'static str,
    model: &'a str,
    #[serde(flatten)]
    found: T,
}

impl Asked {
    /// # Errors
    /// A model that is none, or whose attention cannot be seen.
    async fn of(
        app: &App,
        (client, model): (Client, Option<&str>),
        field: &'static str,
    ) -> Result<Self, ApiError> {
        let served = app.models.writer(model).await?;
        let asked = Self { served, limits: app.options.limits, client, field };
        asked.model().map(|_| asked.clone())
    }

    fn model(&self) -> Result<Arc<Model>, ApiError> {
        let none = || ApiError::field("model", "this model's attention cannot be seen");
        self.served.model.clone().ok_or_else(none)
    }

    fn prompts(&self) -> Prompts<'_> {
        Prompts { tokenizer: &self.served.tokenizer, template: self.served.template.as_ref() }
    }

    /// What a user says, as a prompt: parts with an empty line between them.
    ///
    /// # Errors
    /// What a template has against them, and more than the context holds.
    fn turn(&self, parts: &[&str]) -> Result<Prompt, ApiError> {
        // Long texts take their time; other requests do not wait for them.
        let prompt = tokio::task::block_in_place(|| self.prompts().turn(parts));
        let prompt = prompt.map_err(|error| ApiError::from(error).or_field(self.field))?;
        self.check_fits(prompt.ids.len(), self.field)?;
        Ok(prompt)
    }

    /// # Errors
    /// A text of more tokens than the context holds: before anything else is done with it.
    fn check_text(&self, text: &str) -> Result<(), ApiError> {
        let encode = || self.served.tokenizer.encode(text, engine::SpecialText::AsText).len();
        self.check_fits(tokio::task::block_in_place(encode), self.field)
    }

    fn check_fits(&self, n_tokens: usize, field: &str) -> Result<(), ApiError> {
        let n_ctx = self.served.n_ctx;
        match n_tokens > n_ctx {
            true => Err(ApiError::engine(
                &EngineError::PromptTooLong { n_prompt: n_tokens, n_ctx },
                field,
            )),
            false => Ok(()),
        }
    }

    /// The tokens of an answer that is given, or that the model writes.
    ///
    /// # Errors
    /// One that is empty, or has no room behind its prompt.
    fn answer(
        &self,
        inspector: &mut Inspector<'_>,
        prompt: &[u32],
        (given, n_max): (Option<&str>, Option<usize>),
    ) -> Result<Vec<u32>, ApiError> {
        let n_max = n_max.unwrap_or(inspect::N_ANSWER);
        let answer = inspector.given_or_written(prompt, given, n_max)?;
        if answer.is_empty() {
            return Err(ApiError::field("answer", "it is empty: give one, or ask something else"));
        }
        self.check_fits(prompt.len() + answer.len(), "answer")?;
        Ok(answer)
    }

    fn answered(&self, object: &'static str, found: impl Serialize) -> Response {
        Json(Answered { object, model: &self.served.name, found }).into_response()
    }
}

/// A text that must be there.
fn required(field: &str, text: Option<String>) -> Result<String, ApiError> {
    let text = text.ok_or_else(|| ApiError::missing(field))?;
    match text.trim().is_empty() {
        true => Err(ApiError::field(field, "it is empty: give a text")),
        false => Ok(text),
    }
}

/// A text as it is, or that of the last message; and the field that it came from.
fn text_or_last(
    text: Option<String>,
    messages: Option<&[Value]>,
) -> Result<(String, &'static str), ApiError> {
    match (text, messages) {
        (None, Some(messages)) => {
            let text = last_text(messages);
            let none = || ApiError::field("messages", "expected a last one with a text");
            Ok((required("messages", Some(text.ok_or_else(none)?))?, "messages"))
        }
        (text, _) => Ok((required("text", text)?, "text")),
    }
}

/// The text of the last message, if it has one.
fn last_text(messages: &[Value]) -> Option<String> {
    let last = messages.last().map(std::slice::from_ref)?;
    Message::from_json(last).ok()?.pop()?.content
}
