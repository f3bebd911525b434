//! Forms of answers: JSON, schemas, patterns, and the many fields that ask for them.

use engine::{Grammar, strict_schema};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::body::fields;
use crate::error::ApiError;

/// A form, and the field that asked for it.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) grammar: Grammar,
    pub(crate) field: &'static str,
}

fields! {
    Forms {
        /// OpenAI's: text, json_object, or json_schema with a schema.
        response_format: Map<String, Value>,
        /// llama.cpp's: a schema.
        json_schema: Value,
        /// llama.cpp's: a grammar in GBNF.
        grammar: String,
        /// vLLM's: json, regex, choice or grammar.
        structured_outputs: Structured,
        /// vLLM's: a schema.
        guided_json: Value,
        /// vLLM's: a pattern that the whole answer matches.
        guided_regex: String,
        /// vLLM's: texts of which the answer is one.
        guided_choice: Vec<String>,
        /// vLLM's: a grammar in Lark's notation.
        guided_grammar: String,
    }
    without_effect: []
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Structured {
    json: Option<Value>,
    json_object: Option<bool>,
    regex: Option<String>,
    choice: Option<Vec<String>>,
    grammar: Option<String>,
}

impl crate::body::Described for Structured {
    fn schema() -> Value {
        json!({"type": "object"})
    }
}

impl Forms {
    /// # Errors
    /// A form that nobody knows, and more than one.
    pub(crate) fn form(self) -> Result<Option<Form>, ApiError> {
        let of_format = self.response_format.map(of_response_format).transpose()?.flatten();
        let of_structured = self.structured_outputs.map(Structured::grammar).transpose()?;
        let all = [
            ("response_format", of_format),
            ("json_schema", self.json_schema.map(Grammar::JsonSchema)),
            ("grammar", self.grammar.filter(|text| !text.is_empty()).map(Grammar::Gbnf)),
            ("structured_outputs", of_structured),
            ("guided_json", self.guided_json.map(Grammar::JsonSchema)),
            ("guided_regex", self.guided_regex.map(Grammar::Regex)),
            ("guided_choice", self.guided_choice.map(Grammar::Choice)),
            ("guided_grammar", self.guided_grammar.map(of_notation)),
        ];
        let mut forms = all.into_iter().filter_map(|(field, grammar)| Some((field, grammar?)));
        let first = forms.next();
        match (&first, forms.next()) {
            (Some((first, _)), Some((second, _))) => {
                Err(ApiError::field(second, format!("{first} gives the answer a form already")))
            }
            _ => Ok(first.map(|(field, grammar)| Form { grammar, field })),
        }
    }
}

/// `{"type": "text" | "json_object" | "json_schema" | "regex", ...}`.
fn of_response_format(format: Map<String, Value>) -> Result<Option<Grammar>, ApiError> {
    let field = |message: &str| ApiError::field("response_format", message);
    let kind = format.get("type").and_then(Value::as_str);
    Ok(Some(match kind {
        Some("text") => return Ok(None),
        Some("json_object") => match format.get("schema") {
            Some(schema) => of_schema(schema, "response_format")?,
            None => Grammar::JsonObject,
        },
        Some("json_schema") => {
            let inner = format.get("json_schema");
            let schema = inner.and_then(|inner| inner.get("schema")).or(format.get("schema"));
            let schema = schema.ok_or_else(|| field("expected json_schema.schema, found none"))?;
            of_schema(schema, "response_format")?
        }
        Some("regex") => {
            match ["value", "pattern"].iter().find_map(|key| format.get(*key)?.as_str()) {
                Some(pattern) => Grammar::Regex(pattern.to_owned()),
                None => return Err(field("expected a pattern as value, found none")),
            }
        }
        _ => {
            let found = format.get("type").map_or("none".to_owned(), Value::to_string);
            let expected = "expected type text, json_object, json_schema or regex";
            return Err(field(&format!("{expected}, found {found}")));
        }
    }))
}

/// # Errors
/// A schema that is neither an object nor a truth value.
pub(crate) fn of_schema(schema: &Value, field: &str) -> Result<Grammar, ApiError> {
    match schema {
        Value::Object(_) | Value::Bool(_) => Ok(Grammar::JsonSchema(schema.clone())),
        found => {
            let message = format!("expected a schema, which is an object, found {found}");
            Err(ApiError::field(field, message.chars().take(200).collect::<String>()))
        }
    }
}

/// GBNF has `::=`, Lark has not.
fn of_notation(text: String) -> Grammar {
    if text.contains("::=") { Grammar::Gbnf(text) } else { Grammar::Lark(text) }
}

impl Structured {
    fn grammar(self) -> Result<Grammar, ApiError> {
        let all = [
            self.json.map(Grammar::JsonSchema),
            self.json_object.filter(|&wanted| wanted).map(|_| Grammar::JsonObject),
            self.regex.map(Grammar::Regex),
            self.choice.map(Grammar::Choice),
            self.grammar.map(of_notation),
        ];
        let mut all = all.into_iter().flatten();
        match (all.next(), all.next()) {
            (Some(grammar), None) => Ok(grammar),
            _ => {
                let message = "expected one of json, json_object, regex, choice and grammar";
                Err(ApiError::field("structured_outputs", message))
            }
        }
    }
}

impl Form {
    /// Whether it takes the whole answer, with nothing around it.
    pub(crate) fn is_whole(&self) -> bool {
        matches!(self.grammar, Grammar::Lark(_) | Grammar::Gbnf(_))
    }

    /// The form as a part of a larger grammar: rules, of which `form` is the first.
    ///
    /// # Errors
    /// Notations that stand alone.
    pub(crate) fn rules(&self, opening: &str) -> Result<String, ApiError> {
        let body = match &self.grammar {
            Grammar::JsonObject => format!("%json {}", strict_schema(&json!({"type": "object"}))),
            Grammar::JsonSchema(schema) => format!("%json {}", strict_schema(schema)),
            Grammar::Regex(pattern) => format!("/{}/", pattern.replace('/', "\\/")),
            Grammar::Choice(texts) if !texts.is_empty() => {
                let texts = texts.iter().map(|text| Value::from(text.as_str()).to_string());
                texts.collect::<Vec<_>>().join(" | ")
            }
            Grammar::Choice(_) | Grammar::Lark(_) | Grammar::Gbnf(_) => {
                let message = "a grammar takes the whole answer: expected no tools and a model \
                               that does not reason first, or JSON or a pattern";
                return Err(ApiError::field(self.field, message));
            }
        };
        Ok(format!("form: {opening} form_body\nform_body: {body}\n"))
    }
}
