//! Messages of blocks become messages in OpenAI's form.

use serde_json::{Value, json};

use crate::error::ApiError;

/// Adds what a message says; results of tools are messages of their own.
///
/// # Errors
/// Roles other than two, and blocks that nobody can read here.
pub(super) fn read(idx: usize, message: &Value, all: &mut Vec<Value>) -> Result<(), ApiError> {
    let role = message["role"].as_str();
    let Some(role) = role.filter(|role| ["user", "assistant"].contains(role)) else {
        let text = format!("expected role user or assistant, found {}", message["role"]);
        return Err(ApiError::field(&format!("messages.{idx}.role"), text));
    };
    let blocks = match &message["content"] {
        Value::Array(blocks) => blocks,
        Value::String(text) => {
            all.push(json!({"role": role, "content": text}));
            return Ok(());
        }
        _ => {
            let text = "expected a text or a list of blocks";
            return Err(ApiError::field(&format!("messages.{idx}.content"), text));
        }
    };
    let (mut texts, mut reasoning, mut calls) = (Vec::new(), String::new(), Vec::new());
    for (block_idx, block) in blocks.iter().enumerate() {
        let text = |key: &str| block[key].as_str().unwrap_or_default();
        match block["type"].as_str() {
            Some("text") => texts.push(text("text").to_owned()),
            Some("thinking") => reasoning.push_str(text("thinking")),
            // Nobody but its author can read it.
            Some("redacted_thinking") => {}
            Some("document") if block["source"]["type"] == "text" => {
                texts.push(block["source"]["data"].as_str().unwrap_or_default().to_owned());
            }
            Some("tool_use") => {
                let function = json!({"name": block["name"], "arguments": block["input"]});
                calls.push(json!({"id": block["id"], "type": "function", "function": function}));
            }
            Some("tool_result") => all.push(json!({
                "role": "tool",
                "tool_call_id": block["tool_use_id"],
                "content": result_text(idx, block_idx, &block["content"])?,
            })),
            found => return Err(unreadable(idx, block_idx, found)),
        }
    }
    if texts.is_empty() && calls.is_empty() && reasoning.is_empty() {
        return Ok(());
    }
    let mut message = json!({"role": role, "content": texts.join("\n")});
    if !reasoning.is_empty() {
        message["reasoning_content"] = reasoning.into();
    }
    if !calls.is_empty() {
        message["tool_calls"] = calls.into();
    }
    all.push(message);
    Ok(())
}

fn result_text(idx: usize, block_idx: usize, content: &Value) -> Result<String, ApiError> {
    match content {
        Value::Null => Ok(String::new()),
        Value::String(text) => Ok(text.clone()),
        content => {
            let parts = content.as_array().into_iter().flatten();
            let texts = parts.map(|part| match part["type"].as_str() {
                Some("text") => Ok(part["text"].as_str().unwrap_or_default()),
                found => Err(unreadable(idx, block_idx, found)),
            });
            Ok(texts.collect::<Result<Vec<_>, _>>()?.join("\n"))
        }
    }
}

fn unreadable(idx: usize, block_idx: usize, found: Option<&str>) -> ApiError {
    let found: String = found.unwrap_or("none").chars().take(40).collect();
    let text = format!("expected text, thinking, tool_use or tool_result, found {found:?}");
    ApiError::field(&format!("messages.{idx}.content.{block_idx}.type"), text)
}
