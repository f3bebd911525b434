//! `POST /v1/rerank`: texts in the order in which they answer a question, as Jina, Cohere and
//! llama.cpp have it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use engine::cosine;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::body::{self, Described, any_of, fields};
use crate::error::ApiError;
use crate::openai::shaped;

fields! {
    Body {
        /// One of /v1/models that makes vectors.
        model: String,
        /// What is asked.
        query: String,
        /// Texts, or objects with a text.
        documents: Vec<Document>,
        /// How many of them come back; all, where it is not given.
        top_n: usize,
        /// Whether they come back with their texts.
        return_documents: bool,
    }
    without_effect: ["user", "max_tokens_per_doc", "truncation"]
}

#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "expected a text, or an object with a text")]
pub(crate) enum Document {
    Text(String),
    Object { text: String },
}

impl Described for Document {
    fn schema() -> Value {
        let object = json!({"type": "object", "required": ["text"],
            "properties": {"text": {"type": "string"}}});
        any_of([String::schema(), object])
    }
}

impl Document {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Object { text } => text,
        }
    }
}

pub(crate) async fn rerank(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request).await.unwrap_or_else(shaped)
}

/// By the cosine of the vectors of question and text.
async fn answer(app: &App, request: Request) -> Result<Response, ApiError> {
    let body: Body = body::read(request, &app.options).await?;
    let query = body.query.ok_or_else(|| ApiError::missing("query"))?;
    let documents = body.documents.ok_or_else(|| ApiError::missing("documents"))?;
    app.options.limits.check_texts(documents.len(), "documents")?;
    let encoder = app.models.encoder(body.model.as_deref()).await?;
    let encode = || -> Result<_, ApiError> {
        let mut texts = vec![encoder.encode(&query, "query")?];
        for document in &documents {
            texts.push(encoder.encode(document.text(), "documents")?);
        }
        Ok(texts)
    };
    let texts = tokio::task::block_in_place(encode)?;
    let n_tokens: usize = texts.iter().map(Vec::len).sum();
    let vectors = encoder.embed(texts, app.options.limits.n_in_flight, "documents").await?;
    let [query, vectors @ ..] = &vectors[..] else { return Err(ApiError::gone()) };
    let mut scores: Vec<(usize, f64)> =
        vectors.iter().map(|vector| cosine(query, vector)).enumerate().collect();
    scores.sort_by(|a, b| b.1.total_cmp(&a.1));
    scores.truncate(body.top_n.unwrap_or(usize::MAX));
    let entry = |(index, score): (usize, f64)| {
        let mut entry = json!({"index": index, "relevance_score": score});
        if body.return_documents == Some(true) {
            entry["document"] = json!({"text": documents[index].text()});
        }
        entry
    };
    let results: Vec<Value> = scores.into_iter().map(entry).collect();
    let usage = json!({"prompt_tokens": n_tokens, "total_tokens": n_tokens});
    let json = json!({"model": encoder.name, "object": "list", "results": results, "usage": usage});
    Ok(Json(json).into_response())
}
