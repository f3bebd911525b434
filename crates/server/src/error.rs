//! Why a request was not answered. Each dialect has its own shape for it.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use engine::Error as EngineError;
use inspect::prompts::PromptError;
use inspect::text::SpanError;
use inspect::{AskError, InspectError};
use serde_json::Value;

/// One line for people, and what programs look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ApiError {
    pub(crate) status: StatusCode,
    /// OpenAI's and Anthropic's `type`.
    pub(crate) kind: &'static str,
    pub(crate) message: String,
    /// The field of the body that is to blame.
    pub(crate) field: Option<String>,
    pub(crate) code: Option<&'static str>,
    /// Seconds after which it may work.
    pub(crate) retry_after: Option<u32>,
}

impl ApiError {
    /// With the body that a dialect made of it.
    pub(crate) fn response(&self, json: Value) -> Response {
        let mut response = (self.status, axum::Json(json)).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }

    fn of(status: StatusCode, kind: &'static str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { status, kind, message, field: None, code: None, retry_after: None }
    }

    pub(crate) fn bad(message: impl Into<String>) -> Self {
        Self::of(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    /// What is wrong with a field: `expected`, and what was found there.
    pub(crate) fn field(field: &str, message: impl Into<String>) -> Self {
        let error = Self::bad(format!("{field}: {}", message.into()));
        Self { field: Some(field.to_owned()), ..error }
    }

    /// The same of a field that another dialect calls otherwise.
    pub(crate) fn of_field(self, name: &str, other: &str) -> Self {
        let field = self.field.map(|field| if field == name { other.to_owned() } else { field });
        let message = match self.message.strip_prefix(name) {
            Some(rest) if rest.starts_with(':') => format!("{other}{rest}"),
            _ => self.message,
        };
        Self { field, message, ..self }
    }

    /// With a field that is to blame, where none is named yet.
    pub(crate) fn or_field(self, field: &str) -> Self {
        if self.field.is_some() || self.status != StatusCode::BAD_REQUEST {
            return self;
        }
        Self::field(field, self.message)
    }

    pub(crate) fn missing(field: &str) -> Self {
        Self::field(field, "it is missing")
    }

    pub(crate) fn cannot_load(model: &str, problem: &str) -> Self {
        let message = format!("model {model:?} cannot be loaded: {problem}");
        let error = Self::of(StatusCode::SERVICE_UNAVAILABLE, "api_error", message);
        Self { field: Some("model".into()), ..error }
    }

    pub(crate) fn no_profile(model: &str, problem: &str) -> Self {
        let message = format!("the heads of model {model:?} are not known: {problem}");
        Self::of(StatusCode::SERVICE_UNAVAILABLE, "api_error", message)
    }

    pub(crate) fn no_room(n_loaded: usize) -> Self {
        let message = format!("the {n_loaded} models in memory are all answering; try again later");
        let error = Self::of(StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", message);
        Self { field: Some("model".into()), retry_after: Some(5), ..error }
    }

    pub(crate) fn no_such_model(found: &str, known: &str) -> Self {
        let message = format!("model {found:?} is not served here; {known}");
        let error = Self::of(StatusCode::NOT_FOUND, "not_found_error", message);
        Self { field: Some("model".into()), code: Some("model_not_found"), ..error }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::of(StatusCode::NOT_FOUND, "not_found_error", message)
    }

    pub(crate) fn method_not_allowed() -> Self {
        let message = "this address wants another method; docs/server.md lists them";
        Self::of(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message)
    }

    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::of(StatusCode::FORBIDDEN, "permission_error", message)
    }

    pub(crate) fn unauthorized() -> Self {
        let message = "expected a key of this server in Authorization: Bearer, or in x-api-key";
        let error = Self::of(StatusCode::UNAUTHORIZED, "authentication_error", message);
        Self { code: Some("invalid_api_key"), ..error }
    }

    pub(crate) fn too_large(n_bytes_max: usize) -> Self {
        let message = format!("the body has more than {n_bytes_max} bytes");
        Self::of(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
    }

    pub(crate) fn too_slow() -> Self {
        let message = "the body did not arrive in time";
        Self::of(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", message)
    }

    pub(crate) fn busy(n_in_flight: usize) -> Self {
        let message = format!("{n_in_flight} requests run or wait already; try again later");
        let error = Self::of(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message);
        Self { retry_after: Some(1), ..error }
    }

    pub(crate) fn gone() -> Self {
        let message = "the engine has stopped; the server's log says why";
        Self::of(StatusCode::SERVICE_UNAVAILABLE, "api_error", message)
    }

    /// What the engine says of a request; `prompt` is the field that the prompt came from.
    pub(crate) fn engine(error: &EngineError, prompt: &str) -> Self {
        let message = error.to_string();
        let (field, code) = match error {
            EngineError::PromptTooLong { .. } => (prompt, Some("context_length_exceeded")),
            EngineError::EmptyPrompt
            | EngineError::UnknownToken { .. }
            | EngineError::PromptLogprobs
            | EngineError::HiddenOfPart
            | EngineError::Hidden { .. }
            | EngineError::CacheFull(_) => (prompt, None),
            EngineError::Parameter { name, .. } => (*name, None),
            EngineError::BiasToken { .. } | EngineError::BiasValue { .. } => ("logit_bias", None),
            EngineError::EmptyStop { .. } => ("stop", None),
            EngineError::Grammar(_) => ("response_format", None),
            EngineError::PolicyTooLarge { .. }
            | EngineError::PolicyOfEncoder { .. }
            | EngineError::NothingToAnswer { .. } => ("kv_policy", None),
            EngineError::NanLogits { .. }
            | EngineError::NanHidden { .. }
            | EngineError::NoCandidates
            | EngineError::Stopped => {
                return Self::of(StatusCode::INTERNAL_SERVER_ERROR, "api_error", message);
            }
        };
        Self { field: Some(field.to_owned()), code, ..Self::bad(message) }
    }

    /// What the template says of a conversation.
    pub(crate) fn template(error: &tokenizer::Error) -> Self {
        Self { field: Some("messages".into()), ..Self::bad(error.to_string()) }
    }
}

impl From<AskError> for ApiError {
    /// Who ran the request knows why it failed.
    fn from(_: AskError) -> Self {
        Self::gone()
    }
}

impl From<SpanError> for ApiError {
    fn from(error: SpanError) -> Self {
        Self::bad(error.to_string())
    }
}

impl From<InspectError> for ApiError {
    fn from(error: InspectError) -> Self {
        match error {
            InspectError::Ask(error) => error.into(),
            error => Self::bad(error.to_string()),
        }
    }
}

impl From<PromptError> for ApiError {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::Inspect(error) => error.into(),
            error => Self::bad(error.to_string()),
        }
    }
}
