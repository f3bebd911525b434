//! The messages of a conversation, as the model's template knows them.

use std::fmt::Write as _;

use serde_json::Value;
use tokenizer::Message;
use tokenizer::turn::TurnFormat;

use super::Tools;
use crate::error::ApiError;

/// Whether a template has a place for tools.
pub(crate) fn knows_tools(source: &str) -> bool {
    source.contains("tools")
}

/// Messages in OpenAI's form. A template without a place for tools is told of them in words.
///
/// # Errors
/// Messages that are none.
pub(super) fn read(
    messages: &[Value],
    tools: &Tools,
    source: &str,
) -> Result<Vec<Message>, ApiError> {
    if messages.is_empty() {
        return Err(ApiError::field("messages", "expected at least one, found none"));
    }
    let mut messages = Message::from_json(messages).map_err(|error| ApiError::template(&error))?;
    for message in &mut messages {
        // What newer clients call it; no template does.
        if message.role == "developer" {
            message.role = "system".into();
        }
    }
    if knows_tools(source) {
        return Ok(messages);
    }
    let mut told = in_words(messages);
    if tools.may_call() {
        tell_of(tools, &mut told);
    }
    Ok(told)
}

/// Calls and their results as texts.
fn in_words(messages: Vec<Message>) -> Vec<Message> {
    let mut told: Vec<Message> = Vec::with_capacity(messages.len());
    let mut is_result = false;
    for mut message in messages {
        if let Some(Value::Array(calls)) = message.fields.remove("tool_calls") {
            let written: Vec<String> = calls.iter().filter_map(write_call).collect();
            let before = message.content.take().filter(|text| !text.is_empty());
            message.content =
                Some(before.into_iter().chain(written).collect::<Vec<_>>().join("\n"));
        }
        let was_result = is_result;
        is_result = message.role == "tool";
        if is_result {
            let content = message.content.as_deref().unwrap_or_default();
            let text = format!("<tool_response>\n{content}\n</tool_response>");
            // Turns of user and assistant take turns in many templates.
            match told.last_mut().filter(|_| was_result) {
                Some(Message { content: Some(before), .. }) => {
                    let _ = write!(before, "\n{text}");
                }
                _ => told.push(Message::user(text)),
            }
            continue;
        }
        told.push(message);
    }
    told
}

fn write_call(call: &Value) -> Option<String> {
    let function = call.get("function")?;
    let arguments = match function.get("arguments")? {
        Value::String(text) => serde_json::from_str(text).ok()?,
        value => value.clone(),
    };
    TurnFormat::hermes().write_call(function.get("name")?.as_str()?, &arguments)
}

fn tell_of(tools: &Tools, messages: &mut Vec<Message>) {
    let mut text = "You have these tools:\n".to_owned();
    for tool in tools.json() {
        let _ = writeln!(text, "{}", tool["function"]);
    }
    text += "To call one, answer with its name and its arguments in exactly this form:\n\
             <tool_call>\n{\"name\": \"NAME\", \"arguments\": {\"KEY\": VALUE}}\n</tool_call>";
    match messages.first_mut() {
        Some(Message { role, content, .. }) if role == "system" => {
            let before = content.take().unwrap_or_default();
            *content = Some(format!("{before}\n\n{text}"));
        }
        _ => messages.insert(0, Message::system(text)),
    }
}
