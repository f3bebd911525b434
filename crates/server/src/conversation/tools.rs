//! Tools that a model may call, or must.

use engine::strict_schema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokenizer::turn::Calls;

use crate::error::ApiError;
use crate::served::Served;

/// A function of the client.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Tool {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) description: Option<String>,
    /// A JSON schema of its arguments.
    #[serde(default, alias = "input_schema")]
    pub(crate) parameters: Option<Value>,
}

/// Which of them a turn calls.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Choice {
    /// As the model sees fit.
    #[default]
    Auto,
    None,
    /// At least one.
    Required,
    Named(String),
}

/// All of them.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    pub(crate) all: Vec<Tool>,
    pub(crate) choice: Choice,
    pub(crate) calls: Calls,
    /// Where the choice comes from.
    pub(crate) choice_field: &'static str,
}

impl Default for Tools {
    fn default() -> Self {
        let (all, choice) = (Vec::new(), Choice::Auto);
        Self { all, choice, calls: Calls::Several, choice_field: "tool_choice" }
    }
}

/// Tools of one request.
const N_TOOLS_MAX: usize = 512;

impl Tool {
    /// The schema of its arguments: an object without any, where nothing was said.
    fn schema(&self) -> Value {
        let empty = || json!({"type": "object", "properties": {}});
        self.parameters.clone().filter(|schema| !schema.is_null()).unwrap_or_else(empty)
    }

    /// In OpenAI's form.
    fn json(&self) -> Value {
        let mut function = json!({"name": self.name});
        if let Some(description) = &self.description {
            function["description"] = description.as_str().into();
        }
        function["parameters"] = self.schema();
        json!({"type": "function", "function": function})
    }
}

impl Tools {
    pub(crate) fn may_call(&self) -> bool {
        !self.all.is_empty() && self.choice != Choice::None
    }

    pub(super) fn json(&self) -> Vec<Value> {
        self.all.iter().map(Tool::json).collect()
    }

    /// # Errors
    /// Names and schemas that are none, and a choice of what is not there.
    pub(super) fn check(&self) -> Result<(), ApiError> {
        if self.all.len() > N_TOOLS_MAX {
            let message = format!("expected at most {N_TOOLS_MAX}, found {}", self.all.len());
            return Err(ApiError::field("tools", message));
        }
        for (idx, tool) in self.all.iter().enumerate() {
            let field =
                |message: String| ApiError::field("tools", format!("tool {idx}: {message}"));
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
            let name = &tool.name;
            if name.is_empty() || name.len() > 128 || !name.chars().all(is_plain) {
                let expected = "expected a name of letters, digits, _ and -";
                return Err(field(format!("{expected}, found {name:?}")));
            }
            if self.all[..idx].iter().any(|other| other.name == *name) {
                return Err(field(format!("{name} is there twice")));
            }
            if !tool.schema().is_object() {
                return Err(field("expected a schema of its arguments, which is an object".into()));
            }
        }
        let field = |message: String| Err(ApiError::field(self.choice_field, message));
        match &self.choice {
            Choice::Named(name) if !self.all.iter().any(|tool| tool.name == *name) => {
                field(format!("{name:?} is none of the tools"))
            }
            Choice::Required if self.all.is_empty() => field("there are no tools to call".into()),
            _ => Ok(()),
        }
    }

    /// The grammar of calls of those that may be called.
    ///
    /// # Errors
    /// Calls that the model writes in a form that no grammar is known for.
    pub(super) fn grammar(&self, served: &Served) -> Result<String, ApiError> {
        let is_chosen = |tool: &&Tool| match &self.choice {
            Choice::Named(name) => tool.name == *name,
            _ => true,
        };
        let schemas: Vec<(&str, Value)> = self
            .all
            .iter()
            .filter(is_chosen)
            .map(|tool| (&*tool.name, strict_schema(&tool.schema())))
            .collect();
        let tools: Vec<(&str, &Value)> =
            schemas.iter().map(|(name, schema)| (*name, schema)).collect();
        let control = |text: &str| served.control_id(text);
        let grammar = served.format.call_grammar(&tools, self.calls, &control);
        grammar.ok_or_else(|| {
            let format = served.format.name();
            let message = format!("calls in the form of {format} cannot be forced: expected auto");
            ApiError::field(self.choice_field, message)
        })
    }
}
