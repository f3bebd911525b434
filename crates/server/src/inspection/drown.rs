//! `POST /v1/inspect/drown`: what becomes of a part of a text when more stands around it.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::prompts::PromptError;
use inspect::questions::{Drowned, dearest_span, drown as measure, drown_cases, named_span};
use serde::Serialize;

use super::{Asked, required};
use crate::access::client_of;
use crate::app::App;
use crate::body::{self, fields};
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Body {
        /// One of /v1/models.
        model: String,
        /// The text that is asked about.
        document: String,
        question: String,
        /// An answer that is there already; the model's likeliest, where it is not given.
        answer: String,
        /// Most tokens of an answer that the model writes.
        max_tokens: usize,
        /// The part of the document that the answer needs; the sentence that it loses most without,
        /// where it is not given.
        span: String,
    }
    without_effect: []
}

#[derive(Serialize)]
struct Found {
    answer: String,
    span: String,
    #[serde(flatten)]
    found: Drowned,
}

pub(crate) async fn drown(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let asked = Asked::of(app, (client, body.model.as_deref()), "document").await?;
    let document = required("document", body.document)?.trim().to_owned();
    let question = required("question", body.question)?;
    let prompt = asked.turn(&[&document, &question])?;
    let named = body.span.as_deref().map(|span| named_span(&document, span)).transpose();
    let named = named.map_err(|error| ApiError::field("span", error.to_string()))?;
    let (given, n_max) = (body.answer, body.max_tokens);
    let found = asked.ask(move |asked, inspector| {
        let answer = asked.answer(inspector, &prompt.ids, (given.as_deref(), n_max))?;
        let of_prompt = (&prompt.ids[..], prompt.parts[0].clone());
        let span = match named {
            Some(span) => span,
            None => dearest_span(inspector, of_prompt, (&document, &answer))?,
        };
        let turn = |text: &str| -> Result<_, PromptError> {
            let prompt = asked.prompts().turn(&[text, &question])?;
            Ok((prompt.ids, prompt.parts[0].clone()))
        };
        let cases = drown_cases(inspector.tokenizer, (&document, &span), turn)?;
        let found = measure(inspector, &cases, &answer, &mut |_| ())?;
        let answer = inspector.text(&answer).text().to_owned();
        Ok(Found { answer, span: document[span].to_owned(), found })
    });
    Ok(asked.answered("inspection.drown", found.await?))
}
