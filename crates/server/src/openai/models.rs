//! `/v1/models`: what is served, and what of it is in memory.

use std::pin::pin;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::{error_json, shaped, with};
use crate::app::App;
use crate::body::{self, fields};
use crate::error::ApiError;
use crate::models::{Listed, Model, Progress};
use crate::routes::Name;
use crate::sse::{self, Closed, Kind, Sink};

fields! {
    LoadBody {
        /// Server-sent events with how far it is; false: one answer when it is loaded.
        stream: bool,
    }
    without_effect: []
}

pub(crate) async fn models(State(app): State<Arc<App>>) -> Response {
    let data: Vec<Value> = app.models.listed().map(|listed| model_json(&app, &listed)).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

pub(crate) async fn model(State(app): State<Arc<App>>, Name(name): Name) -> Response {
    match app.models.named(&name) {
        Ok((listed, _)) => Json(model_json(&app, &listed)).into_response(),
        Err(error) => shaped(error),
    }
}

fn model_json(app: &App, listed: &Listed) -> Value {
    let model = listed.model.as_ref();
    json!({
        "id": listed.name,
        "object": "model",
        "created": app.started,
        "owned_by": "lookback",
        "context_length": model.map(Model::n_ctx),
        "attention": model.map(Model::shows_attention),
        "status": listed.status(),
    })
}

/// Brings a model into memory; one that is there already is loaded at once.
pub(crate) async fn load(
    State(app): State<Arc<App>>,
    Name(name): Name,
    request: Request,
) -> Response {
    loaded(app, name, request).await.unwrap_or_else(shaped)
}

async fn loaded(app: Arc<App>, name: String, request: Request) -> Result<Response, ApiError> {
    let body: LoadBody = body::read(request, &app.options).await?;
    let (_, progress) = app.models.named(&name)?;
    if body.stream == Some(false) {
        app.models.any(&name).await?;
        return Ok(Json(model_json(&app, &app.models.named(&name)?.0)).into_response());
    }
    let keep_alive = app.options.limits.keep_alive;
    Ok(sse::response(Kind::Events, keep_alive, move |sink| async move {
        stream(&app, &name, progress, &sink).await
    }))
}

/// Writes how far a model is, and at the end the model or what went wrong.
async fn stream(
    app: &App,
    name: &str,
    mut progress: watch::Receiver<Progress>,
    sink: &Sink,
) -> Result<(), Closed> {
    let mut loading = pin!(app.models.any(name));
    let loaded = loop {
        let next = async {
            tokio::select! {
                loaded = &mut loading => Some(loaded),
                Ok(()) = progress.changed() => None,
            }
        };
        match sink.wait(next).await? {
            Some(loaded) => break loaded,
            None => {
                let progress = *progress.borrow_and_update();
                if let Some(progress) = progress {
                    sink.data(&json!({"progress": progress})).await?;
                }
            }
        }
    };
    match loaded.and_then(|_| app.models.named(name)) {
        Ok((listed, _)) => {
            sink.data(&with(model_json(app, &listed), "progress", 1.0.into())).await?;
            sink.text("[DONE]").await
        }
        Err(error) => sink.data(&error_json(&error)).await,
    }
}
