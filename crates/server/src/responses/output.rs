//! An answer as a list of items.

use engine::{FinishReason, Usage};
use serde_json::{Value, json};
use tokenizer::turn::ToolCall;

use super::request::Body;
use crate::app::{random, unix_seconds};
use crate::attention;
use crate::error::ApiError;
use crate::generation::{Answers, Ended, Written};
use crate::openai::call_id;

/// What is known of an answer before it is there.
pub(super) struct Head(Value);

impl Head {
    pub(super) fn new(body: &Body, model: &str) -> Self {
        let empty = || json!({"format": {"type": "text"}});
        Self(json!({
            "id": format!("resp_{:016x}", random()),
            "object": "response",
            "created_at": unix_seconds(),
            "status": "in_progress",
            "error": null,
            "incomplete_details": null,
            "instructions": body.instructions,
            "max_output_tokens": body.max_output_tokens,
            "metadata": body.metadata.clone().unwrap_or_else(|| json!({})),
            "model": model,
            "output": [],
            "parallel_tool_calls": body.parallel_tool_calls.unwrap_or(true),
            "previous_response_id": body.previous_response_id,
            "reasoning": {"effort": null, "summary": null},
            "store": body.store.unwrap_or(true),
            "temperature": body.temperature,
            "text": body.text.as_ref().map_or_else(empty, |text| json!(text)),
            "tool_choice": body.tool_choice.clone().unwrap_or_else(|| "auto".into()),
            "tools": body.tools.clone().unwrap_or_default(),
            "top_p": body.top_p,
            "truncation": "disabled",
            "usage": null,
        }))
    }

    /// The answer before it is there.
    pub(super) fn begun(&self) -> &Value {
        &self.0
    }

    /// All of it.
    pub(super) fn ended(
        &self,
        output: Vec<Value>,
        reason: FinishReason,
        (usage, n_reasoning): (&Usage, usize),
    ) -> Value {
        let mut json = self.0.clone();
        json["output"] = output.into();
        json["usage"] = usage_json(usage, n_reasoning);
        json["context"] = json!(usage.context());
        match reason {
            FinishReason::Stop => json["status"] = "completed".into(),
            FinishReason::Length | FinishReason::Cancelled | FinishReason::TimedOut => {
                json["status"] = "incomplete".into();
                json["incomplete_details"] = json!({"reason": "max_output_tokens"});
            }
        }
        json
    }

    pub(super) fn failed(&self, error: &ApiError) -> Value {
        let mut json = self.0.clone();
        json["status"] = "failed".into();
        let code = error.code.unwrap_or("server_error");
        json["error"] = json!({"code": code, "message": error.message});
        json
    }
}

pub(super) async fn whole(head: &Head, answers: Answers) -> Result<Value, ApiError> {
    let Ended { written, reason, usage, n_reasoning, rows } = answers.ended().await?;
    let mut json = head.ended(items(&written), reason, (&usage, n_reasoning));
    attention::show(&mut json, &rows);
    Ok(json)
}

fn items(Written { reasoning, text, calls }: &Written) -> Vec<Value> {
    let mut items = Vec::new();
    if !reasoning.is_empty() {
        items.push(reasoning_item(&new_id("rs"), reasoning, "completed"));
    }
    if !text.is_empty() || calls.is_empty() {
        items.push(message_item(&new_id("msg"), Some(text), "completed"));
    }
    items.extend(calls.iter().map(|call| call_item(&new_id("fc"), &call_id(), call)));
    items
}

pub(super) fn new_id(prefix: &str) -> String {
    format!("{prefix}_{:016x}", random())
}

pub(super) fn reasoning_item(id: &str, text: &str, status: &str) -> Value {
    let content: Vec<Value> = match text.is_empty() {
        true => Vec::new(),
        false => vec![json!({"type": "reasoning_text", "text": text})],
    };
    json!({"id": id, "type": "reasoning", "summary": [], "content": content, "status": status})
}

/// `None`: nothing is written yet.
pub(super) fn message_item(id: &str, text: Option<&str>, status: &str) -> Value {
    let content: Vec<Value> = text.into_iter().map(text_part).collect();
    json!({"id": id, "type": "message", "role": "assistant", "status": status, "content": content})
}

pub(super) fn text_part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": [], "logprobs": []})
}

pub(super) fn call_item(id: &str, call_id: &str, ToolCall { name, arguments }: &ToolCall) -> Value {
    json!({
        "id": id,
        "type": "function_call",
        "status": "completed",
        "call_id": call_id,
        "name": name,
        "arguments": arguments,
    })
}

fn usage_json(usage: &Usage, n_reasoning: usize) -> Value {
    json!({
        "input_tokens": usage.n_prompt,
        "input_tokens_details": {"cached_tokens": usage.reuse.n_reused, "cache_write_tokens": 0},
        "output_tokens": usage.n_generated,
        "output_tokens_details": {"reasoning_tokens": n_reasoning},
        "total_tokens": usage.n_prompt + usage.n_generated,
    })
}
