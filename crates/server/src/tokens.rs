//! What llama.cpp's server has beside OpenAI's dialect: tokens of texts, prompts of conversations.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::SpecialText;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::body::{self, fields};
use crate::chat::{self, Continues};
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Tokenize {
        model: String,
        content: String,
        /// Whether tokens that begin a text are added.
        add_special: bool,
        /// Whether the text may name tokens that control the model.
        parse_special: bool,
        with_pieces: bool,
    }
    without_effect: []
}

fields! {
    Detokenize { model: String, tokens: Vec<u32>, }
    without_effect: []
}

fields! {
    ApplyTemplate {
        model: String,
        messages: Vec<Value>,
        chat_template_kwargs: Map<String, Value>,
    }
    without_effect: []
}

pub(crate) async fn tokenize(State(app): State<Arc<App>>, request: Request) -> Response {
    tokens(app, request).await.unwrap_or_else(shaped)
}

pub(crate) async fn detokenize(State(app): State<Arc<App>>, request: Request) -> Response {
    text(app, request).await.unwrap_or_else(shaped)
}

pub(crate) async fn apply_template(State(app): State<Arc<App>>, request: Request) -> Response {
    prompt(app, request).await.unwrap_or_else(shaped)
}

async fn tokens(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let options = &app.options;
    let body = body::read(request.into_body(), &options.limits, options.is_lenient);
    let body: Tokenize = body.await?;
    let tokenizer = &app.model(body.model.as_deref())?.tokenizer;
    let content = body.content.ok_or_else(|| ApiError::field("content", "it is missing"))?;
    let special = match body.parse_special {
        Some(false) => SpecialText::AsText,
        _ => SpecialText::Parse,
    };
    let ids = tokio::task::block_in_place(|| match body.add_special {
        Some(true) => tokenizer.encode_prompt(&content, special),
        _ => tokenizer.encode(&content, special),
    });
    let tokens: Vec<Value> = match body.with_pieces {
        Some(true) => {
            ids.iter().map(|&id| json!({"id": id, "piece": tokenizer.piece(id)})).collect()
        }
        _ => ids.into_iter().map(Value::from).collect(),
    };
    Ok(Json(json!({"tokens": tokens})).into_response())
}

async fn text(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let options = &app.options;
    let body = body::read(request.into_body(), &options.limits, options.is_lenient);
    let body: Detokenize = body.await?;
    let tokenizer = &app.model(body.model.as_deref())?.tokenizer;
    let ids = body.tokens.ok_or_else(|| ApiError::field("tokens", "it is missing"))?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= tokenizer.n_vocab()) {
        let message = format!("expected ids below {}, found {id}", tokenizer.n_vocab());
        return Err(ApiError::field("tokens", message));
    }
    Ok(Json(json!({"content": tokenizer.decode(&ids)})).into_response())
}

async fn prompt(app: Arc<App>, request: Request) -> Result<Response, ApiError> {
    let options = &app.options;
    let body = body::read(request.into_body(), &options.limits, options.is_lenient);
    let body: ApplyTemplate = body.await?;
    let served = app.model(body.model.as_deref())?;
    let messages = body.messages.ok_or_else(|| ApiError::field("messages", "it is missing"))?;
    let extra = body.chat_template_kwargs.unwrap_or_default();
    let prompt = chat::render(served, &messages, Continues::Anew, extra)?;
    Ok(Json(json!({"prompt": prompt})).into_response())
}

/// What is served, and how much of it.
pub(crate) async fn props(State(app): State<Arc<App>>) -> Response {
    let served = match app.model(None) {
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
