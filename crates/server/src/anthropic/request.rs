//! What a request says, as a conversation.

use std::time::Instant;

use engine::SamplingParams;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokenizer::turn::Calls;

use super::blocks;
use crate::app::random;
use crate::attention::AttentionWanted;
use crate::body::{Described, any_of, fields};
use crate::conversation::{
    Choice, Continues, Conversation, Form, Reasoning, Tool, Tools, of_schema,
};
use crate::error::ApiError;
use crate::generation::Generation;
use crate::limits::Limits;

fields! {
    Asked {
        /// One of /v1/models; the first one, where there is none.
        model: String,
        /// Objects with a role, user or assistant, and content: a text or a list of blocks.
        messages: Vec<Value>,
        /// The rules of the conversation.
        system: Text,
        /// Functions that the model may call.
        tools: Vec<Value>,
        /// {"type": "auto", "any", "none" or "tool"}.
        tool_choice: Value,
        /// {"type": "enabled", "budget_tokens": N}, disabled or adaptive.
        thinking: Map<String, Value>,
        /// effort, and format with a JSON schema.
        output_config: Map<String, Value>,
        /// The older name of output_config.format.
        output_format: Value,
    }
    without_effect: [
        "metadata",
        "service_tier",
        "container",
        "context_management",
        "inference_geo",
        "cache_control",
        "diagnostics",
        "speed",
        "user_profile_id",
        "workspace_id",
    ]
}

fields! {
    Answer {
        /// Most tokens of the answer.
        max_tokens: usize,
        /// Events, as the answer is made.
        stream: bool,
        stop_sequences: Vec<String>,
        temperature: f32,
        top_p: f32,
        top_k: usize,
        /// Not Anthropic's: the same number gives the same answer.
        seed: i64,
        /// Not Anthropic's: which rows of attention that wrote the answer are shown: layers, heads,
        /// top.
        attention: AttentionWanted,
    }
    without_effect: []
}

/// A text, or its parts.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text or a list of blocks")]
pub(crate) enum Text {
    Whole(String),
    Parts(Vec<Value>),
}

impl Described for Text {
    fn schema() -> Value {
        any_of([String::schema(), Vec::<Value>::schema()])
    }
}

impl Asked {
    /// # Errors
    /// Roles, blocks, tools and forms that nobody knows here.
    pub(super) fn read(self) -> Result<Conversation, ApiError> {
        let tools = self.tools.unwrap_or_default();
        let tools = read_tools(tools, self.tool_choice.as_ref())?;
        let output = self.output_config.unwrap_or_default();
        let mut reasoning = self.thinking.as_ref().map_or(Ok(Reasoning::default()), thinking)?;
        reasoning.effort = output.get("effort").and_then(Value::as_str).map(str::to_owned);
        let format = output.get("format").or(self.output_format.as_ref());
        let form = format.map(form_of).transpose()?.flatten();
        let asked = self.messages.ok_or_else(|| ApiError::missing("messages"))?;
        let system = self.system.map(|system| match system {
            Text::Whole(text) => json!({"role": "system", "content": text}),
            Text::Parts(parts) => json!({"role": "system", "content": parts}),
        });
        let mut messages: Vec<Value> = system.into_iter().collect();
        for (idx, message) in asked.iter().enumerate() {
            blocks::read(idx, message, &mut messages)?;
        }
        let continues = Continues::LastAnswer;
        Ok(Conversation { messages, tools, form, reasoning, continues, extra: Map::new() })
    }
}

fn thinking(thinking: &Map<String, Value>) -> Result<Reasoning, ApiError> {
    let budget = thinking.get("budget_tokens").and_then(Value::as_u64);
    match thinking.get("type").and_then(Value::as_str) {
        Some("enabled") => {
            let n_tokens_max = budget.map(|n| n as usize);
            Ok(Reasoning { is_on: Some(true), n_tokens_max, ..Reasoning::default() })
        }
        Some("disabled") => Ok(Reasoning { is_on: Some(false), ..Reasoning::default() }),
        Some("adaptive") => Ok(Reasoning::default()),
        _ => {
            let message = "expected type enabled, disabled or adaptive";
            Err(ApiError::field("thinking", message))
        }
    }
}

fn form_of(format: &Value) -> Result<Option<Form>, ApiError> {
    const FIELD: &str = "output_config";
    match (format["type"].as_str(), &format["schema"]) {
        (None, _) if format.is_null() => Ok(None),
        (Some("json_schema"), schema) => {
            Ok(Some(Form { grammar: of_schema(schema, FIELD)?, field: FIELD }))
        }
        (found, _) => {
            let message = format!("expected a format of type json_schema, found {found:?}");
            Err(ApiError::field(FIELD, message))
        }
    }
}

fn read_tools(tools: Vec<Value>, choice: Option<&Value>) -> Result<Tools, ApiError> {
    let mut all = Vec::with_capacity(tools.len());
    for (idx, tool) in tools.into_iter().enumerate() {
        let field = |message: String| ApiError::field("tools", format!("tool {idx}: {message}"));
        match tool["type"].as_str() {
            None | Some("custom") => {}
            Some(found) => {
                return Err(field(format!("expected a tool of the client, found {found:?}")));
            }
        }
        let tool = serde_json::from_value::<Tool>(tool);
        all.push(tool.map_err(|error| field(error.to_string()))?);
    }
    let mut tools = Tools { all, ..Tools::default() };
    let Some(choice) = choice else { return Ok(tools) };
    tools.choice = match (choice["type"].as_str(), choice["name"].as_str()) {
        (Some("auto"), _) => Choice::Auto,
        (Some("any"), _) => Choice::Required,
        (Some("none"), _) => Choice::None,
        (Some("tool"), Some(name)) => Choice::Named(name.to_owned()),
        _ => {
            let message = "expected type auto, any, none, or tool with a name";
            return Err(ApiError::field("tool_choice", message));
        }
    };
    if choice["disable_parallel_tool_use"] == true {
        tools.calls = Calls::One;
    }
    Ok(tools)
}

impl Answer {
    pub(super) fn sampling(&self) -> SamplingParams {
        let default = SamplingParams::default();
        SamplingParams {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_p: self.top_p.unwrap_or(default.top_p),
            top_k: self.top_k.unwrap_or(default.top_k),
            seed: self.seed.map_or_else(random, |seed| seed as u64),
            ..default
        }
    }

    /// # Errors
    /// A length that is missing, and more stop texts than the server allows.
    pub(super) fn apply(
        self,
        mut generation: Generation,
        limits: &Limits,
    ) -> Result<Generation, ApiError> {
        let request = &mut generation.request;
        request.n_tokens_max = match self.max_tokens {
            None => return Err(ApiError::missing("max_tokens")),
            Some(0) => return Err(ApiError::field("max_tokens", "expected at least 1, found 0")),
            n_tokens_max => n_tokens_max,
        };
        request.stop = self.stop_sequences.unwrap_or_default();
        limits.check_stops(&request.stop, "stop_sequences")?;
        request.deadline = Some(Instant::now() + limits.answer);
        Ok(generation)
    }
}
