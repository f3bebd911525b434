//! Conversations become prompts.

use engine::SpecialText;
use serde_json::{Map, Value};
use tokenizer::Message;
use tokenizer::template::Options;

use crate::app::Served;
use crate::error::ApiError;

/// The ids of a conversation that the model is to answer.
///
/// # Errors
/// Messages that are none, and what the template refuses.
pub(crate) fn encode(
    served: &Served,
    messages: &[Value],
    extra: Map<String, Value>,
) -> Result<Vec<u32>, ApiError> {
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
    let Some(template) = &served.template else {
        let texts: Vec<&str> = messages.iter().filter_map(|m| m.content.as_deref()).collect();
        return Ok(served.tokenizer.encode_prompt(&texts.join("\n"), SpecialText::AsText));
    };
    let options = Options { add_generation_prompt: true, extra, ..Options::default() };
    let ids = served.tokenizer.encode_chat(template, &messages, &options);
    ids.map_err(|error| ApiError::template(&error))
}
