//! Ollama's dialect: <https://docs.ollama.com/api>. Parts of an answer are lines of JSON.

mod answer;
mod embed;
mod models;
mod request;

use axum::response::Response;
use serde_json::json;

pub(crate) use self::answer::{chat, generate};
pub(crate) use self::embed::{EmbedBody, embed};
pub(crate) use self::models::{ShowBody, running, show, tags, version};

use crate::error::ApiError;

/// All fields of a conversation.
pub(crate) type ChatBody = (request::Common, request::Chat);
/// Those of a text.
pub(crate) type GenerateBody = (request::Common, request::Generate);

/// An error as Ollama's clients read it.
pub(crate) fn shaped(error: ApiError) -> Response {
    error.response(json!({"error": error.message}))
}
