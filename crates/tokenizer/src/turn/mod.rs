//! What a model wrote in its turn: reasoning, an answer, calls of tools. The counterpart of
//! [`crate::template`]: there a conversation becomes a text, here a text becomes parts of one.

mod call;
mod format;
mod grammar;
mod parser;

pub use call::ToolCall;
pub use format::TurnFormat;
pub use parser::TurnParser;

/// A piece of a turn, in the order in which the model wrote it.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// What the model said to itself.
    Reasoning(String),
    Text(String),
    Call(ToolCall),
}

/// What is looked for; the rest is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wants {
    pub calls: bool,
    pub reasoning: bool,
}

/// Whether a turn may call more than one tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    One,
    Several,
}
