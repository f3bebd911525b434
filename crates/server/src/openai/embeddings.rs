//! `POST /v1/embeddings`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::shaped;
use super::texts::Texts;
use crate::app::App;
use crate::body::{self, fields};
use crate::error::ApiError;

fields! {
    Embeddings {
        /// One of /v1/models that makes vectors.
        model: String,
        /// Texts or token ids, one or several.
        input: Texts,
        /// float or base64.
        encoding_format: String,
        dimensions: usize,
    }
    without_effect: ["user"]
}

pub(crate) async fn embeddings(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(app, request).await.unwrap_or_else(shaped)
}

async fn answer(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let body: Embeddings = body::read(request, &app.options).await?;
    let encoder = app.models.encoder(body.model.as_deref()).await?;
    if let Some(found) = body.dimensions {
        let message = format!("vectors have the width of the model, and none is cut to {found}");
        return Err(ApiError::field("dimensions", message));
    }
    let as_base64 = match body.encoding_format.as_deref() {
        None | Some("float") => false,
        Some("base64") => true,
        Some(found) => {
            let message = format!("expected float or base64, found {found:?}");
            return Err(ApiError::field("encoding_format", message));
        }
    };
    let input = body.input.ok_or_else(|| ApiError::missing("input"))?;
    let encode = || input.into_ids(|text| encoder.encode(text, "input"));
    let texts = tokio::task::block_in_place(encode)?;
    app.options.limits.check_texts(texts.len(), "input")?;
    let n_tokens: usize = texts.iter().map(Vec::len).sum();
    let vectors = encoder.embed(texts, app.options.limits.n_in_flight, "input").await?;
    let entry = |(index, vector): (usize, Vec<f32>)| {
        let embedding = match as_base64 {
            false => json!(vector),
            true => {
                let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
                BASE64_STANDARD.encode(bytes).into()
            }
        };
        json!({"object": "embedding", "index": index, "embedding": embedding})
    };
    let data: Vec<Value> = vectors.into_iter().enumerate().map(entry).collect();
    let usage = json!({"prompt_tokens": n_tokens, "total_tokens": n_tokens});
    let json = json!({"object": "list", "data": data, "model": encoder.name, "usage": usage});
    Ok(Json(json).into_response())
}
