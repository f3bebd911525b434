//! Grammars become constraints over the tokens of one vocabulary.

use std::sync::Arc;

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};
use tokenizer::{Special, Tokenizer};

use super::gbnf::to_lark;
use super::{Grammar, GrammarError, strict_schema};

/// Of a regular expression, a schema or a text.
const GRAMMAR_BYTES_MAX: usize = 256 << 10;

/// The library goes down into what lies within each other, one call a level: what it is given is
/// bounded, and there is room for that.
const DEPTH_MAX: usize = 120;
pub(super) const STACK_BYTES: usize = 64 << 20;

/// Of one grammar; the library counts 1 to 2 kB for each.
const N_STATES_MAX: usize = 50_000;

/// Tokens of one vocabulary as grammars see them: made once, shared by all grammars.
pub struct GrammarCompiler {
    factory: ParserFactory,
}

/// A grammar, and how far an answer has come in it.
#[derive(Clone)]
pub struct Constraint {
    pub(super) matcher: Matcher,
    /// The token that stands for every end of an answer: one that no text has.
    pub(super) end: u32,
}

impl std::fmt::Debug for Constraint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Constraint").finish_non_exhaustive()
    }
}

impl GrammarCompiler {
    /// # Errors
    /// A vocabulary that is empty.
    pub fn new(tokenizer: &Tokenizer, n_vocab: usize) -> Result<Self, GrammarError> {
        let end = n_vocab as u32;
        let mut words: Vec<Vec<u8>> = (0..end).map(|id| word(tokenizer, id)).collect();
        words.push([&[TokTrie::SPECIAL_TOKEN_MARKER], &b"<end of the answer>"[..]].concat());
        let info = TokRxInfo::new(words.len() as u32, end);
        let environment: TokEnv = Arc::new(ApproximateTokEnv::new(TokTrie::from(&info, &words)));
        let mut factory = ParserFactory::new_simple(&environment)
            .map_err(|error| GrammarError::Vocabulary { problem: GrammarError::problem(&error) })?;
        factory.quiet();
        *factory.limits_mut() = ParserLimits {
            max_lexer_states: N_STATES_MAX,
            verbose_errors: false,
            ..ParserLimits::default()
        };
        Ok(Self { factory })
    }

    /// A constraint at the beginning of an answer.
    ///
    /// # Errors
    /// A grammar that is none, is too large, or asks for what cannot be enforced: it is never
    /// enforced by halves.
    pub fn compile(&self, grammar: &Grammar) -> Result<Constraint, GrammarError> {
        let grammar = top_level(grammar)?;
        let make = || Matcher::new(self.factory.create_parser(grammar));
        let matcher = std::thread::scope(|scope| {
            let thread = std::thread::Builder::new().name("grammar".into());
            let thread = thread.stack_size(STACK_BYTES).spawn_scoped(scope, make);
            thread.ok().and_then(|thread| thread.join().ok())
        });
        let matcher = matcher.ok_or_else(|| GrammarError::Compile {
            problem: "it cannot be worked on here".into(),
        })?;
        match matcher.get_error() {
            Some(error) => Err(GrammarError::Compile { problem: GrammarError::problem(&error) }),
            None => Ok(Constraint { matcher, end: self.factory.tok_env().eos_token() }),
        }
    }
}

/// The bytes of a token; those that control the model have a name that no text has.
fn word(tokenizer: &Tokenizer, id: u32) -> Vec<u8> {
    if id as usize >= tokenizer.n_vocab() || tokenizer.is_padding(id) {
        return Vec::new();
    }
    let bytes = tokenizer.token_bytes(id, Special::Show);
    match tokenizer.is_control(id) {
        true => [&[TokTrie::SPECIAL_TOKEN_MARKER], bytes].concat(),
        false => bytes.to_vec(),
    }
}

fn top_level(grammar: &Grammar) -> Result<TopLevelGrammar, GrammarError> {
    let bounded = |found: usize| match found {
        found if found > GRAMMAR_BYTES_MAX => {
            Err(GrammarError::TooLong { found, max: GRAMMAR_BYTES_MAX })
        }
        _ => Ok(()),
    };
    Ok(match grammar {
        Grammar::JsonObject => {
            TopLevelGrammar::from_json_schema(strict_schema(&json!({"type": "object"})))
        }
        Grammar::JsonSchema(schema) => {
            check_depth(depth_of(schema))?;
            bounded(schema.to_string().len())?;
            TopLevelGrammar::from_json_schema(strict_schema(schema))
        }
        Grammar::Regex(pattern) => {
            bounded(pattern.len())?;
            check_depth(n_open_max(pattern))?;
            TopLevelGrammar::from_regex(pattern)
        }
        Grammar::Lark(text) => {
            bounded(text.len())?;
            check_depth(n_open_max(text))?;
            TopLevelGrammar::from_lark(text.clone())
        }
        Grammar::Gbnf(text) => {
            bounded(text.len())?;
            TopLevelGrammar::from_lark(to_lark(text)?)
        }
        Grammar::Choice(texts) if texts.is_empty() => return Err(GrammarError::NoChoice),
        Grammar::Choice(texts) => {
            bounded(texts.iter().map(String::len).sum())?;
            let texts: Vec<String> =
                texts.iter().map(|text| Value::from(text.as_str()).to_string()).collect();
            TopLevelGrammar::from_lark(format!("start: {}", texts.join(" | ")))
        }
    })
}

fn check_depth(found: usize) -> Result<(), GrammarError> {
    if found > DEPTH_MAX {
        return Err(GrammarError::TooDeep { max: DEPTH_MAX });
    }
    Ok(())
}

/// Lists and objects within each other, up to one more than may be.
fn depth_of(schema: &Value) -> usize {
    let mut level: Vec<&Value> = vec![schema];
    for depth in 0..=DEPTH_MAX {
        let mut next: Vec<&Value> = Vec::new();
        for value in level {
            match value {
                Value::Array(items) => next.extend(items),
                Value::Object(fields) => next.extend(fields.values()),
                _ => {}
            }
        }
        level = next;
        if level.is_empty() {
            return depth;
        }
    }
    DEPTH_MAX + 1
}

/// Brackets that are open at once, whatever they mean there.
fn n_open_max(text: &str) -> usize {
    let (mut n_open, mut n_max) = (0_usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => n_open += 1,
            b')' | b']' | b'}' => n_open = n_open.saturating_sub(1),
            _ => {}
        }
        n_max = n_max.max(n_open);
    }
    n_max
}
