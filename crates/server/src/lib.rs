//! Serves models over HTTP: the one crate that knows HTTP and async.
//!
//! A request is read by a dialect ([`openai`], [`anthropic`]), becomes a
//! [`generation::Generation`], and runs on the thread of its model ([`worker`]), whose events the
//! dialect writes back.

#![forbid(unsafe_code)]

mod access;
mod anthropic;
mod app;
mod body;
mod chat;
mod encoder;
mod error;
mod generation;
mod limits;
mod openai;
mod sse;
mod tokens;
mod worker;

pub use access::{Keys, KeysError};
pub use app::{Models, Served, Server, ServerError, ServerOptions};
pub use encoder::{Reading, ServedEncoder};
pub use limits::Limits;

/// Ends a server when it is sent something.
pub type Stop = tokio::sync::oneshot::Sender<()>;

/// What [`Server::run`] listens to.
pub fn stop() -> (Stop, tokio::sync::oneshot::Receiver<()>) {
    tokio::sync::oneshot::channel()
}
