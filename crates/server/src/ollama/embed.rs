//! `POST /api/embed`.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::shaped;
use crate::app::App;
use crate::body::{self, fields};
use crate::error::ApiError;
use crate::openai::OneOrMany;

fields! {
    EmbedBody {
        /// One of /api/tags that makes vectors.
        model: String,
        /// A text or a list of texts.
        input: OneOrMany,
    }
    without_effect: ["keep_alive", "options", "truncate"]
}

pub(crate) async fn embed(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let started = Instant::now();
    let body: EmbedBody = body::read(request, &app.options).await?;
    let encoder = app.models.encoder(body.model.as_deref()).await?;
    let texts = body.input.ok_or_else(|| ApiError::missing("input"))?.into_many();
    app.options.limits.check_texts(texts.len(), "input")?;
    let encode = || texts.iter().map(|text| encoder.encode(text, "input")).collect();
    let texts: Result<Vec<_>, _> = tokio::task::block_in_place(encode);
    let texts = texts?;
    let n_tokens: usize = texts.iter().map(Vec::len).sum();
    let vectors = encoder.embed(texts, app.options.limits.n_in_flight, "input").await?;
    Ok(Json(json!({
        "model": encoder.name,
        "embeddings": vectors,
        "total_duration": started.elapsed().as_nanos() as u64,
        "load_duration": 0,
        "prompt_eval_count": n_tokens,
    }))
    .into_response())
}
