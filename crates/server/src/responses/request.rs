//! What a request says, as a conversation.

use engine::SamplingParams;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::random;
use crate::attention::AttentionWanted;
use crate::body::{Described, any_of, fields};
use crate::conversation::{Conversation, Form, Reasoning, Tools, of_schema};
use crate::error::ApiError;
use crate::openai::ToolFields;

fields! {
    Body {
        /// One of /v1/models; the first one, where there is none.
        model: String,
        /// A text, or the items of a conversation.
        input: Input,
        /// The rules of the conversation; not kept with it.
        instructions: String,
        /// A kept answer that this goes on after.
        previous_response_id: String,
        /// Whether the answer is kept; so it is unless this is false.
        store: bool,
        /// Events, as the answer is made.
        stream: bool,
        temperature: f32,
        top_p: f32,
        /// Most tokens of the answer.
        max_output_tokens: usize,
        /// Functions that the model may call.
        tools: Vec<Value>,
        /// auto, none, required, or a function by its name.
        tool_choice: Value,
        parallel_tool_calls: bool,
        /// format: text, json_object, or json_schema with a schema.
        text: Map<String, Value>,
        /// effort: none, minimal, low, medium or high.
        reasoning: Map<String, Value>,
        /// Whether an answer may be made later; here it may not.
        background: bool,
        /// disabled: a conversation that is too long is an error.
        truncation: String,
        /// What clients note with an answer.
        metadata: Value,
        /// Not OpenAI's: which rows of attention that wrote the answer are shown: layers, heads,
        /// top. They are not kept with it.
        attention: AttentionWanted,
    }
    without_effect: [
        "user",
        "include",
        "service_tier",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "stream_options",
        "top_logprobs",
        "max_tool_calls",
    ]
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of items")]
pub(crate) enum Input {
    Text(String),
    Items(Vec<Value>),
}

impl Described for Input {
    fn schema() -> Value {
        any_of([String::schema(), Vec::<Value>::schema()])
    }
}

impl Body {
    pub(super) fn sampling(&self) -> SamplingParams {
        let default = SamplingParams::default();
        SamplingParams {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_p: self.top_p.unwrap_or(default.top_p),
            seed: random(),
            ..default
        }
    }

    /// What is new, each item with a name.
    ///
    /// # Errors
    /// No input at all.
    pub(super) fn input_items(&self) -> Result<Vec<Value>, ApiError> {
        let mut items = match &self.input {
            None => return Err(ApiError::missing("input")),
            Some(Input::Items(items)) => items.clone(),
            Some(Input::Text(text)) => {
                let content = json!([{"type": "input_text", "text": text}]);
                vec![json!({"type": "message", "role": "user", "content": content})]
            }
        };
        for item in items.iter_mut().filter_map(Value::as_object_mut) {
            item.entry("id").or_insert_with(|| format!("msg_{:016x}", random()).into());
        }
        Ok(items)
    }

    /// # Errors
    /// Items, tools and forms that nobody knows here, and what cannot be done.
    pub(super) fn read(self, items: &[Value]) -> Result<Conversation, ApiError> {
        if self.background == Some(true) {
            return Err(ApiError::field("background", "answers are made at once here"));
        }
        if self.truncation.as_deref().is_some_and(|truncation| truncation != "disabled") {
            return Err(ApiError::field("truncation", "nothing is cut here: expected disabled"));
        }
        if self.max_output_tokens == Some(0) {
            return Err(ApiError::field("max_output_tokens", "expected at least 1, found 0"));
        }
        let format = self.text.as_ref().and_then(|text| text.get("format"));
        let form = format.map(form_of).transpose()?.flatten();
        let effort = self.reasoning.as_ref().and_then(|reasoning| reasoning.get("effort"));
        let effort = effort.and_then(Value::as_str).map(str::to_owned);
        let reasoning = Reasoning { effort, ..Reasoning::default() };
        let instructions = self.instructions.as_ref();
        let system = instructions.map(|text| json!({"role": "system", "content": text}));
        let mut messages: Vec<Value> = system.into_iter().collect();
        for (idx, item) in items.iter().enumerate() {
            add(idx, item, &mut messages)?;
        }
        let tools = self.tools()?;
        Ok(Conversation { messages, tools, form, reasoning, ..Conversation::default() })
    }

    fn tools(self) -> Result<Tools, ApiError> {
        let (tools, tool_choice) = (self.tools, self.tool_choice);
        let parallel_tool_calls = self.parallel_tool_calls;
        ToolFields { tools, tool_choice, parallel_tool_calls, functions: None }.read()
    }
}

fn form_of(format: &Value) -> Result<Option<Form>, ApiError> {
    const FIELD: &str = "text";
    let grammar = match format["type"].as_str() {
        Some("text") => return Ok(None),
        Some("json_object") => engine::Grammar::JsonObject,
        Some("json_schema") => of_schema(&format["schema"], FIELD)?,
        found => {
            let message = format!(
                "expected a format of type text, json_object or json_schema, found {found:?}"
            );
            return Err(ApiError::field(FIELD, message));
        }
    };
    Ok(Some(Form { grammar, field: FIELD }))
}

/// An item as a message, or as a part of the one before.
fn add(idx: usize, item: &Value, messages: &mut Vec<Value>) -> Result<(), ApiError> {
    let field = |message: String| ApiError::field("input", format!("item {idx}: {message}"));
    match item["type"].as_str() {
        None | Some("message") => {
            let (role, content) = (&item["role"], &item["content"]);
            if !role.is_string() {
                return Err(field("expected a message with a role, or an item with a type".into()));
            }
            messages.push(json!({"role": role, "content": content}));
        }
        Some("function_call") => {
            let function = json!({"name": item["name"], "arguments": item["arguments"]});
            let id = &item["call_id"];
            let call = json!({"id": id, "type": "function", "function": function});
            let calls = last_of_assistant(messages);
            match calls["tool_calls"].as_array_mut() {
                Some(calls) => calls.push(call),
                None => calls["tool_calls"] = json!([call]),
            }
        }
        Some("function_call_output") => messages.push(json!({
            "role": "tool",
            "tool_call_id": item["call_id"],
            "content": item["output"],
        })),
        Some("reasoning") => {
            let parts = ["content", "summary"].iter().filter_map(|key| item[key].as_array());
            let texts: Vec<&str> =
                parts.flatten().filter_map(|part| part["text"].as_str()).collect();
            if !texts.is_empty() {
                messages.push(json!({
                    "role": "assistant",
                    "content": "",
                    "reasoning_content": texts.join("\n"),
                }));
            }
        }
        Some(found) => {
            let found: String = found.chars().take(40).collect();
            return Err(field(format!(
                "expected type message, function_call, function_call_output or reasoning, found \
                 {found:?}"
            )));
        }
    }
    Ok(())
}

/// Calls belong to the message before them, where that is the model's.
fn last_of_assistant(messages: &mut Vec<Value>) -> &mut Value {
    if messages.last().is_none_or(|message| message["role"] != "assistant") {
        messages.push(json!({"role": "assistant", "content": ""}));
    }
    let last = messages.len() - 1;
    &mut messages[last]
}
