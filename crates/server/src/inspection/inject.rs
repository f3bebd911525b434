//! `POST /v1/inspect/inject`: whether data draws the model away from its instruction.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::questions::inject::inject as look_for;

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
        /// What the model is asked to do with the data.
        instruction: String,
        data: String,
    }
    without_effect: []
}

pub(crate) async fn inject(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let asked = Asked::of(app, (client, body.model.as_deref()), "data").await?;
    let instruction = required("instruction", body.instruction)?;
    let data = required("data", body.data)?;
    let prompt = asked.turn(&[&instruction, &data])?;
    let profile = asked.profile().await?;
    let found =
        asked.ask(move |_, inspector| Ok(look_for(inspector, &profile.inject, &prompt)?)).await?;
    Ok(asked.answered("inspection.inject", found))
}
