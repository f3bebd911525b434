//! What an answer must look like: a grammar that says which tokens may come next.

mod compile;
mod gbnf;
mod masks;

use serde_json::{Value, json};

pub use compile::{Constraint, GrammarCompiler};
pub use gbnf::GbnfError;
pub(crate) use masks::{Masks, Pending};

/// All answers of one form.
#[derive(Clone, Debug, PartialEq)]
pub enum Grammar {
    /// Any JSON object.
    JsonObject,
    /// JSON that a schema describes: <https://json-schema.org>, draft 2020-12, most of it.
    JsonSchema(Value),
    /// A text that a regular expression matches as a whole.
    Regex(String),
    /// The notation of the `llguidance` crate, a variant of Lark's.
    Lark(String),
    /// llama.cpp's notation.
    Gbnf(String),
    /// One of these texts.
    Choice(Vec<String>),
}

/// A schema as the library is given it: strictly, whatever the schema itself says of that, and with
/// white space that comes to an end. A model without better ideas writes it forever otherwise.
pub fn strict_schema(schema: &Value) -> Value {
    const WHITE_SPACE: &str = r"[ ]{1,2}|\r?\n[ \t]{0,40}";
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        object.insert("x-guidance".into(), json!({"whitespace_pattern": WHITE_SPACE}));
    }
    schema
}

/// A grammar that cannot be used, or that an answer broke.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum GrammarError {
    #[error("the vocabulary cannot be used with grammars: {problem}")]
    Vocabulary { problem: String },
    #[error("expected at least one text to choose from, found none")]
    NoChoice,
    #[error("the grammar has {found} bytes, at most {max} are read")]
    TooLong { found: usize, max: usize },
    #[error("the grammar has more than {max} brackets, lists or objects within each other")]
    TooDeep { max: usize },
    #[error(transparent)]
    Gbnf(#[from] GbnfError),
    #[error("the grammar cannot be used: {problem}")]
    Compile { problem: String },
    /// Its limits are those of a step: states, items, fuel.
    #[error("the grammar went beyond its limits: {problem}")]
    Run { problem: String },
}

impl GrammarError {
    /// What the library says, in one line of bounded length.
    fn problem(error: &impl ToString) -> String {
        const N_CHARS_MAX: usize = 300;
        let words: Vec<String> = error.to_string().split_whitespace().map(Into::into).collect();
        words.join(" ").chars().take(N_CHARS_MAX).collect()
    }
}
