//! OpenAI's dialect: <https://platform.openai.com/docs/api-reference>.

mod chat;
mod completions;
mod embeddings;
mod logprobs;
mod models;
mod plan;
mod request;
mod texts;
mod tools;
mod usage;

use axum::response::Response;
use engine::FinishReason;
use serde_json::{Value, json};

pub(crate) use self::chat::{Body as ChatBody, chat_completions};
pub(crate) use self::completions::{Body as TextBody, completions};
pub(crate) use self::embeddings::{Embeddings as EmbeddingsBody, embeddings};
pub(crate) use self::models::{LoadBody, load, model, models};
pub(crate) use self::plan::plan;
pub(crate) use self::request::OneOrMany;
pub(crate) use self::tools::{ToolFields, call_id};

use crate::app::{random, unix_seconds};
use crate::error::ApiError;
use crate::served::Served;

/// An error as OpenAI's clients read it.
pub(crate) fn shaped(error: ApiError) -> Response {
    error.response(error_json(&error))
}

fn error_json(ApiError { kind, message, field, code, .. }: &ApiError) -> Value {
    json!({"error": {"message": message, "type": kind, "param": field, "code": code}})
}

/// What stands in all objects of one answer.
struct Head {
    id: String,
    created: u64,
    model: String,
}

impl Head {
    fn new(prefix: &str, served: &Served) -> Self {
        let id = format!("{prefix}{:016x}", random());
        Self { id, created: unix_seconds(), model: served.name.clone() }
    }

    fn json(&self, object: &str, choices: Value) -> Value {
        let Self { id, created, model } = self;
        let head = json!({"id": id, "object": object, "created": created, "model": model});
        with(head, "choices", choices)
    }
}

fn with(mut object: Value, key: &str, value: Value) -> Value {
    object[key] = value;
    object
}

/// `length` where a limit cut the answer; an answer that the server let go of is cut too.
fn finish_reason(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length | FinishReason::Cancelled | FinishReason::TimedOut => "length",
    }
}
