//! `POST /v1/messages`, and `/v1/messages/count_tokens`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{FinishReason, Usage};
use serde_json::{Value, json};

use super::request::{Answer, Conversation};
use super::{error_json, shaped};
use crate::access::client_of;
use crate::app::{App, random};
use crate::body;
use crate::error::ApiError;
use crate::generation::{Answers, Delta, What};
use crate::sse::{self, Closed, Sink};

pub(crate) async fn messages(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(shaped)
}

pub(crate) async fn count_tokens(State(app): State<Arc<App>>, request: Request) -> Response {
    count(app, request).await.unwrap_or_else(shaped)
}

async fn count(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let options = &app.options;
    let body = body::read(request.into_body(), &options.limits, options.is_lenient);
    let conversation: Conversation = body.await?;
    let served = app.model(conversation.model.as_deref())?;
    let n_tokens = conversation.prompt(served)?.len();
    Ok(Json(json!({"input_tokens": n_tokens})).into_response())
}

async fn answer(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let options = &app.options;
    let client = client_of(request.headers());
    let body = body::read(request.into_body(), &options.limits, options.is_lenient);
    let (conversation, answer): (Conversation, Answer) = body.await?;
    let served = app.model(conversation.model.as_deref())?;
    let is_stream = answer.stream == Some(true);
    let prompt = conversation.prompt(served)?;
    let n_prompt = prompt.len();
    let mut generation = answer.generation((&app, served), prompt)?;
    generation.request.client = client;
    let stops = generation.request.stop.clone();
    let answers = generation.start(&served.engine).await?;
    let message = Message {
        id: format!("msg_{:016x}", random()),
        model: served.name.clone(),
        n_prompt,
        stops,
    };
    if is_stream {
        let keep_alive = options.limits.keep_alive;
        return Ok(sse::response(keep_alive, move |sink| async move {
            message.stream(answers, &sink).await
        }));
    }
    Ok(Json(message.whole(answers).await?).into_response())
}

/// What is known of an answer before it is there.
struct Message {
    id: String,
    model: String,
    n_prompt: usize,
    /// Texts that end it.
    stops: Vec<String>,
}

impl Message {
    fn json(&self, content: Value, end: (Value, Value), usage: &Value) -> Value {
        let (stop_reason, stop_sequence) = end;
        json!({
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "stop_reason": stop_reason,
            "stop_sequence": stop_sequence,
            "usage": usage,
        })
    }

    async fn whole(&self, mut answers: Answers) -> Result<Value, ApiError> {
        let mut all = String::new();
        while let Some(Delta { what, .. }) = answers.next().await? {
            match what {
                What::Prompt(_) => {}
                What::Token { text, .. } => all.push_str(&text),
                What::End { text, reason, usage } => {
                    all.push_str(&text);
                    let content = json!([{"type": "text", "text": all}]);
                    let end = self.end(reason, &usage);
                    let mut json = self.json(content, end, &usage_json(&usage));
                    json["context"] = json!(usage.context());
                    return Ok(json);
                }
            }
        }
        Err(ApiError::gone())
    }

    async fn stream(&self, mut answers: Answers, sink: &Sink) -> Result<(), Closed> {
        let usage = json!({"input_tokens": self.n_prompt, "output_tokens": 0});
        let message = self.json(json!([]), (Value::Null, Value::Null), &usage);
        let event = async |name: &str, mut json: Value| {
            json["type"] = name.into();
            sink.event(name, &json).await
        };
        event("message_start", json!({"message": message})).await?;
        let block = json!({"type": "text", "text": ""});
        event("content_block_start", json!({"index": 0, "content_block": block})).await?;
        let delta = async |text: &str| {
            let delta = json!({"type": "text_delta", "text": text});
            event("content_block_delta", json!({"index": 0, "delta": delta})).await
        };
        loop {
            let what = match sink.wait(answers.next()).await? {
                Ok(Some(Delta { what, .. })) => what,
                Ok(None) => return Ok(()),
                Err(error) => return sink.event("error", &error_json(&error)).await,
            };
            match what {
                What::Prompt(_) => {}
                What::Token { text, .. } if text.is_empty() => {}
                What::Token { text, .. } => delta(&text).await?,
                What::End { text, reason, usage } => {
                    if !text.is_empty() {
                        delta(&text).await?;
                    }
                    event("content_block_stop", json!({"index": 0})).await?;
                    let (stop_reason, stop_sequence) = self.end(reason, &usage);
                    let delta = json!({"stop_reason": stop_reason, "stop_sequence": stop_sequence});
                    let end = json!({"delta": delta, "usage": usage_json(&usage)});
                    event("message_delta", end).await?;
                    return event("message_stop", json!({})).await;
                }
            }
        }
    }

    /// Why it ended, and the text that ended it.
    fn end(&self, reason: FinishReason, usage: &Usage) -> (Value, Value) {
        match (reason, usage.stop_idx) {
            (FinishReason::Stop, None) => ("end_turn".into(), Value::Null),
            (FinishReason::Stop, Some(stop_idx)) => {
                ("stop_sequence".into(), self.stops[stop_idx].as_str().into())
            }
            (FinishReason::Length | FinishReason::Cancelled | FinishReason::TimedOut, _) => {
                ("max_tokens".into(), Value::Null)
            }
        }
    }
}

/// Tokens that were cached are not among those of the input.
fn usage_json(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.n_prefilled(),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.reuse.n_reused,
        "output_tokens": usage.n_generated,
    })
}
