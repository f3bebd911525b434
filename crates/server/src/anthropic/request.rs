//! What a request says, as conversations and requests of the engine.

use engine::{Request, SamplingParams};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::{App, Served, random};
use crate::body::fields;
use crate::chat::{self, Continues};
use crate::error::ApiError;
use crate::generation::Generation;

fields! {
    Conversation {
        model: String,
        messages: Vec<Value>,
        system: Text,
        tools: Vec<Value>,
        tool_choice: Value,
        thinking: Map<String, Value>,
    }
    without_effect: [
        "metadata",
        "service_tier",
        "container",
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
        max_tokens: usize,
        stream: bool,
        stop_sequences: Vec<String>,
        temperature: f32,
        top_p: f32,
        top_k: usize,
        /// Not Anthropic's: the same number gives the same answer.
        seed: i64,
    }
    without_effect: []
}

/// A text, or its parts.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    Whole(String),
    Parts(Vec<Value>),
}

impl Conversation {
    /// # Errors
    /// What cannot be done yet, and messages that the template refuses.
    pub(super) fn prompt(self, served: &Served) -> Result<Vec<u32>, ApiError> {
        let wants_tools = self.tool_choice.is_none_or(|choice| choice["type"] != "none");
        if wants_tools && self.tools.is_some_and(|tools| !tools.is_empty()) {
            return Err(ApiError::field("tools", "tools are not called here yet; leave them out"));
        }
        let is_left_to_model = |thinking: &Map<String, Value>| {
            ["disabled", "adaptive"].iter().any(|kind| thinking.get("type") == Some(&json!(kind)))
        };
        if self.thinking.is_some_and(|thinking| !is_left_to_model(&thinking)) {
            return Err(ApiError::field("thinking", "thinking is not set apart here yet"));
        }
        let messages = self.messages.ok_or_else(|| ApiError::field("messages", "it is missing"))?;
        for (idx, message) in messages.iter().enumerate() {
            if !["user", "assistant"].iter().any(|role| message["role"] == *role) {
                let found = &message["role"];
                let message = format!("expected role user or assistant, found {found}");
                return Err(ApiError::field(&format!("messages.{idx}.role"), message));
            }
        }
        let system = self.system.map(|system| match system {
            Text::Whole(text) => json!({"role": "system", "content": text}),
            Text::Parts(parts) => json!({"role": "system", "content": parts}),
        });
        let messages: Vec<Value> = system.into_iter().chain(messages).collect();
        chat::encode(served, &messages, Continues::LastAnswer, Map::new())
    }
}

impl Answer {
    /// # Errors
    /// A length that is missing, and more stop texts than the server allows.
    pub(super) fn generation(
        self,
        (app, served): (&App, &Served),
        prompt: Vec<u32>,
    ) -> Result<Generation, ApiError> {
        let n_tokens_max = match self.max_tokens {
            None => return Err(ApiError::field("max_tokens", "it is missing")),
            Some(0) => return Err(ApiError::field("max_tokens", "expected at least 1, found 0")),
            n_tokens_max => n_tokens_max,
        };
        let (stop, n_stops) = (self.stop_sequences.unwrap_or_default(), app.options.limits.n_stops);
        if stop.len() > n_stops {
            let message = format!("expected at most {n_stops} texts, found {}", stop.len());
            return Err(ApiError::field("stop_sequences", message));
        }
        let default = SamplingParams::default();
        let sampling = SamplingParams {
            temperature: self.temperature.unwrap_or(default.temperature),
            top_p: self.top_p.unwrap_or(default.top_p),
            top_k: self.top_k.unwrap_or(default.top_k),
            seed: self.seed.map_or_else(random, |seed| seed as u64),
            ..default
        };
        let request = Request {
            n_tokens_max,
            stop,
            kv_policy: served.kv_policy,
            ..Request::new(prompt, sampling)
        };
        Ok(Generation { request, n: 1, prompt_field: "messages" })
    }
}
