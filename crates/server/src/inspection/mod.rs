//! Questions of where a model looked, asked over HTTP: one file a question.
//!
//! A question is made of requests to the engine like those of everybody else: they wait for their
//! turns, share what is cached, and end when their client has gone.

mod look;

use std::sync::Arc;

use engine::{Client, Request};
use inspect::{Ask, AskError, InspectError, Inspector, Reply};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub(crate) use self::look::{Body as LookBody, look};

use crate::error::ApiError;
use crate::limits::Limits;
use crate::served::Served;
use crate::worker::Delivery;

/// Requests of one question at once: knocking out many sentences does not fill the engine.
const N_AT_ONCE: usize = 16;

/// Who asks, of which model.
pub(super) struct Asked {
    pub(super) served: Arc<Served>,
    pub(super) limits: Limits,
    pub(super) client: Client,
}

/// Runs requests on the engine's thread for one that waits for them.
struct AskServed {
    asked: Asked,
    runtime: Handle,
    /// Ends when the client has gone.
    gone: oneshot::Receiver<()>,
    /// What the server says of a request that failed.
    error: Option<ApiError>,
}

impl Ask for AskServed {
    fn ask(&mut self, requests: Vec<Request>) -> Result<Vec<Reply>, AskError> {
        let mut replies = Vec::with_capacity(requests.len());
        let mut requests = requests.into_iter().peekable();
        while requests.peek().is_some() {
            let some = requests.by_ref().take(N_AT_ONCE).collect();
            replies.extend(self.ask_some(some)?);
        }
        Ok(replies)
    }
}

impl AskServed {
    fn ask_some(&mut self, requests: Vec<Request>) -> Result<Vec<Reply>, AskError> {
        let Self { asked, runtime, gone, error } = self;
        let answered = runtime.block_on(async {
            tokio::select! {
                _ = gone => Err(None),
                replies = run(asked, requests) => replies.map_err(Some),
            }
        });
        answered.map_err(|why| {
            *error = why;
            AskError::Stopped
        })
    }
}

async fn run(asked: &Asked, requests: Vec<Request>) -> Result<Vec<Reply>, ApiError> {
    let Asked { served, limits, client } = asked;
    let mut running = Vec::with_capacity(requests.len());
    for request in requests {
        let request = Request { client: *client, kv_policy: served.kv_policy, ..request };
        let how = (limits.n_in_flight, Delivery::AtTheEnd);
        running.push(served.engine.submit(request, how, "messages").await?);
    }
    let mut replies = Vec::with_capacity(running.len());
    for mut events in running {
        let mut reply = Reply::default();
        while let Some((_, event)) = events.next().await {
            let is_last = matches!(event, engine::Event::Finished { .. });
            reply.take(event).map_err(|error| match error {
                AskError::Engine(error) => ApiError::engine(&error, "messages"),
                AskError::Stopped | AskError::Gone => ApiError::gone(),
            })?;
            if is_last {
                break;
            }
        }
        replies.push(reply);
    }
    Ok(replies)
}

/// Lets a question be answered on a thread that may wait.
///
/// # Errors
/// A model whose attention cannot be seen, and what the question says.
pub(super) async fn ask<T: Send + 'static>(
    asked: Asked,
    question: impl FnOnce(&mut Inspector<'_>) -> Result<T, InspectError> + Send + 'static,
) -> Result<T, ApiError> {
    let Some(model) = asked.served.model.clone() else {
        return Err(ApiError::field("model", "this model's attention cannot be seen"));
    };
    let (_here, gone) = oneshot::channel();
    let runtime = Handle::current();
    let work = move || {
        let served = Arc::clone(&asked.served);
        let n_bytes_max = asked.limits.attention_bytes;
        let mut ask = AskServed { asked, runtime, gone, error: None };
        let tokenizer = &served.tokenizer;
        let answer = question(&mut Inspector { model, tokenizer, ask: &mut ask, n_bytes_max });
        answer.map_err(|error| ask.error.take().unwrap_or_else(|| refused(&error)))
    };
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::gone())?
}

fn refused(error: &InspectError) -> ApiError {
    match error {
        InspectError::Ask(_) => ApiError::gone(),
        error => ApiError::bad(error.to_string()),
    }
}
