//! Planted documents put to a model as people would ask about them.

use std::ops::Range;

use engine::{ChatTemplate, Loaded, Message, SpecialText};

use crate::inspector::text_of;
use crate::text::SpanError;

/// How a model is asked: by its chat template, or as a text to go on with where it has none.
pub struct Asking<'a> {
    loaded: &'a Loaded,
    template: Option<ChatTemplate>,
}

/// A question about a document, as tokens.
#[derive(Clone, Debug)]
pub struct Asked {
    pub prompt: Vec<u32>,
    /// Tokens of the document.
    pub context: Range<usize>,
    /// Where it begins in the text of the prompt.
    pub document_start: usize,
}

/// Why a document cannot be asked about.
#[derive(Debug, thiserror::Error)]
pub enum AskingError {
    #[error(transparent)]
    Template(#[from] tokenizer::Error),
    #[error("the prompt does not hold the document as it is: {0}")]
    Document(#[from] SpanError),
}

impl<'a> Asking<'a> {
    /// # Errors
    /// A template that does not compile.
    pub fn new(loaded: &'a Loaded) -> Result<Self, AskingError> {
        Ok(Self { loaded, template: loaded.compile_template()? })
    }

    /// # Errors
    /// A template that refuses the text, or changes it.
    pub fn ask(&self, document: &str, question: &str) -> Result<Asked, AskingError> {
        let text = format!("{document}\n\n{question}");
        let prompt = match &self.template {
            Some(template) => self.loaded.encode_chat(template, &[Message::user(text)])?,
            None => {
                let text = format!("{text}\nAnswer:");
                self.loaded.tokenizer.encode_prompt(&text, SpecialText::AsText)
            }
        };
        let shown = text_of(&self.loaded.tokenizer, &prompt);
        let bytes = shown.find(document, 0)?;
        let document_start = bytes.start;
        Ok(Asked { context: shown.span(bytes)?.tokens, prompt, document_start })
    }

    /// The tokens of an answer to what was asked.
    pub fn answer(&self, answer: &str) -> Vec<u32> {
        let text = match &self.template {
            Some(_) => answer.to_owned(),
            None => format!(" {answer}"),
        };
        self.loaded.tokenizer.encode(&text, SpecialText::AsText)
    }
}
