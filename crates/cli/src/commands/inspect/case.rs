//! A text, a question about it, and its answer, as tokens.

use std::ops::Range;

use anyhow::{Result, bail};
use engine::{Engine, Message, SpecialText};
use inspect::Inspector;

use super::session::Session;
use crate::inspect_args::CaseArgs;
use crate::open;

/// A prompt whose answer is to be looked at.
pub(super) struct Case {
    pub(super) prompt: Vec<u32>,
    /// Tokens of the text that is asked about.
    pub(super) context: Range<usize>,
}

impl Case {
    /// # Errors
    /// Texts that are missing or empty, or a template that refuses them.
    pub(super) fn read(args: &CaseArgs, session: &Session<'_>) -> Result<Self> {
        let file = args.file.as_deref();
        let (document, text) = match (&args.question, file) {
            (Some(question), Some(_)) => {
                let document = open::read_text(None, file, "text")?.trim().to_owned();
                let question = open::read_text(Some(question), None, "question")?;
                let text = about(&document, &question);
                (document, text)
            }
            (question, file) => {
                let text = open::read_text(question.as_deref(), file, "text")?;
                (text.trim().to_owned(), text)
            }
        };
        Self::of(args, session, &document, text)
    }

    /// The same of a text that holds what is asked about.
    ///
    /// # Errors
    /// As [`Case::read`].
    pub(super) fn of(
        args: &CaseArgs,
        session: &Session<'_>,
        document: &str,
        text: String,
    ) -> Result<Self> {
        if document.is_empty() {
            bail!("the text is empty: give one to be looked at");
        }
        let tokenizer = &session.loaded.tokenizer;
        let template = match args.raw {
            true => None,
            false => session.loaded.compile_template()?,
        };
        let prompt = match &template {
            None => tokenizer.encode_prompt(&text, SpecialText::AsText),
            Some(template) => {
                let system = args.system.as_deref().map(Message::system);
                let messages: Vec<_> = system.into_iter().chain([Message::user(text)]).collect();
                session.loaded.encode_chat(template, &messages)?
            }
        };
        let shown = inspect::inspector::text_of(tokenizer, &prompt);
        // A template may have its own way with white space; the whole prompt is the text then.
        let context = match shown.find(document, 0).and_then(|bytes| shown.span(bytes)) {
            Ok(span) => span.tokens,
            Err(_) => usize::from(tokenizer.bos() == prompt.first().copied())..prompt.len(),
        };
        Ok(Self { prompt, context })
    }

    pub(super) fn engine(&self, args: &CaseArgs, session: &Session<'_>) -> Result<Engine> {
        let n_answer = match &args.answer {
            // No token is shorter than a byte.
            Some(answer) => answer.len(),
            None => args.n as usize,
        };
        session.engine(self.prompt.len(), n_answer)
    }

    /// The tokens of the answer.
    ///
    /// # Errors
    /// An answer that is empty.
    pub(super) fn answer(
        &self,
        args: &CaseArgs,
        inspector: &mut Inspector<'_>,
    ) -> Result<Vec<u32>> {
        answer_to(inspector, &self.prompt, (args.answer.as_deref(), args.n))
    }
}

/// The tokens of an answer that is given, or that the model writes.
///
/// # Errors
/// An answer that is empty.
pub(super) fn answer_to(
    inspector: &mut Inspector<'_>,
    prompt: &[u32],
    (given, n_max): (Option<&str>, u32),
) -> Result<Vec<u32>> {
    let answer = inspector.given_or_written(prompt, given, n_max as usize)?;
    if answer.is_empty() {
        bail!("the answer is empty: give one with --answer, or ask something else");
    }
    Ok(answer)
}

/// A text with a question about it.
pub(super) fn about(document: &str, question: &str) -> String {
    format!("{document}\n\n{question}")
}
