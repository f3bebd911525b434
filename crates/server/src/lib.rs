//! Serves models over HTTP: the one crate that knows HTTP and async.
//!
//! A request is read by a dialect ([`openai`], [`responses`], [`anthropic`], [`ollama`]), becomes a
//! [`conversation::Conversation`] and a [`generation::Generation`], and runs on the thread of its
//! model ([`worker`]), whose events the dialect writes back.

#![forbid(unsafe_code)]

mod access;
mod anthropic;
mod app;
mod attention;
mod body;
mod conversation;
mod encoder;
mod error;
mod generation;
mod inspection;
mod limits;
mod listen;
mod metrics;
mod models;
mod ollama;
mod openai;
mod openapi;
mod page;
mod rerank;
mod responses;
mod routes;
mod served;
mod speeds;
mod sse;
mod status;
mod tokens;
mod trace;
mod worker;

pub use access::{Keys, KeysError};
pub use app::{Server, ServerError, ServerOptions};
pub use encoder::{Reading, ServedEncoder};
pub use limits::Limits;
pub use listen::{Tls, TlsError};
pub use models::{Load, Model, Models};
pub use served::Served;
pub use speeds::Calibration;

/// Ends a server when it is sent something.
pub type Stop = tokio::sync::oneshot::Sender<()>;

/// What [`Server::run`] listens to.
pub fn stop() -> (Stop, tokio::sync::oneshot::Receiver<()>) {
    tokio::sync::oneshot::channel()
}
