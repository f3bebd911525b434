//! `POST /v1/inspect/strip`: what each token of the answer rests on.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::Inspector;
use inspect::questions::view::{StripToken, View, strip as find_strip};
use serde::Serialize;

use super::Viewed;
use crate::app::App;
use crate::error::ApiError;
use crate::openai::shaped;

#[derive(Serialize)]
struct Found {
    /// One of each token of the answer.
    tokens: Vec<StripToken>,
}

pub(crate) async fn strip(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let (viewed, ()) = Viewed::read::<()>(app, request).await?;
    let find = move |inspector: &mut Inspector<'_>, view: &View| {
        Ok(Found { tokens: find_strip(inspector, view)? })
    };
    viewed.ask("inspection.strip", find).await
}
