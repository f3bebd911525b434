//! Prompts in the form that a model is used to, and where in them their parts lie.

use std::ops::Range;

use engine::{ChatTemplate, Message, SpecialText, Tokenizer};
use tokenizer::template::Options;

use crate::inspector::{InspectError, text_of};
use crate::text::SpanError;

/// Writes prompts.
#[derive(Clone, Copy)]
pub struct Prompts<'a> {
    pub tokenizer: &'a Tokenizer,
    /// `None`: a model that only goes on with texts.
    pub template: Option<&'a ChatTemplate>,
}

/// A prompt whose answer comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prompt {
    pub ids: Vec<u32>,
    /// The tokens of each part.
    pub parts: Vec<Range<usize>>,
}

impl Prompt {
    /// Tokens of the first part, and of the second.
    pub(crate) fn lengths(&self) -> [usize; 2] {
        [self.parts[0].len(), self.parts[1].len()]
    }
}

/// Why there is no prompt.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    #[error(transparent)]
    Template(#[from] tokenizer::Error),
    #[error("the chat template changes the text it is given, so that it is not found: {0}")]
    Changed(#[from] SpanError),
    #[error(transparent)]
    Inspect(#[from] InspectError),
}

impl Prompts<'_> {
    /// What a user says: parts with an empty line between them, without white space around.
    ///
    /// # Errors
    /// A part that is empty, and what a template has against them.
    pub fn turn(&self, parts: &[&str]) -> Result<Prompt, PromptError> {
        let parts: Vec<&str> = parts.iter().map(|part| part.trim()).collect();
        if parts.iter().any(|part| part.is_empty()) {
            return Err(InspectError::Empty { what: "a part of the prompt" }.into());
        }
        let text = parts.join("\n\n");
        let ids = match self.template {
            Some(template) => {
                let options = Options { add_generation_prompt: true, ..Options::default() };
                self.tokenizer.encode_chat(template, &[Message::user(text)], &options)?
            }
            // Something must stand between the text and what the model makes of it.
            None => {
                self.tokenizer.encode_prompt(&format!("{text}\n\nAnswer:"), SpecialText::AsText)
            }
        };
        let parts = places(self.tokenizer, &ids, &parts)?;
        Ok(Prompt { ids, parts })
    }
}

impl Prompts<'_> {
    /// A question that stands by itself.
    ///
    /// # Errors
    /// What a template has against it.
    pub fn question(&self, question: &str) -> Result<Vec<u32>, InspectError> {
        let Some(template) = self.template else {
            let text = format!("Question: {question}\nAnswer:");
            return Ok(self.tokenizer.encode_prompt(&text, SpecialText::AsText));
        };
        let options = Options { add_generation_prompt: true, ..Options::default() };
        let ids = self.tokenizer.encode_chat(template, &[Message::user(question)], &options);
        ids.map_err(|err| InspectError::Unfit {
            what: err.to_string(),
            expected: "a chat template that takes one message of a user",
        })
    }
}

/// The tokens of parts, which follow each other.
fn places(
    tokenizer: &Tokenizer,
    ids: &[u32],
    parts: &[&str],
) -> Result<Vec<Range<usize>>, SpanError> {
    let shown = text_of(tokenizer, ids);
    // The turn lies at the end: a template's own text before it may hold the first part by chance.
    let whole = parts.join("\n\n");
    let nth = shown.text().matches(&whole).count().saturating_sub(1);
    let mut start = shown.find(&whole, nth)?.start;
    let place = |part: &&str| {
        let bytes = start..start + part.len();
        start = bytes.end + "\n\n".len();
        shown.span(bytes).map(|span| span.tokens)
    };
    parts.iter().map(place).collect()
}
