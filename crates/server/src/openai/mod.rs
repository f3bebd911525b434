//! OpenAI's dialect: <https://platform.openai.com/docs/api-reference>.

mod chat;
mod completions;
mod embeddings;
mod logprobs;
mod request;
mod usage;

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::{IntoResponse as _, Response};
use engine::FinishReason;
use serde_json::{Value, json};

pub(crate) use self::chat::chat_completions;
pub(crate) use self::completions::completions;
pub(crate) use self::embeddings::embeddings;

use crate::app::{App, Served, random, unix_seconds};
use crate::error::ApiError;

/// An error as OpenAI's clients read it.
pub(crate) fn shaped(error: ApiError) -> Response {
    error.response(error_json(&error))
}

fn error_json(ApiError { kind, message, field, code, .. }: &ApiError) -> Value {
    json!({"error": {"message": message, "type": kind, "param": field, "code": code}})
}

pub(crate) async fn models(State(app): State<Arc<App>>) -> Response {
    let data: Vec<Value> = app.listed().map(|listed| model_json(&app, listed)).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

pub(crate) async fn model(State(app): State<Arc<App>>, Path(name): Path<String>) -> Response {
    match app.listed().find(|(listed, _)| *listed == name) {
        Some(listed) => Json(model_json(&app, listed)).into_response(),
        None => shaped(app.no_such_model(&name)),
    }
}

fn model_json(app: &App, (name, n_ctx): (&str, usize)) -> Value {
    json!({
        "id": name,
        "object": "model",
        "created": app.started,
        "owned_by": "lookback",
        "context_length": n_ctx,
    })
}

/// What stands in all objects of one answer.
#[derive(Clone)]
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
