//! A name for each request, and a line in the log when it is answered.

use std::time::Instant;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument as _;

use crate::app::random;

/// What OpenAI's clients read, and what Anthropic's do.
const NAMES: [&str; 2] = ["x-request-id", "request-id"];

/// Characters of a name that a client gives.
const N_CHARS_MAX: usize = 128;

pub(crate) async fn traced(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let name = name_of(request.headers()).unwrap_or_else(|| format!("req_{:016x}", random()));
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let span = tracing::info_span!("request", id = %name);
    let mut response = next.run(request).instrument(span.clone()).await;
    let (status, ms) = (response.status().as_u16(), started.elapsed().as_millis() as u64);
    span.in_scope(|| tracing::info!(%method, path, status, ms, "answered"));
    if let Ok(value) = HeaderValue::from_str(&name) {
        for name in NAMES {
            response.headers_mut().insert(HeaderName::from_static(name), value.clone());
        }
    }
    response
}

/// The name that whoever asks has for it.
fn name_of(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(NAMES[0])?.to_str().ok()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    let is_name = !name.is_empty() && name.len() <= N_CHARS_MAX && name.chars().all(is_plain);
    is_name.then(|| name.to_owned())
}
