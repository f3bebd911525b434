//! `GET /openapi.json`: how to ask, for programs that read such documents.

use axum::Json;
use axum::http::Method;
use axum::response::{IntoResponse as _, Response};
use axum::routing::MethodRouter;
use serde_json::{Map, Value, json};

use crate::app::App;
use crate::routes::addresses;

/// An address, what is there, and who answers.
pub(crate) struct Address {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) about: &'static str,
    /// The schema of its body.
    pub(crate) body: Option<Value>,
    pub(crate) handlers: MethodRouter<std::sync::Arc<App>>,
}

impl Address {
    pub(crate) fn new(
        method: Method,
        path: &'static str,
        about: &'static str,
        body: Option<Value>,
        handlers: MethodRouter<std::sync::Arc<App>>,
    ) -> Self {
        Self { method, path, about, body, handlers }
    }

    fn describe(&self) -> Value {
        let parameters: Vec<Value> = self
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
            .map(|name| {
                json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
            })
            .collect();
        let of = |about: &str, schema: Value| {
            let content = json!({"application/json": {"schema": schema}});
            json!({"description": about, "content": content})
        };
        // Whatever the dialect.
        let error = json!({"type": "object", "required": ["error"]});
        let mut answers = Map::new();
        let mut found = of("The answer", json!({}));
        let other = match self.path {
            "/metrics" => Some("application/openmetrics-text"),
            path if path.starts_with("/api/") => Some("application/x-ndjson"),
            _ => self.body.as_ref().map(|_| "text/event-stream"),
        };
        if let Some(kind) = other {
            // Whether a schema is of the whole stream or of each part, readers do not agree.
            found["content"][kind] = json!({});
        }
        answers.insert("200".into(), found);
        answers.insert("4XX".into(), of("What is wrong with the request", error.clone()));
        answers.insert("503".into(), of("Nobody answers now", error.clone()));
        let mut json = json!({"summary": self.about, "responses": answers});
        if !parameters.is_empty() {
            json["parameters"] = parameters.into();
        }
        if let Some(schema) = &self.body {
            json["requestBody"] =
                json!({"required": true, "content": {"application/json": {"schema": schema}}});
        }
        json
    }
}

pub(crate) async fn document() -> Response {
    let mut paths = Map::new();
    for address in addresses() {
        let method = address.method.as_str().to_lowercase();
        let path = paths.entry(address.path).or_insert_with(|| json!({}));
        path[method] = address.describe();
    }
    let key = json!({"type": "http", "scheme": "bearer"});
    Json(json!({
        "openapi": "3.1.0",
        "info": {"title": "lookback", "version": env!("CARGO_PKG_VERSION")},
        "paths": paths,
        "components": {"securitySchemes": {"key": key}},
        "security": [{}, {"key": []}],
    }))
    .into_response()
}
