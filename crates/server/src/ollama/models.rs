//! What is served, in Ollama's words.

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use tokenizer::template::timestamp;

use super::shaped;
use crate::app::App;
use crate::body::{self, fields};
use crate::error::ApiError;
use crate::models::{Listed, Model};

fields! {
    ShowBody {
        /// One of /api/tags.
        model: String,
        /// The same, as it was called once.
        name: String,
    }
    without_effect: ["verbose"]
}

pub(crate) async fn tags(State(app): State<Arc<App>>) -> Response {
    let models: Vec<Value> = app.models.listed().map(|listed| entry(&app, &listed)).collect();
    Json(json!({"models": models})).into_response()
}

pub(crate) async fn running(State(app): State<Arc<App>>) -> Response {
    let loaded = app.models.listed().filter(|listed| listed.model.is_some());
    let models: Vec<Value> = loaded.map(|listed| entry(&app, &listed)).collect();
    Json(json!({"models": models})).into_response()
}

fn entry(app: &App, Listed { name, model, .. }: &Listed) -> Value {
    let mut entry = json!({
        "name": name,
        "model": name,
        "modified_at": timestamp(UNIX_EPOCH + Duration::from_secs(app.started)),
        "size": 0,
        "digest": "",
        "details": {"format": "", "family": "", "families": null},
    });
    if let Some(model) = model {
        entry["context_length"] = model.n_ctx().into();
    }
    entry
}

pub(crate) async fn version() -> Response {
    Json(json!({"version": env!("CARGO_PKG_VERSION")})).into_response()
}

pub(crate) async fn show(State(app): State<Arc<App>>, request: Request) -> Response {
    shown(&app, request).await.unwrap_or_else(shaped)
}

async fn shown(app: &App, request: Request) -> Result<Response, ApiError> {
    let body: ShowBody = body::read(request, &app.options).await?;
    let name = body.model.or(body.name).ok_or_else(|| ApiError::missing("model"))?;
    let model = app.models.any(&name).await?;
    let (capabilities, template) = match &model {
        Model::Encoder(_) => (json!(["embedding"]), None),
        Model::Writer(served) => {
            let template = served.template.as_ref().map(|template| template.source().to_owned());
            let thinks = template.as_ref().zip(served.format.reasoning_marks());
            let thinks = thinks.is_some_and(|(source, (start, _))| source.contains(start));
            let all = ["completion", "tools"].into_iter().chain(thinks.then_some("thinking"));
            (all.collect::<Value>(), template)
        }
    };
    Ok(Json(json!({
        "modelfile": "",
        "parameters": "",
        "template": template.unwrap_or_default(),
        "details": {"format": "", "family": "", "families": null},
        "model_info": {"general.name": name, "context_length": model.n_ctx()},
        "capabilities": capabilities,
        "modified_at": timestamp(UNIX_EPOCH + Duration::from_secs(app.started)),
    }))
    .into_response())
}
