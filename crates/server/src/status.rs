//! How things stand: what is served, who is being answered, whether anybody answers. The forms are
//! those of llama.cpp's server.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use crate::app::App;
use crate::error::ApiError;
use crate::models::Model;
use crate::openai::shaped;

/// What is served, and how much of it.
pub(crate) async fn props(State(app): State<Arc<App>>) -> Response {
    let served = match app.models.writer(None).await {
        Ok(served) => served,
        Err(error) => return shaped(error),
    };
    Json(json!({
        "default_generation_settings": {"n_ctx": served.n_ctx},
        "total_slots": app.options.limits.n_in_flight,
        "model_alias": served.name,
        "chat_template": served.template.as_ref().map(|template| template.source()),
        "build_info": concat!("lookback ", env!("CARGO_PKG_VERSION")),
    }))
    .into_response()
}

/// Those who are being answered: a slot is there as long as its request is.
pub(crate) async fn slots(State(app): State<Arc<App>>) -> Response {
    let mut slots = Vec::new();
    for model in app.models.in_memory() {
        let Model::Writer(served) = model else { continue };
        let (n_running, n_waiting) = served.engine.metrics().standing();
        for idx in 0..n_running + n_waiting {
            slots.push(json!({
                "id": slots.len(),
                "model": served.name,
                "n_ctx": served.n_ctx,
                "is_processing": idx < n_running,
            }));
        }
    }
    Json(slots).into_response()
}

/// `{"status": "ok"}`, and how many requests run or wait.
pub(crate) async fn health(State(app): State<Arc<App>>) -> Response {
    let in_flight = app.models.in_memory().map(|model| model.n_in_flight());
    match in_flight.sum::<Option<usize>>() {
        Some(n) => Json(json!({"status": "ok", "in_flight": n})).into_response(),
        None => shaped(ApiError::gone()),
    }
}
