//! Conversations become prompts, and what is asked of the answer becomes a grammar.

mod form;
mod history;
mod reasoning;
mod tools;

use engine::{Constraint, Grammar, Request, SamplingParams, SpecialText};
use serde_json::{Map, Value};
use tokenizer::Message;
use tokenizer::template::Options;
use tokenizer::turn::Wants;

pub(crate) use self::form::{Form, Forms, of_schema};
pub(crate) use self::history::knows_tools;
pub(crate) use self::reasoning::Reasoning;
use self::reasoning::Stage;
pub(crate) use self::tools::{Choice, Tool, Tools};

use crate::error::ApiError;
use crate::generation::{Generation, Turn};
use crate::served::Served;

/// What a client says and asks for, whatever its dialect.
#[derive(Default)]
pub(crate) struct Conversation {
    /// In OpenAI's form.
    pub(crate) messages: Vec<Value>,
    pub(crate) tools: Tools,
    pub(crate) form: Option<Form>,
    pub(crate) reasoning: Reasoning,
    pub(crate) continues: Continues,
    /// More variables for the template.
    pub(crate) extra: Map<String, Value>,
}

/// What a conversation ends with that has an answer at its end.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Continues {
    /// Another turn of the model.
    #[default]
    Anew,
    /// The same turn, which is its beginning.
    LastAnswer,
}

/// Tokens of a prompt that may tell how a turn begins.
const N_TAIL: usize = 24;

impl Conversation {
    /// The prompt as text.
    ///
    /// # Errors
    /// Messages that are none, and what the template refuses.
    pub(crate) fn render(&self, served: &Served) -> Result<String, ApiError> {
        let (messages, options) = self.read(served)?;
        let Some(template) = &served.template else { return Ok(joined(&messages)) };
        let text = tokio::task::block_in_place(|| template.render(&messages, &options));
        text.map_err(|error| ApiError::template(&error))
    }

    /// The ids that the model is to answer.
    ///
    /// # Errors
    /// As for [`Conversation::render`].
    pub(crate) fn encode(&self, served: &Served) -> Result<Vec<u32>, ApiError> {
        let (messages, options) = self.read(served)?;
        let Some(template) = &served.template else {
            return Ok(served.tokenizer.encode_prompt(&joined(&messages), SpecialText::AsText));
        };
        // Long texts take their time; other requests do not wait for them.
        let encode = || served.tokenizer.encode_chat(template, &messages, &options);
        let ids = tokio::task::block_in_place(encode);
        ids.map_err(|error| ApiError::template(&error))
    }

    /// One answer, drawn as `sampling` says; `field` is where the messages come from.
    ///
    /// # Errors
    /// As for [`Conversation::render`], tools and forms that cannot be held to, and fields of
    /// `reasoning` that mean nothing to the model.
    pub(crate) fn ask(
        self,
        served: &Served,
        sampling: SamplingParams,
        field: &'static str,
    ) -> Result<Generation, ApiError> {
        self.tools.check()?;
        let prompt = self.encode(served)?;
        let prompt_tail = served.text(&prompt[prompt.len().saturating_sub(N_TAIL)..]);
        let stage = self.reasoning.stage(served, &prompt_tail);
        let constraint = self.constraint(served, stage)?;
        let format = served.format;
        let marks = format.marks().filter_map(|mark| served.control_id(mark));
        let wants = Wants { calls: self.tools.may_call(), reasoning: true };
        let request = Request {
            kv_policy: served.kv_policy,
            shown_ids: if served.template.is_some() { marks.collect() } else { Vec::new() },
            thinking: self.reasoning.bounds(served, stage)?,
            constraint,
            ..Request::new(prompt, sampling)
        };
        let turn = Turn { format, wants, prompt_tail };
        let turn = served.template.is_some().then_some(turn);
        Ok(Generation { request, n: 1, prompt_field: field, turn, attention: None })
    }

    fn read(&self, served: &Served) -> Result<(Vec<Message>, Options), ApiError> {
        let source = served.template.as_ref().map_or("", |template| template.source());
        let messages = history::read(&self.messages, &self.tools, source)?;
        let is_begun = self.continues == Continues::LastAnswer
            && messages.last().is_some_and(|message| message.role == "assistant");
        let mut extra = self.extra.clone();
        self.reasoning.tell(&mut extra);
        let knows_tools = knows_tools(source) && self.tools.may_call();
        let options = Options {
            add_generation_prompt: !is_begun,
            continue_final_message: is_begun,
            tools: knows_tools.then(|| self.tools.json()),
            extra,
            ..Options::default()
        };
        Ok((messages, options))
    }

    /// What the answer is held to.
    fn constraint(&self, served: &Served, stage: Stage) -> Result<Option<Constraint>, ApiError> {
        let control = |text: &str| served.control_id(text);
        let form = self.form.as_ref();
        let stage = match stage {
            // Where the model may leave it out, it does.
            Stage::Maybe if form.is_some_and(Form::is_whole) => Stage::Never,
            stage => stage,
        };
        let calls = match (&self.tools.choice, form) {
            (Choice::Required | Choice::Named(_), _) => Some(self.tools.grammar(served)?),
            (Choice::Auto, Some(_)) if self.tools.may_call() => Some(self.tools.grammar(served)?),
            _ => None,
        };
        let forced = matches!(self.tools.choice, Choice::Required | Choice::Named(_));
        let thoughts = stage.grammar(served);
        let field = if forced { self.tools.choice_field } else { form.map_or("", |f| f.field) };
        let grammar = match (calls, form, &thoughts) {
            (None, None, _) => return Ok(None),
            // As it was written, with nothing around it.
            (None, Some(form), None) if served.format.answer_opening(&control).is_empty() => {
                form.grammar.clone()
            }
            (calls, form, _) => {
                let form = form.filter(|_| !forced);
                let opening = served.format.answer_opening(&control);
                let form = form.map(|form| form.rules(&opening)).transpose()?;
                let body = match (&calls, &form) {
                    (Some(_), Some(_)) => "calls | form",
                    (Some(_), None) => "calls",
                    _ => "form",
                };
                let start = stage.start();
                let rules = [calls, form, thoughts].into_iter().flatten().collect::<String>();
                Grammar::Lark(format!("start: {start} body\nbody: {body}\n{rules}"))
            }
        };
        served.compile(&grammar, field).map(Some)
    }
}

/// Without a template.
fn joined(messages: &[Message]) -> String {
    let texts: Vec<&str> = messages.iter().filter_map(|m| m.content.as_deref()).collect();
    texts.join("\n")
}
