//! `POST /v1/inspect/heads`: what each head of a model does.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use inspect::profile::Profile;
use inspect::questions::heads::{CAVEAT, HeadLabel};
use serde::Serialize;

use super::Asked;
use crate::access::client_of;
use crate::app::App;
use crate::body::{self, fields};
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Body {
        /// One of /v1/models.
        model: String,
    }
    without_effect: []
}

#[derive(Serialize)]
struct Found {
    object: &'static str,
    #[serde(flatten)]
    profile: Profile,
    labels: Vec<HeadLabel>,
    caveat: &'static str,
}

pub(crate) async fn heads(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let client = client_of(request.headers());
    let body: Body = body::read(request, &app.options).await?;
    let asked = Asked::of(app, (client, body.model.as_deref()), "model").await?;
    let known = asked.profile().await?;
    // Whoever measured it may have called the model otherwise.
    let profile = Profile { model: asked.served.name.clone(), ..(*known).clone() };
    let labels = profile.labels();
    let found = Found { object: "inspection.heads", profile, labels, caveat: CAVEAT };
    Ok(Json(found).into_response())
}
