//! `POST /v1/inspect/who`: which earlier mention a word stands for.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::questions::{Among, N_CANDIDATES_MAX, Who, WhoFound, who as find_mention};
use inspect::text::find_word;
use serde::Serialize;
use serde_json::Value;

use super::{Asked, required, text_or_last};
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
        /// Objects with a role and content, the last of which has the text, where text is not
        /// given.
        messages: Vec<Value>,
        /// The pronoun, or a noun that names something again.
        word: String,
        /// Which of its places in the text, counted from 1; the last, where it is not given.
        nth: usize,
        /// What it may stand for, up to 16; names and phrases before it, where they are not given.
        among: Vec<String>,
    }
    without_effect: []
}

#[derive(Serialize)]
struct Found {
    n_heads: usize,
    #[serde(flatten)]
    found: WhoFound,
}

pub(crate) async fn who(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let (text, field) = text_or_last(body.text, body.messages.as_deref())?;
    let asked = Asked::of(app, (client, body.model.as_deref()), field).await?;
    asked.check_text(&text)?;
    let word = required("word", body.word)?;
    let nth = match body.nth {
        Some(0) => return Err(ApiError::field("nth", "expected a number from 1 on, found 0")),
        nth => nth.map(|nth| nth - 1),
    };
    let word = find_word(&text, &word, nth);
    let word = word.map_err(|error| ApiError::field("word", error.to_string()))?;
    let among = among(body.among)?;
    let of_candidates = if among == Among::Mentions { "word" } else { "among" };
    let question = Who { text, word, among, head_weights: None };
    let checked = tokio::task::block_in_place(|| question.check());
    checked.map_err(|error| ApiError::from(error).or_field(of_candidates))?;
    let found = asked.ask(move |_, inspector| Ok(find_mention(inspector, &question)?)).await?;
    let config = &asked.model()?.config;
    let n_heads = config.n_layers * config.n_heads;
    Ok(asked.answered("inspection.who", Found { n_heads, found }))
}

fn among(names: Option<Vec<String>>) -> Result<Among, ApiError> {
    let Some(names) = names.filter(|names| !names.is_empty()) else {
        return Ok(Among::Mentions);
    };
    match names.len() > N_CANDIDATES_MAX {
        true => {
            let message = format!("expected at most {N_CANDIDATES_MAX}, found {}", names.len());
            Err(ApiError::field("among", message))
        }
        false => Ok(Among::Named(names)),
    }
}
