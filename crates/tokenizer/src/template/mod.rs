//! Chat templates: a conversation becomes the text, and the ids, that the model was trained on.

mod conversation;
mod date;
mod encode;
mod environment;
mod json;
mod mask;
mod repr;

use std::io;
use std::time::SystemTime;

use minijinja::{Environment, Value};
use serde_json::{Map, Value as Json};

pub use conversation::Message;
pub use date::timestamp;

use crate::error::Error;
use conversation::Conversation;
use environment::Raised;

/// The longest source that is compiled; real templates are under 32 KiB.
const SOURCE_BYTES_MAX: usize = 256 << 10;
const OUTPUT_BYTES_MAX: usize = 1 << 20;

/// A compiled chat template. Rendering agrees with `apply_chat_template` of `transformers`.
///
/// A template is a program from a file: it runs with a bounded number of steps and a bounded
/// output, and filters that could build a huge value in one step are bounded too.
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    source: String,
    special_texts: SpecialTexts,
}

/// The texts of the special tokens, for templates that print `{{ bos_token }}`.
#[derive(Clone, Debug, Default)]
pub struct SpecialTexts {
    pub bos: Option<String>,
    pub eos: Option<String>,
}

/// How a conversation is to be rendered.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// End with the opening of the assistant's turn.
    pub add_generation_prompt: bool,
    /// Leave the last message open, so that the model goes on with it.
    pub continue_final_message: bool,
    /// Descriptions of functions, in the form of the OpenAI API.
    pub tools: Option<Vec<Json>>,
    /// More variables for the template, such as `enable_thinking`.
    pub extra: Map<String, Json>,
    /// What `strftime_now` shows, as UTC; the present if `None`.
    pub now: Option<SystemTime>,
}

impl ChatTemplate {
    /// Compiles the source of a template.
    ///
    /// # Errors
    /// A source that is too long or does not parse; the line is named.
    pub fn new(source: &str, special_texts: &SpecialTexts) -> Result<Self, Error> {
        if source.len() > SOURCE_BYTES_MAX {
            return Err(Error::TemplateTooLong { found: source.len(), max: SOURCE_BYTES_MAX });
        }
        let environment = environment::build(source).map_err(|error| Error::TemplateSyntax {
            line: error.line().unwrap_or(0),
            problem: problem_of(&error),
        })?;
        Ok(Self { environment, source: source.to_owned(), special_texts: special_texts.clone() })
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The prompt as text. To feed a model use [`crate::Tokenizer::encode_chat`]: in this text the
    /// template's control tokens and those that a message merely mentions look the same.
    ///
    /// # Errors
    /// A conversation that the template refuses, a template that fails or runs too long, and
    /// [`Options::extra`] with a name that the program itself sets.
    pub fn render(&self, messages: &[Message], options: &Options) -> Result<String, Error> {
        self.render_conversation(&Conversation::new(messages, options)?, options)
    }

    fn render_conversation(
        &self,
        conversation: &Conversation,
        options: &Options,
    ) -> Result<String, Error> {
        if options.continue_final_message && options.add_generation_prompt {
            let problem = "it cannot both continue a message and open a new one";
            return Err(Error::CannotContinue { problem });
        }
        let template = self
            .environment
            .get_template(environment::TEMPLATE_NAME)
            .expect("the template was added when the environment was built");
        let context = self.context(conversation, options);
        let mut output = BoundedOutput(Vec::new());
        template.render_captured_to(context, &mut output).map_err(|error| render_error(&error))?;
        let text = String::from_utf8(output.0).expect("a template writes text");
        if options.continue_final_message {
            return cut_after_final_message(text, conversation);
        }
        Ok(text)
    }

    fn context(&self, conversation: &Conversation, options: &Options) -> Value {
        let text = |text: &Option<String>| Value::from(text.as_deref().unwrap_or_default());
        let now = options.now.unwrap_or_else(SystemTime::now);
        let own = [
            ("messages", Value::from_serialize(&conversation.messages)),
            ("tools", Value::from_serialize(&conversation.tools)),
            ("documents", Value::from(())),
            ("add_generation_prompt", Value::from(options.add_generation_prompt)),
            ("bos_token", text(&self.special_texts.bos)),
            ("eos_token", text(&self.special_texts.eos)),
            (
                "strftime_now",
                Value::from_function(move |format: &str| date::format_utc(now, format)),
            ),
        ];
        let extra = conversation
            .extra
            .iter()
            .map(|(name, value)| (name.clone(), Value::from_serialize(value)));
        own.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(extra).collect()
    }
}

/// Ends the text where the last message ends, without what the template adds to close its turn.
fn cut_after_final_message(text: String, conversation: &Conversation) -> Result<String, Error> {
    let problem = |problem| Error::CannotContinue { problem };
    let content = conversation.final_content().ok_or(problem("it has no messages"))?;
    let trimmed = content.trim();
    if trimmed.is_empty() {
        return Err(problem("the last message is empty"));
    }
    let start = text.rfind(trimmed).ok_or(problem("the template drops the last message"))?;
    let kept = [content.trim_start(), trimmed]
        .into_iter()
        .find(|kept| text[start..].starts_with(kept))
        .unwrap_or(trimmed);
    Ok(text[..start + kept.len()].to_owned())
}

fn render_error(error: &minijinja::Error) -> Error {
    if let Some(raised) = find_source::<Raised>(error) {
        return Error::TemplateRaised { message: one_line(&raised.0) };
    }
    if find_source::<OutputFull>(error).is_some() {
        return Error::TemplateLimit { limit: "1 MiB of output" };
    }
    if error.kind() == minijinja::ErrorKind::OutOfFuel {
        return Error::TemplateLimit { limit: "a million steps" };
    }
    Error::TemplateRender { line: error.line().unwrap_or(0), problem: problem_of(error) }
}

/// The first error of this type in the chain of causes.
fn find_source<T: std::error::Error + 'static>(error: &minijinja::Error) -> Option<&T> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if let Some(found) = inner.and_then(|inner| inner.downcast_ref::<T>()) {
            return Some(found);
        }
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

fn problem_of(error: &minijinja::Error) -> String {
    one_line(error.detail().map_or_else(|| error.kind().to_string(), str::to_owned).as_str())
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The template wrote more than it may.
#[derive(Debug, thiserror::Error)]
#[error("the output is too long")]
struct OutputFull;

/// Takes at most [`OUTPUT_BYTES_MAX`] bytes.
struct BoundedOutput(Vec<u8>);

impl io::Write for BoundedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_BYTES_MAX {
            return Err(io::Error::other(OutputFull));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
