//! `POST /v1/inspect/ground`: whether the sentences of an answer rest on the document.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::questions::ground::{Ground, ground as look_at};

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
        /// The text that the answer is to rest on.
        document: String,
        question: String,
        /// An answer that is there already; the model's likeliest, where it is not given.
        answer: String,
        /// Most tokens of an answer that the model writes.
        max_tokens: usize,
    }
    without_effect: []
}

pub(crate) async fn ground(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let asked = Asked::of(app, (client, body.model.as_deref()), "document").await?;
    let document = required("document", body.document)?;
    let question = required("question", body.question)?;
    let prompt = asked.turn(&[&document, &question])?;
    let profile = asked.profile().await?;
    let (given, n_max) = (body.answer, body.max_tokens);
    let found = asked.ask(move |asked, inspector| {
        let answer = asked.answer(inspector, &prompt.ids, (given.as_deref(), n_max))?;
        let question = Ground {
            ids: [&prompt.ids[..], &answer].concat(),
            n_prompt: prompt.ids.len(),
            document: prompt.parts[0].clone(),
        };
        Ok(look_at(inspector, &profile.ground, &question)?)
    });
    Ok(asked.answered("inspection.ground", found.await?))
}
