//! `POST /v1/inspect/readers`: which tokens of the answer looked at a span of the prompt.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::Inspector;
use inspect::questions::view::{Reader, View, readers as find_readers};
use serde::Serialize;

use super::{Pair, Viewed};
use crate::app::App;
use crate::body::fields;
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Body {
        /// First and end of tokens of the prompt.
        span: Pair,
    }
    without_effect: []
}

#[derive(Serialize)]
struct Found {
    /// One of each token of the answer.
    tokens: Vec<Reader>,
}

pub(crate) async fn readers(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let (viewed, body) = Viewed::read::<Body>(app, request).await?;
    let span = body.span.ok_or_else(|| ApiError::missing("span"))?.into();
    let find = move |inspector: &mut Inspector<'_>, view: &View| {
        Ok(Found { tokens: find_readers(inspector, view, &span)? })
    };
    viewed.ask("inspection.readers", find).await
}
