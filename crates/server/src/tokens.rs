//! What llama.cpp's server has beside OpenAI's dialect: tokens of texts, prompts of conversations.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::SpecialText;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::body::{self, fields};
use crate::conversation::Conversation;
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    TokenizeBody {
        /// One of /v1/models.
        model: String,
        /// The text.
        content: String,
        /// Whether tokens that begin a text are added.
        add_special: bool,
        /// Whether the text may name tokens that control the model.
        parse_special: bool,
        /// Whether each token comes with its text.
        with_pieces: bool,
    }
    without_effect: []
}

fields! {
    DetokenizeBody {
        /// One of /v1/models.
        model: String,
        /// Token ids.
        tokens: Vec<u32>,
    }
    without_effect: []
}

fields! {
    TemplateBody {
        /// One of /v1/models.
        model: String,
        /// Objects with a role and content.
        messages: Vec<Value>,
        /// More variables for the chat template.
        chat_template_kwargs: Map<String, Value>,
    }
    without_effect: []
}

pub(crate) async fn tokenize(State(app): State<Arc<App>>, request: Request) -> Response {
    tokens(&app, request).await.unwrap_or_else(shaped)
}

pub(crate) async fn detokenize(State(app): State<Arc<App>>, request: Request) -> Response {
    text(&app, request).await.unwrap_or_else(shaped)
}

pub(crate) async fn apply_template(State(app): State<Arc<App>>, request: Request) -> Response {
    prompt(&app, request).await.unwrap_or_else(shaped)
}

async fn tokens(app: &App, request: Request) -> Result<Response, ApiError> {
    let body: TokenizeBody = body::read(request, &app.options).await?;
    let served = app.models.writer(body.model.as_deref()).await?;
    let tokenizer = &served.tokenizer;
    let content = body.content.ok_or_else(|| ApiError::missing("content"))?;
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

async fn text(app: &App, request: Request) -> Result<Response, ApiError> {
    let body: DetokenizeBody = body::read(request, &app.options).await?;
    let served = app.models.writer(body.model.as_deref()).await?;
    let tokenizer = &served.tokenizer;
    let ids = body.tokens.ok_or_else(|| ApiError::missing("tokens"))?;
    if let Some(id) = ids.iter().find(|&&id| id as usize >= tokenizer.n_vocab()) {
        let message = format!("expected ids below {}, found {id}", tokenizer.n_vocab());
        return Err(ApiError::field("tokens", message));
    }
    Ok(Json(json!({"content": tokenizer.decode(&ids)})).into_response())
}

async fn prompt(app: &App, request: Request) -> Result<Response, ApiError> {
    let body: TemplateBody = body::read(request, &app.options).await?;
    let served = app.models.writer(body.model.as_deref()).await?;
    let messages = body.messages.ok_or_else(|| ApiError::missing("messages"))?;
    let extra = body.chat_template_kwargs.unwrap_or_default();
    let conversation = Conversation { messages, extra, ..Conversation::default() };
    Ok(Json(json!({"prompt": conversation.render(&served)?})).into_response())
}
