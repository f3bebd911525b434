//! Server-sent events, from a task that a client's hanging up ends.

use std::convert::Infallible;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tracing::Instrument as _;

/// Where a dialect writes its events.
pub(crate) struct Sink {
    sender: mpsc::Sender<Result<Bytes, Infallible>>,
    keep_alive: Duration,
    kind: Kind,
}

/// How parts of a stream are told apart.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Events,
    Lines,
}

impl Kind {
    fn media_type(self) -> &'static str {
        match self {
            Self::Events => "text/event-stream",
            Self::Lines => "application/x-ndjson",
        }
    }

    /// What no reader takes for a part: an empty line is one to those who read lines.
    fn alive(self) -> String {
        match self {
            Self::Events => ": still here\n\n".into(),
            Self::Lines => " ".into(),
        }
    }
}

fn text_of(json: &impl Serialize) -> String {
    serde_json::to_string(json).expect("strings and numbers are JSON")
}

/// The client hung up.
#[derive(Debug)]
pub(crate) struct Closed;

impl Sink {
    /// `data: {json}`.
    pub(crate) async fn data(&self, json: &impl Serialize) -> Result<(), Closed> {
        self.text(&text_of(json)).await
    }

    /// `event: {name}`, and what it says.
    pub(crate) async fn event(&self, name: &str, json: &impl Serialize) -> Result<(), Closed> {
        let json = text_of(json);
        self.send(format!("event: {name}\ndata: {json}\n\n")).await
    }

    /// A line of its own, for those who read lines of JSON.
    pub(crate) async fn line(&self, json: &impl Serialize) -> Result<(), Closed> {
        let json = text_of(json);
        self.send(format!("{json}\n")).await
    }

    /// `data: {text}`.
    pub(crate) async fn text(&self, text: &str) -> Result<(), Closed> {
        self.send(format!("data: {text}\n\n")).await
    }

    async fn send(&self, frame: String) -> Result<(), Closed> {
        self.sender.send(Ok(frame.into())).await.map_err(|_| Closed)
    }

    /// Waits for what comes next, with signs of life meanwhile.
    pub(crate) async fn wait<T>(&self, next: impl Future<Output = T>) -> Result<T, Closed> {
        tokio::pin!(next);
        loop {
            tokio::select! {
                found = &mut next => return Ok(found),
                () = self.sender.closed() => return Err(Closed),
                () = tokio::time::sleep(self.keep_alive) => self.send(self.kind.alive()).await?,
            }
        }
    }
}

/// A stream that `write` fills.
pub(crate) fn response<F>(
    kind: Kind,
    keep_alive: Duration,
    write: impl FnOnce(Sink) -> F,
) -> Response
where
    F: Future<Output = Result<(), Closed>> + Send + 'static,
{
    /// Frames that wait for a slow reader; the answer waits in its own channel.
    const N_FRAMES: usize = 16;
    let (sender, receiver) = mpsc::channel(N_FRAMES);
    tokio::spawn(write(Sink { sender, keep_alive, kind }).in_current_span());
    let headers = [(header::CONTENT_TYPE, kind.media_type()), (header::CACHE_CONTROL, "no-cache")];
    (headers, Body::from_stream(ReceiverStream::new(receiver))).into_response()
}
