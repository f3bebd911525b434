//! Conversations become prompts.

use engine::SpecialText;
use serde_json::{Map, Value};
use tokenizer::Message;
use tokenizer::template::Options;

use crate::app::Served;
use crate::error::ApiError;

/// What a conversation ends with that has an answer at its end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Continues {
    /// Another turn of the model.
    Anew,
    /// The same turn, which is its beginning.
    LastAnswer,
}

/// The ids of a conversation that the model is to answer.
///
/// # Errors
/// Messages that are none, and what the template refuses.
pub(crate) fn encode(
    served: &Served,
    messages: &[Value],
    continues: Continues,
    extra: Map<String, Value>,
) -> Result<Vec<u32>, ApiError> {
    let messages = read(messages)?;
    let Some(template) = &served.template else {
        return Ok(served.tokenizer.encode_prompt(&joined(&messages), SpecialText::AsText));
    };
    let options = options(&messages, continues, extra);
    // Long texts take their time; other requests do not wait for them.
    let encode = || served.tokenizer.encode_chat(template, &messages, &options);
    let ids = tokio::task::block_in_place(encode);
    ids.map_err(|error| ApiError::template(&error))
}

/// The same as text.
///
/// # Errors
/// As for [`encode`].
pub(crate) fn render(
    served: &Served,
    messages: &[Value],
    continues: Continues,
    extra: Map<String, Value>,
) -> Result<String, ApiError> {
    let messages = read(messages)?;
    let Some(template) = &served.template else { return Ok(joined(&messages)) };
    let options = options(&messages, continues, extra);
    let text = tokio::task::block_in_place(|| template.render(&messages, &options));
    text.map_err(|error| ApiError::template(&error))
}

fn read(messages: &[Value]) -> Result<Vec<Message>, ApiError> {
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
    Ok(messages)
}

/// Without a template.
fn joined(messages: &[Message]) -> String {
    let texts: Vec<&str> = messages.iter().filter_map(|m| m.content.as_deref()).collect();
    texts.join("\n")
}

fn options(messages: &[Message], continues: Continues, extra: Map<String, Value>) -> Options {
    let is_begun = continues == Continues::LastAnswer
        && messages.last().is_some_and(|message| message.role == "assistant");
    Options {
        add_generation_prompt: !is_begun,
        continue_final_message: is_begun,
        extra,
        ..Options::default()
    }
}
