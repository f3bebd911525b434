//! `POST /v1/inspect/look`: which sentences of a conversation an answer came from.

use std::ops::Range;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::capture::Lens;
use inspect::questions::{AnswerPart, CAVEAT, Look, Looked, look as find_sources};
use inspect::text::{TokenText, Unit};
use serde::Serialize;
use serde_json::Value;

use super::view::Pair;
use super::{Asked, last_text};
use crate::access::client_of;
use crate::app::App;
use crate::body::{self, fields};
use crate::conversation::Conversation;
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Body {
        /// One of /v1/models.
        model: String,
        /// Objects with a role and content; the answer is to them.
        messages: Vec<Value>,
        /// An answer that is there already; the model's likeliest, where it is not given.
        answer: String,
        /// Most tokens of an answer that the model writes.
        max_tokens: usize,
        /// The text that can be a source, as it stands in the messages; the last message, where it
        /// is not given.
        context: String,
        /// What of the answer is looked at together: answer, sentence, word or token.
        each: String,
        /// What the context is divided into: paragraph, sentence, word or token.
        source: String,
        /// What ranks sources: weight, value_norm or logit, which is the default where it applies.
        by: String,
        /// The first sources of each part that are hidden to see what the answer loses.
        check: usize,
        /// The first sources of each part that come back; all, where it is not given.
        top: usize,
        /// First and end of the tokens of the answer that are looked at, counted from its first,
        /// in place of each.
        tokens: Pair,
    }
    without_effect: []
}

const N_CHECKED: usize = 3;

#[derive(Serialize)]
struct Found {
    answer: String,
    #[serde(flatten)]
    found: Looked,
    caveat: &'static str,
}

pub(crate) async fn look(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let asked = Asked::of(app, (client, body.model.as_deref()), "messages").await?;
    let messages = body.messages.clone().ok_or_else(|| ApiError::missing("messages"))?;
    let context = body.context.clone().or_else(|| last_text(&messages));
    let conversation = Conversation { messages, ..Conversation::default() };
    let prompt = conversation.encode(&asked.served)?;
    asked.check_fits(prompt.len(), "messages")?;
    let part = body.part()?;
    let (source, rank_by) = (body.source()?, lens(body.by.as_deref())?);
    let (n_max, n_checked) = (body.max_tokens, body.check.unwrap_or(N_CHECKED));
    let (given, top) = (body.answer, body.top.unwrap_or(usize::MAX));
    let found = asked.ask(move |asked, inspector| {
        let context = context_of(&inspector.text(&prompt), context.as_deref())?;
        let answer = asked.answer(inspector, &prompt, (given.as_deref(), n_max))?;
        let text = inspector.text(&answer).text().to_owned();
        let question = Look {
            ids: [&prompt[..], &answer].concat(),
            n_prompt: prompt.len(),
            context,
            source,
            part,
            lenses: Lens::all_of(&inspector.model),
            rank_by: rank_by.unwrap_or_else(|| Lens::default_of(&inspector.model)),
            n_checked,
            head_weights: None,
        };
        let mut found = find_sources(inspector, &question)?;
        found.parts.iter_mut().for_each(|part| part.ranked.truncate(top));
        Ok(Found { answer: text, found, caveat: CAVEAT })
    });
    Ok(asked.answered("inspection.look", found.await?))
}

impl Body {
    fn part(&self) -> Result<AnswerPart, ApiError> {
        match self.each.as_deref() {
            None if let Some(tokens) = self.tokens => Ok(AnswerPart::Tokens(tokens.into())),
            Some(_) if self.tokens.is_some() => {
                Err(ApiError::field("tokens", "expected each or tokens, found both"))
            }
            None | Some("answer") => Ok(AnswerPart::Whole),
            Some(unit) => unit_of(unit).map(AnswerPart::Each).ok_or_else(|| {
                let message = format!("expected answer, sentence, word or token, found {unit:?}");
                ApiError::field("each", message)
            }),
        }
    }

    fn source(&self) -> Result<Unit, ApiError> {
        let unit = self.source.as_deref().unwrap_or("sentence");
        unit_of(unit).ok_or_else(|| {
            let message = format!("expected paragraph, sentence, word or token, found {unit:?}");
            ApiError::field("source", message)
        })
    }
}

/// The field `by`.
pub(super) fn lens(by: Option<&str>) -> Result<Option<Lens>, ApiError> {
    match by {
        None => Ok(None),
        Some("weight") => Ok(Some(Lens::Weight)),
        Some("value_norm") => Ok(Some(Lens::ValueNorm)),
        Some("logit") => Ok(Some(Lens::Logit)),
        Some(other) => {
            let message = format!("expected weight, value_norm or logit, found {other:?}");
            Err(ApiError::field("by", message))
        }
    }
}

fn unit_of(text: &str) -> Option<Unit> {
    match text {
        "paragraph" => Some(Unit::Paragraph),
        "sentence" => Some(Unit::Sentence),
        "word" => Some(Unit::Word),
        "token" => Some(Unit::Token),
        _ => None,
    }
}

/// Tokens of the prompt that can be sources: those of a text in it, or all but the first.
fn context_of(prompt: &TokenText, text: Option<&str>) -> Result<Range<usize>, ApiError> {
    let text = text.map(str::trim).filter(|text| !text.is_empty());
    match text {
        Some(text) => {
            let span = prompt.find(text, 0).and_then(|bytes| prompt.span(bytes));
            Ok(span.map_err(|error| ApiError::field("context", error.to_string()))?.tokens)
        }
        None => Ok(1.min(prompt.n_tokens())..prompt.n_tokens()),
    }
}
