//! Lets a question wait for its requests, which run on the engine's thread.

use engine::Request;
use inspect::{Ask, AskError, Inspector, Reply};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use super::Asked;
use crate::error::ApiError;
use crate::worker::Delivery;

/// Requests of one question at once: knocking out many sentences does not fill the engine.
const N_AT_ONCE: usize = 16;

impl Asked {
    /// Lets a question be answered on a thread that may wait.
    ///
    /// # Errors
    /// What the question says, and what becomes of its requests.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Self, &mut Inspector<'_>) -> Result<T, ApiError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let (asked, model, runtime) = (self.clone(), self.model()?, Handle::current());
        let (_here, gone) = oneshot::channel();
        let work = move || {
            let mut ask = AskServed { asked: &asked, runtime, gone, error: None };
            let mut inspector = Inspector {
                model,
                tokenizer: &asked.served.tokenizer,
                ask: &mut ask,
                n_bytes_max: asked.limits.attention_bytes,
            };
            let answer = question(&asked, &mut inspector);
            answer.map_err(|error| ask.error.take().unwrap_or(error).or_field(asked.field))
        };
        tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::gone())?
    }
}

struct AskServed<'a> {
    asked: &'a Asked,
    runtime: Handle,
    /// Ends when the client has gone.
    gone: oneshot::Receiver<()>,
    /// What the server says of a request that failed.
    error: Option<ApiError>,
}

impl Ask for AskServed<'_> {
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

impl AskServed<'_> {
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
    let Asked { served, limits, client, field } = asked;
    let mut running = Vec::with_capacity(requests.len());
    for request in requests {
        let request = Request { client: *client, kv_policy: served.kv_policy, ..request };
        let how = (limits.n_in_flight, Delivery::AtTheEnd);
        running.push(served.engine.submit(request, how, field).await?);
    }
    let mut replies = Vec::with_capacity(running.len());
    for mut events in running {
        let mut reply = Reply::default();
        while let Some((_, event)) = events.next().await {
            let is_last = matches!(event, engine::Event::Finished { .. });
            reply.take(event).map_err(|error| match error {
                AskError::Engine(error) => ApiError::engine(&error, field),
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
