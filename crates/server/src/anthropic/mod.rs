//! Anthropic's dialect: <https://docs.anthropic.com/en/api/messages>.

mod blocks;
mod messages;
mod request;
mod stream;

use axum::response::Response;
use serde_json::{Value, json};

pub(crate) use self::messages::{count_tokens, messages};

use crate::error::ApiError;

/// All fields of a message.
pub(crate) type Body = (request::Asked, request::Answer);
/// Those that are counted.
pub(crate) type CountBody = request::Asked;

/// An error as Anthropic's clients read it.
pub(crate) fn shaped(error: ApiError) -> Response {
    error.response(error_json(&error))
}

fn error_json(ApiError { kind, message, .. }: &ApiError) -> Value {
    json!({"type": "error", "error": {"type": kind, "message": message}})
}
