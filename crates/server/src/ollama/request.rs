//! What a request says, as a conversation.

use std::time::Instant;

use engine::{Grammar, SamplingParams};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::app::random;
use crate::body::{Described, fields};
use crate::conversation::{Conversation, Form, Reasoning, Tool, Tools, of_schema};
use crate::error::ApiError;
use crate::generation::Generation;
use crate::limits::Limits;
use crate::openai::OneOrMany;

fields! {
    Common {
        /// One of /api/tags.
        model: String,
        /// json, or a JSON schema.
        format: Value,
        /// How tokens are chosen, and how many.
        options: Options,
        /// Lines, as the answer is made; that is so unless it is false.
        stream: bool,
        /// Whether the model reasons, or how much: true, false, low, medium, high.
        think: Value,
    }
    without_effect: ["keep_alive"]
}

fields! {
    Chat {
        /// Objects with a role and content.
        messages: Vec<Value>,
        /// Functions that the model may call.
        tools: Vec<Value>,
    }
    without_effect: []
}

fields! {
    Generate {
        /// A text: what a user says, unless raw is true.
        prompt: String,
        /// The rules of the conversation.
        system: String,
        /// Whether the prompt is for the model as it is.
        raw: bool,
        suffix: String,
        images: Vec<Value>,
    }
    without_effect: ["template", "context"]
}

/// What is not here is as for other requests.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Options {
    num_predict: Option<i64>,
    temperature: Option<f32>,
    top_k: Option<usize>,
    top_p: Option<f32>,
    min_p: Option<f32>,
    seed: Option<i64>,
    stop: Option<OneOrMany>,
    repeat_penalty: Option<f32>,
    presence_penalty: Option<f32>,
    frequency_penalty: Option<f32>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// Options of the machine and of the model's loading, which are the server's here.
const WITHOUT_EFFECT: [&str; 14] = [
    "num_ctx",
    "num_keep",
    "num_batch",
    "num_gpu",
    "main_gpu",
    "num_thread",
    "use_mmap",
    "use_mlock",
    "numa",
    "low_vram",
    "vocab_only",
    "repeat_last_n",
    "penalize_newline",
    "typical_p",
];

impl Described for Options {
    fn schema() -> Value {
        json!({"type": "object"})
    }
}

impl Common {
    pub(super) fn is_stream(&self) -> bool {
        self.stream != Some(false)
    }

    pub(super) fn form(&self) -> Result<Option<Form>, ApiError> {
        const FIELD: &str = "format";
        let grammar = match &self.format {
            None => return Ok(None),
            Some(Value::String(name)) if name.is_empty() => return Ok(None),
            Some(Value::String(name)) if name == "json" => Grammar::JsonObject,
            Some(Value::String(name)) => {
                let found: String = name.chars().take(40).collect();
                let message = format!("expected json or a schema, found {found:?}");
                return Err(ApiError::field(FIELD, message));
            }
            Some(schema) => of_schema(schema, FIELD)?,
        };
        Ok(Some(Form { grammar, field: FIELD }))
    }

    pub(super) fn reasoning(&self) -> Result<Reasoning, ApiError> {
        let (is_on, effort) = match &self.think {
            None => (None, None),
            Some(Value::Bool(is_on)) => (Some(*is_on), None),
            Some(Value::String(effort)) => (Some(true), Some(effort.clone())),
            Some(_) => {
                let message = "expected true, false, low, medium or high";
                return Err(ApiError::field("think", message));
            }
        };
        Ok(Reasoning { is_on, effort, ..Reasoning::default() })
    }

    pub(super) fn sampling(&self) -> SamplingParams {
        let default = SamplingParams::default();
        let Some(options) = &self.options else {
            return SamplingParams { seed: random(), ..default };
        };
        SamplingParams {
            temperature: options.temperature.unwrap_or(default.temperature),
            top_k: options.top_k.unwrap_or(default.top_k),
            top_p: options.top_p.unwrap_or(default.top_p),
            min_p: options.min_p.unwrap_or(default.min_p),
            repeat_penalty: options.repeat_penalty.unwrap_or(default.repeat_penalty),
            presence_penalty: options.presence_penalty.unwrap_or(default.presence_penalty),
            frequency_penalty: options.frequency_penalty.unwrap_or(default.frequency_penalty),
            seed: options.seed.map_or_else(random, |seed| seed as u64),
            ..default
        }
    }

    /// # Errors
    /// Options that nobody knows, unless the server is lenient, and too many stops.
    pub(super) fn apply(
        self,
        mut generation: Generation,
        limits: &Limits,
        is_lenient: bool,
    ) -> Result<Generation, ApiError> {
        let options = self.options.unwrap_or_default();
        let is_unknown = |name: &&String| !WITHOUT_EFFECT.contains(&name.as_str());
        if !is_lenient && let Some(name) = options.others.keys().find(is_unknown) {
            let message = "nobody knows this option here; --lenient lets it pass";
            return Err(ApiError::field(&format!("options.{name}"), message));
        }
        let request = &mut generation.request;
        // Negative numbers are two ways to say: to the end.
        let n_tokens_max = options.num_predict.and_then(|n| usize::try_from(n).ok());
        request.n_tokens_max = n_tokens_max.map(|n| n.max(1));
        request.stop = options.stop.map(OneOrMany::into_many).unwrap_or_default();
        limits.check_stops(&request.stop, "options.stop")?;
        request.deadline = Some(Instant::now() + limits.answer);
        Ok(generation)
    }
}

impl Chat {
    /// # Errors
    /// What is no message or no tool.
    pub(super) fn read(self, common: &Common) -> Result<Conversation, ApiError> {
        let messages = self.messages.unwrap_or_default().into_iter().enumerate();
        let messages = messages.map(|(idx, message)| in_openai_form(idx, message));
        let messages = messages.collect::<Result<Vec<Value>, _>>()?;
        let all = self.tools.unwrap_or_default().into_iter().enumerate().map(|(idx, tool)| {
            let function = tool.get("function").cloned().unwrap_or_default();
            serde_json::from_value::<Tool>(function)
                .map_err(|error| ApiError::field("tools", format!("tool {idx}: {error}")))
        });
        let tools = Tools { all: all.collect::<Result<_, _>>()?, ..Tools::default() };
        let (form, reasoning) = (common.form()?, common.reasoning()?);
        Ok(Conversation { messages, tools, form, reasoning, ..Conversation::default() })
    }
}

fn in_openai_form(idx: usize, mut message: Value) -> Result<Value, ApiError> {
    let Some(object) = message.as_object_mut() else {
        return Err(ApiError::field("messages", format!("message {idx} is not an object")));
    };
    let images = object.remove("images");
    if images.is_some_and(|images| images.as_array().is_some_and(|all| !all.is_empty())) {
        return Err(ApiError::field(
            "messages",
            format!("message {idx}: images are not read here"),
        ));
    }
    if let Some(thinking) = object.remove("thinking") {
        object.insert("reasoning_content".into(), thinking);
    }
    Ok(message)
}

impl Generate {
    /// `None`: the prompt is for the model as it is.
    ///
    /// # Errors
    /// Images, and a text that comes after the answer.
    pub(super) fn read(&self, common: &Common) -> Result<Option<Conversation>, ApiError> {
        if self.images.as_ref().is_some_and(|images| !images.is_empty()) {
            return Err(ApiError::field("images", "images are not read here"));
        }
        if self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()) {
            return Err(ApiError::field("suffix", "what follows an answer is not read here"));
        }
        if self.raw == Some(true) {
            return Ok(None);
        }
        let system = self.system.as_ref().map(|text| json!({"role": "system", "content": text}));
        let prompt = self.prompt.as_deref().unwrap_or_default();
        let user = json!({"role": "user", "content": prompt});
        let messages = system.into_iter().chain([user]).collect();
        let (form, reasoning) = (common.form()?, common.reasoning()?);
        Ok(Some(Conversation { messages, form, reasoning, ..Conversation::default() }))
    }
}
