//! `POST /v1/messages`, and `/v1/messages/count_tokens`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::{FinishReason, Usage};
use serde_json::{Value, json};
use tokenizer::turn::ToolCall;

use super::{Body, CountBody, shaped};
use crate::access::client_of;
use crate::app::{App, random};
use crate::attention;
use crate::body;
use crate::error::ApiError;
use crate::generation::{Answers, Ended, Written};
use crate::sse::{self, Kind};
use crate::worker::Delivery;

pub(crate) async fn messages(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

pub(crate) async fn count_tokens(State(app): State<Arc<App>>, request: Request) -> Response {
    count(&app, request).await.unwrap_or_else(shaped)
}

async fn count(app: &App, request: Request) -> Result<Response, ApiError> {
    let asked: CountBody = body::read(request, &app.options).await?;
    let served = app.models.writer(asked.model.as_deref()).await?;
    let n_tokens = asked.read()?.encode(&served)?.len();
    Ok(Json(json!({"input_tokens": n_tokens})).into_response())
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let limits = &app.options.limits;
    let client = client_of(request.headers());
    let (asked, answer): Body = body::read(request, &app.options).await?;
    let served = app.models.writer(asked.model.as_deref()).await?;
    let is_stream = answer.stream == Some(true);
    let wanted = answer.attention.as_ref();
    let attention = wanted.map(|wanted| wanted.plan(&served, (limits, 1))).transpose()?;
    let generation = asked.read()?.ask(&served, answer.sampling(), "messages")?;
    let mut generation = answer.apply(generation, limits)?;
    generation.request.client = client;
    generation.attention = attention;
    let message = Message {
        id: format!("msg_{:016x}", random()),
        model: served.name.clone(),
        n_prompt: generation.request.prompt.len(),
        stops: generation.request.stop.clone(),
    };
    let answers = generation.start(&served, limits, Delivery::of_stream(is_stream)).await?;
    if is_stream {
        return Ok(sse::response(Kind::Events, limits.keep_alive, move |sink| async move {
            message.stream(answers, &sink).await
        }));
    }
    Ok(Json(message.whole(answers).await?).into_response())
}

/// What is known of an answer before it is there.
pub(super) struct Message {
    id: String,
    model: String,
    pub(super) n_prompt: usize,
    /// Texts that end it.
    stops: Vec<String>,
}

impl Message {
    pub(super) fn json(&self, content: Value, end: (Value, Value), usage: &Value) -> Value {
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

    async fn whole(&self, answers: Answers) -> Result<Value, ApiError> {
        let Ended { written, reason, usage, rows, .. } = answers.ended().await?;
        let end = self.end(reason, &usage, !written.calls.is_empty());
        let mut json = self.json(content_json(&written), end, &usage_json(&usage));
        json["context"] = json!(usage.context());
        attention::show(&mut json, &rows);
        Ok(json)
    }

    /// Why it ended, and the text that ended it.
    pub(super) fn end(
        &self,
        reason: FinishReason,
        usage: &Usage,
        has_calls: bool,
    ) -> (Value, Value) {
        match (reason, usage.stop_idx) {
            (FinishReason::Stop, None) if has_calls => ("tool_use".into(), Value::Null),
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

/// The blocks of an answer: reasoning, text, calls.
fn content_json(Written { reasoning, text, calls }: &Written) -> Value {
    let mut blocks = Vec::new();
    if !reasoning.is_empty() {
        // Nobody signs what is said on one's own machine.
        blocks.push(json!({"type": "thinking", "thinking": reasoning, "signature": ""}));
    }
    if !text.is_empty() || calls.is_empty() {
        blocks.push(json!({"type": "text", "text": text}));
    }
    blocks.extend(calls.iter().map(|call| {
        let mut block = call_block(call);
        block["input"] = input_of(call);
        block
    }));
    blocks.into()
}

/// A call without its arguments.
pub(super) fn call_block(ToolCall { name, .. }: &ToolCall) -> Value {
    json!({"type": "tool_use", "id": format!("toolu_{:016x}", random()), "name": name, "input": {}})
}

fn input_of(ToolCall { arguments, .. }: &ToolCall) -> Value {
    serde_json::from_str(arguments).unwrap_or_else(|_| json!({}))
}

/// Tokens that were cached are not among those of the input.
pub(super) fn usage_json(usage: &Usage) -> Value {
    json!({
        "input_tokens": usage.n_prefilled(),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": usage.reuse.n_reused,
        "output_tokens": usage.n_generated,
    })
}
