//! `POST /v1/inspect/grid`: what every head gives to a span of the prompt.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use inspect::Inspector;
use inspect::questions::heads::{HeadLabel, HeadRole};
use inspect::questions::view::{GridHead, View, grid as find_grid};
use serde::Serialize;

use super::{Spanned, Viewed, tokens_of};
use crate::app::App;
use crate::error::ApiError;
use crate::openai::shaped;

#[derive(Serialize)]
struct Found {
    heads: Vec<Labelled>,
}

#[derive(Serialize)]
struct Labelled {
    #[serde(flatten)]
    head: GridHead,
    /// What it plainly does, where that was measured before.
    labels: Vec<HeadRole>,
}

pub(crate) async fn grid(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let (viewed, body) = Viewed::read::<Spanned>(app, request).await?;
    let span = body.span()?;
    let profile = viewed.asked.profile_if_known().await;
    let labels = profile.map(|profile| profile.labels()).unwrap_or_default();
    let find = move |inspector: &mut Inspector<'_>, view: &View| {
        let heads = find_grid(inspector, view, (&tokens_of(view, body.tokens), &span))?;
        let labelled = |head: GridHead| {
            let is_it =
                |label: &&HeadLabel| (label.layer_idx, label.head_idx) == (head.layer, head.head);
            let labels = labels.iter().find(is_it).map(|label| label.roles.clone());
            Labelled { head, labels: labels.unwrap_or_default() }
        };
        Ok(Found { heads: heads.into_iter().map(labelled).collect() })
    };
    viewed.ask("inspection.grid", find).await
}
