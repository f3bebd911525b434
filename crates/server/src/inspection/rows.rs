//! `POST /v1/inspect/rows`: the attention weights of single tokens of a conversation.

use std::ops::Range;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use inspect::capture::{RowPlan, Selection, SelectionError};
use inspect::export::{Export, Tokens};
use inspect::record::Row;
use inspect::{InspectError, N_ANSWER};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Asked;
use crate::access::client_of;
use crate::app::App;
use crate::attention::N_TOP;
use crate::body::{self, Described, any_of, fields};
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
        /// Most tokens of an answer that the model writes; 0: the prompt alone is looked at.
        max_tokens: usize,
        /// Layers, counted from 0; all, where they are not given.
        layers: Vec<usize>,
        /// Heads of each layer, counted from 0; all, where they are not given.
        heads: Vec<usize>,
        /// Heaviest keys of each row; a large number lists all.
        top: usize,
        /// Tokens whose rows come back: answer (those that wrote it), prompt, all, or the places of
        /// the first and the last in prompt and answer.
        rows: RowsWanted,
    }
    without_effect: []
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected answer, prompt, all, or the places of two tokens")]
pub(crate) enum RowsWanted {
    Of(Part),
    Between([u32; 2]),
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Part {
    Answer,
    Prompt,
    All,
}

impl Described for RowsWanted {
    fn schema() -> Value {
        let place = json!({"type": "integer", "minimum": 0});
        let places = json!({"type": "array", "items": place, "minItems": 2, "maxItems": 2});
        any_of([json!({"enum": ["answer", "prompt", "all"]}), places])
    }
}

#[derive(Serialize)]
struct Found<'a> {
    object: &'static str,
    #[serde(flatten)]
    export: Export<'a>,
    /// Tokens before the answer.
    n_prompt: usize,
    answer: &'a str,
}

/// A text and its rows.
struct Seen {
    ids: Vec<u32>,
    answer: String,
    rows: Vec<Row>,
}

pub(crate) async fn rows(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let asked = Asked::of(app, (client, body.model.as_deref()), "messages").await?;
    let messages = body.messages.ok_or_else(|| ApiError::missing("messages"))?;
    let conversation = Conversation { messages, ..Conversation::default() };
    let prompt = conversation.encode(&asked.served)?;
    asked.check_fits(prompt.len(), "messages")?;
    let model = asked.model()?;
    let selection = Selection::new(&model.config, body.layers.as_deref(), body.heads.as_deref());
    let selection = selection.map_err(|error| of_selection(&error))?;
    let (wanted, n_top) =
        (body.rows.unwrap_or(RowsWanted::Of(Part::Answer)), body.top.unwrap_or(N_TOP));
    let (given, n_max) = (body.answer, body.max_tokens.unwrap_or(N_ANSWER));
    let n_prompt = prompt.len();
    let seen = asked.ask(move |asked, inspector| {
        let answer = inspector.given_or_written(&prompt, given.as_deref(), n_max)?;
        let ids = [&prompt[..], &answer].concat();
        asked.check_fits(ids.len(), "answer")?;
        let rows = wanted.places(n_prompt, ids.len())?;
        let plan = RowPlan { selection, rows, n_top };
        let rows = inspector.rows(&ids, plan).map_err(|error| match error {
            InspectError::TooLarge(error) => ApiError::field("rows", error.to_string()),
            error => error.into(),
        })?;
        let answer = inspector.text(&answer).text().to_owned();
        Ok(Seen { ids, answer, rows })
    });
    let Seen { ids, answer, rows } = seen.await?;
    let tokenizer = &asked.served.tokenizer;
    let pieces: Vec<String> = ids.iter().map(|&id| tokenizer.piece(id).into_owned()).collect();
    let export = Export {
        model: &asked.served.name,
        n_layers: model.config.n_layers,
        n_heads: model.config.n_heads,
        tokens: Tokens { ids: &ids, pieces: &pieces },
        rows: &rows,
    };
    let object = "inspection.rows";
    Ok(Json(Found { object, export, n_prompt, answer: &answer }).into_response())
}

impl RowsWanted {
    /// Row `i` writes token `i + 1`; the last row of a prompt without an answer writes none yet.
    fn places(&self, n_prompt: usize, n: usize) -> Result<Range<u32>, ApiError> {
        let (n_prompt, n) = (n_prompt as u32, n as u32);
        let rows = match *self {
            Self::Of(Part::Answer) => n_prompt - 1..n_prompt.max(n - 1),
            Self::Of(Part::Prompt) => 0..n_prompt,
            Self::Of(Part::All) => 0..n,
            Self::Between([first, last]) if first <= last && last < n => first..last + 1,
            Self::Between([first, last]) => {
                let found = format!("tokens {first} to {last}: the text has tokens 0 to {}", n - 1);
                return Err(ApiError::field("rows", found));
            }
        };
        Ok(rows)
    }
}

fn of_selection(error: &SelectionError) -> ApiError {
    let field = match error {
        SelectionError::Head { .. } => "heads",
        SelectionError::Layer { .. } | SelectionError::Nothing => "layers",
    };
    ApiError::field(field, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_those_that_wrote_the_answer_or_others() {
        let check = |wanted: Value, n: usize, expected: Option<Range<u32>>| {
            let read: RowsWanted = serde_json::from_value(wanted.clone()).expect("rows");
            assert_eq!(read.places(5, n).ok(), expected, "{wanted} of {n}");
        };
        check(json!("answer"), 8, Some(4..7));
        check(json!("answer"), 5, Some(4..5));
        check(json!("prompt"), 8, Some(0..5));
        check(json!("all"), 8, Some(0..8));
        check(json!([2, 7]), 8, Some(2..8));
        check(json!([2, 8]), 8, None);
        check(json!([3, 2]), 8, None);
        check(json!([0, u32::MAX]), 8, None);
    }
}
