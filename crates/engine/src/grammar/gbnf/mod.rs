//! llama.cpp's notation for grammars (GBNF), in the words of the library that enforces them.
//!
//! That library reads a text in terminals, each as long as it can be. What of a grammar is regular
//! becomes one terminal, so that a regular grammar is exactly itself. Between terminals the longest
//! one is taken, where GBNF would try all: an ambiguous grammar may allow less, never more.

mod emit;
mod parse;

pub(super) use emit::to_lark;

/// Why a text is no grammar, and where: line and column count from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GbnfError {
    #[error("line {line}, column {column}: expected {expected}, found {found}")]
    Expected { line: usize, column: usize, expected: &'static str, found: String },
    #[error("line {line}: rule {name} is there twice")]
    Twice { line: usize, name: String },
    #[error("rule {name} is nowhere: expected `{name} ::= ...`")]
    Unknown { name: String },
    #[error("line {line}, column {column}: more than {max} groups within each other")]
    TooDeep { line: usize, column: usize, max: usize },
    #[error("line {line}, column {column}: expected repetitions up to {max}, found {found}")]
    Repetition { line: usize, column: usize, max: u32, found: String },
}

/// A part of a rule.
#[derive(Clone, Debug, PartialEq)]
enum Node {
    Sequence(Vec<Node>),
    Choice(Vec<Node>),
    Repeat(Box<Node>, u32, Option<u32>),
    Text(String),
    /// Characters, as a regular expression writes them.
    Class(String),
    /// The rule of this number.
    Rule(usize),
}

/// Rules in the order of their names' first appearance.
#[derive(Debug, Default)]
struct Rules {
    names: Vec<String>,
    bodies: Vec<Option<Node>>,
}

impl Rules {
    fn idx(&mut self, name: &str) -> usize {
        match self.names.iter().position(|known| known == name) {
            Some(idx) => idx,
            None => {
                self.names.push(name.to_owned());
                self.bodies.push(None);
                self.names.len() - 1
            }
        }
    }
}
