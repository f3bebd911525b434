//! Tools and calls in OpenAI's form.

use serde::Deserialize;
use serde_json::{Value, json};
use tokenizer::turn::{Calls, ToolCall};

use crate::app::random;
use crate::body::fields;
use crate::conversation::{Choice, Tool, Tools};
use crate::error::ApiError;

fields! {
    ToolFields {
        /// Functions that the model may call.
        tools: Vec<Value>,
        /// auto, none, required, or a function by its name.
        tool_choice: Value,
        /// Whether one turn may call several.
        parallel_tool_calls: bool,
        /// The form before tools.
        functions: Vec<Value>,
    }
    without_effect: []
}

/// `{"type": "function", "function": {...}}`, or the same without the inner object.
#[derive(Deserialize)]
struct Described {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    function: Option<Value>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

impl ToolFields {
    /// # Errors
    /// What is no function, and choices that are none.
    pub(crate) fn read(self) -> Result<Tools, ApiError> {
        if self.functions.is_some_and(|functions| !functions.is_empty()) {
            return Err(ApiError::field("functions", "expected them as tools"));
        }
        let all = self.tools.unwrap_or_default().into_iter().enumerate();
        let all = all.map(|(idx, value)| {
            tool(value)
                .map_err(|message| ApiError::field("tools", format!("tool {idx}: {message}")))
        });
        let all = all.collect::<Result<Vec<Tool>, _>>()?;
        let choice = self.tool_choice.map_or(Ok(Choice::Auto), |choice| choice_of(&choice))?;
        let calls = match self.parallel_tool_calls {
            Some(false) => Calls::One,
            _ => Calls::Several,
        };
        Ok(Tools { all, choice, calls, ..Tools::default() })
    }
}

fn tool(value: Value) -> Result<Tool, String> {
    let described: Described = serde_json::from_value(value).map_err(|error| error.to_string())?;
    if let Some(kind) = described.kind.filter(|kind| kind != "function") {
        return Err(format!("expected type function, found {kind:?}"));
    }
    let function = described.function.unwrap_or(Value::Object(described.rest));
    serde_json::from_value(function).map_err(|error| error.to_string())
}

fn choice_of(choice: &Value) -> Result<Choice, ApiError> {
    let name = || choice.pointer("/function/name").or(choice.get("name"))?.as_str();
    match (choice.as_str(), choice["type"].as_str()) {
        (Some("auto"), _) => Ok(Choice::Auto),
        (Some("none"), _) => Ok(Choice::None),
        (Some("required" | "any"), _) => Ok(Choice::Required),
        (_, Some("function")) if name().is_some() => {
            Ok(Choice::Named(name().unwrap_or_default().to_owned()))
        }
        _ => {
            let message = "expected auto, none, required, or a function with a name";
            Err(ApiError::field("tool_choice", message))
        }
    }
}

/// A name for a call, which its result comes back with.
pub(crate) fn call_id() -> String {
    format!("call_{:016x}", random())
}

pub(super) fn call_json(ToolCall { name, arguments }: &ToolCall) -> Value {
    let function = json!({"name": name, "arguments": arguments});
    json!({"id": call_id(), "type": "function", "function": function})
}
