//! `POST /v1/inspect/knock_out`: what a part of the answer loses without a span of the prompt.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::Inspector;
use inspect::questions::view::{KNOCK_OUT_CAVEAT, KnockedOut, View, knock_out as hide};
use serde::Serialize;

use super::{Spanned, Viewed, tokens_of};
use crate::app::App;
use crate::error::ApiError;
use crate::openai::shaped;

#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    found: KnockedOut,
    caveat: &'static str,
}

pub(crate) async fn knock_out(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let (viewed, body) = Viewed::read::<Spanned>(app, request).await?;
    let span = body.span()?;
    let find = move |inspector: &mut Inspector<'_>, view: &View| {
        let found = hide(inspector, view, (&tokens_of(view, body.tokens), &span))?;
        Ok(Found { found, caveat: KNOCK_OUT_CAVEAT })
    };
    viewed.ask("inspection.knock_out", find).await
}
