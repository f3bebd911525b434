//! `POST /v1/inspect/contradict`: which sentences may contradict each other.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::questions::{Contradict, Judge, N_PAIRS, N_PAIRS_MAX, contradict as find_pairs};
use serde_json::Value;

use super::{Asked, text_or_last};
use crate::access::client_of;
use crate::app::App;
use crate::body::{self, fields};
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Body {
        /// One of /v1/models.
        model: String,
        /// A text as it is.
        text: String,
        /// Objects with a role and content, the last of which has the text, where text is not given.
        messages: Vec<Value>,
        /// Pairs of sentences that the model is asked about: 1 to 1000.
        pairs: usize,
    }
    without_effect: []
}

pub(crate) async fn contradict(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let (text, field) = text_or_last(body.text, body.messages.as_deref())?;
    let asked = Asked::of(app, (client, body.model.as_deref()), field).await?;
    asked.check_text(&text)?;
    let n_pairs = body.pairs.unwrap_or(N_PAIRS);
    if !(1..=N_PAIRS_MAX).contains(&n_pairs) {
        let message = format!("expected 1 to {N_PAIRS_MAX}, found {n_pairs}");
        return Err(ApiError::field("pairs", message));
    }
    let question = Contradict { text, n_pairs, head_weights: None };
    let found = asked.ask(move |asked, inspector| {
        let prompts = asked.prompts();
        let mut prompt = |question: &str| prompts.question(question);
        Ok(find_pairs(inspector, &mut Judge::new(&mut prompt), &question)?)
    });
    Ok(asked.answered("inspection.contradict", found.await?))
}
