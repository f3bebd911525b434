//! The messages of a conversation, and what a template sees of them.

use serde_json::{Map, Value as Json};

use super::Options;
use crate::error::{Error, excerpt};

/// One turn of a conversation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Message {
    /// `system`, `user`, `assistant`, `tool`, or what else the template knows.
    pub role: String,
    /// The text; `None` where an assistant only called tools.
    pub content: Option<String>,
    /// The rest, such as `tool_calls`, `tool_call_id` or `name`.
    pub fields: Map<String, Json>,
}

impl Message {
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: Some(content.into()), fields: Map::new() }
    }

    pub fn system(content: impl Into<String>) -> Self {
        Self::new("system", content)
    }

    pub fn user(content: impl Into<String>) -> Self {
        Self::new("user", content)
    }

    pub fn assistant(content: impl Into<String>) -> Self {
        Self::new("assistant", content)
    }

    /// Messages in the form of the OpenAI API. Content may be a string, null, or an array of text
    /// parts, which are joined by newlines.
    ///
    /// # Errors
    /// A message that is no object or has no role, and parts that are not text.
    pub fn from_json(messages: &[Json]) -> Result<Vec<Self>, Error> {
        messages.iter().enumerate().map(|(idx, message)| read_message(idx, message)).collect()
    }

    /// What a template sees. No content is empty content: templates add strings to it.
    fn to_json(&self) -> Json {
        let mut fields = Map::new();
        fields.insert("role".to_owned(), Json::from(self.role.as_str()));
        fields.insert("content".to_owned(), Json::from(self.content.as_deref().unwrap_or("")));
        for (name, value) in &self.fields {
            let value = if name == "tool_calls" { parse_arguments(value) } else { value.clone() };
            fields.insert(name.clone(), value);
        }
        Json::Object(fields)
    }
}

fn read_message(idx: usize, message: &Json) -> Result<Message, Error> {
    let bad = |problem| Error::BadMessage { idx, problem };
    let mut fields = message.as_object().cloned().ok_or(bad("it is not an object"))?;
    let role = match fields.remove("role") {
        Some(Json::String(role)) => role,
        _ => return Err(bad("it has no role, expected a string")),
    };
    let content = match fields.remove("content") {
        None | Some(Json::Null) => None,
        Some(Json::String(text)) => Some(text),
        Some(Json::Array(parts)) => {
            let texts: Result<Vec<&str>, Error> = parts.iter().map(part_text).collect();
            Some(texts?.join("\n"))
        }
        Some(_) => return Err(bad("its content is neither text nor an array of parts")),
    };
    Ok(Message { role, content, fields })
}

fn part_text(part: &Json) -> Result<&str, Error> {
    let kind = part.get("type").and_then(Json::as_str).unwrap_or("none");
    match (kind, part.get("text").and_then(Json::as_str)) {
        ("text" | "input_text" | "output_text", Some(text)) => Ok(text),
        _ => Err(Error::UnsupportedPart { found: excerpt(kind) }),
    }
}

/// The OpenAI API sends a call's arguments as JSON in a string; templates expect the object.
fn parse_arguments(tool_calls: &Json) -> Json {
    let mut tool_calls = tool_calls.clone();
    for call in tool_calls.as_array_mut().into_iter().flatten() {
        let Some(arguments) = call.pointer_mut("/function/arguments") else { continue };
        let parsed = arguments.as_str().and_then(|text| serde_json::from_str::<Json>(text).ok());
        if let Some(parsed @ Json::Object(_)) = parsed {
            *arguments = parsed;
        }
    }
    tool_calls
}

/// Variables that the program sets, or that mean something else to `transformers`.
const RESERVED: [&str; 15] = [
    "messages",
    "conversation",
    "tools",
    "documents",
    "add_generation_prompt",
    "continue_final_message",
    "chat_template",
    "tokenize",
    "tokenizer_kwargs",
    "return_tensors",
    "return_dict",
    "bos_token",
    "eos_token",
    "strftime_now",
    "raise_exception",
];

/// All text from outside that a template sees.
#[derive(Clone, Debug)]
pub(super) struct Conversation {
    pub(super) messages: Vec<Json>,
    /// Null or an array.
    pub(super) tools: Json,
    pub(super) extra: Map<String, Json>,
}

impl Conversation {
    pub(super) fn new(messages: &[Message], options: &Options) -> Result<Self, Error> {
        if let Some(name) = options.extra.keys().find(|name| RESERVED.contains(&name.as_str())) {
            return Err(Error::ReservedVariable { name: name.clone() });
        }
        Ok(Self {
            messages: messages.iter().map(Message::to_json).collect(),
            tools: options.tools.clone().map_or(Json::Null, Json::Array),
            extra: options.extra.clone(),
        })
    }

    pub(super) fn final_content(&self) -> Option<&str> {
        self.messages.last()?.get("content")?.as_str()
    }

    /// Calls `visit` with every string, keys of objects included.
    pub(super) fn for_each_text(&self, visit: &mut impl FnMut(&str)) {
        self.messages.iter().chain([&self.tools]).for_each(|value| visit_texts(value, visit));
        self.extra.values().for_each(|value| visit_texts(value, visit));
    }

    /// The same conversation with every string replaced; the template's variables keep their names.
    pub(super) fn map_texts(&self, map: &impl Fn(&str) -> String) -> Self {
        let extra = self.extra.iter().map(|(name, value)| (name.clone(), map_texts(value, map)));
        Self {
            messages: self.messages.iter().map(|message| map_texts(message, map)).collect(),
            tools: map_texts(&self.tools, map),
            extra: extra.collect(),
        }
    }
}

fn visit_texts(value: &Json, visit: &mut impl FnMut(&str)) {
    match value {
        Json::String(text) => visit(text),
        Json::Array(items) => items.iter().for_each(|item| visit_texts(item, visit)),
        Json::Object(fields) => fields.iter().for_each(|(name, value)| {
            visit(name);
            visit_texts(value, visit);
        }),
        Json::Null | Json::Bool(_) | Json::Number(_) => {}
    }
}

fn map_texts(value: &Json, map: &impl Fn(&str) -> String) -> Json {
    match value {
        Json::String(text) => Json::String(map(text)),
        Json::Array(items) => items.iter().map(|item| map_texts(item, map)).collect(),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| (map(name), map_texts(value, map))).collect()
        }
        Json::Null | Json::Bool(_) | Json::Number(_) => value.clone(),
    }
}
