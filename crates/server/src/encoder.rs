//! Models that make vectors of texts, each on a thread of its own.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

use engine::{Embedder, Error, Pooling, SpecialText, Tokenizer, normalize};
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::worker::Place;

type Vectors = Result<Vec<Vec<f32>>, Error>;

/// A model that makes vectors.
pub struct ServedEncoder {
    pub(crate) name: String,
    tokenizer: Tokenizer,
    /// The longest text, in tokens.
    pub(crate) n_tokens_max: usize,
    /// What stands before each text.
    prefix: String,
    work: Sender<Work>,
    n_waiting: Arc<AtomicUsize>,
}

struct Work {
    texts: Vec<Vec<u32>>,
    reply: oneshot::Sender<Vectors>,
}

/// How texts become what the model reads, and its hidden states one vector.
pub struct Reading {
    pub tokenizer: Tokenizer,
    pub prefix: String,
    pub pooling: Pooling,
    /// The longest text, in tokens.
    pub n_tokens_max: usize,
}

impl ServedEncoder {
    /// Starts its thread.
    ///
    /// # Panics
    /// Where the system has no thread to give.
    pub fn start(name: String, embedder: Embedder, reading: Reading) -> Self {
        let Reading { tokenizer, prefix, pooling, n_tokens_max } = reading;
        let (work, waiting) = channel();
        let thread = std::thread::Builder::new().name("encoder".into());
        thread.spawn(move || run(embedder, pooling, &waiting)).expect("a thread");
        Self { name, tokenizer, n_tokens_max, prefix, work, n_waiting: Arc::default() }
    }

    /// Texts that are read or wait.
    pub(crate) fn n_waiting(&self) -> usize {
        self.n_waiting.load(Ordering::Relaxed)
    }

    /// # Errors
    /// A text that is too long.
    pub(crate) fn encode(&self, text: &str, field: &str) -> Result<Vec<u32>, ApiError> {
        let text = format!("{}{text}", self.prefix);
        let ids = self.tokenizer.encode_whole(&text, SpecialText::AsText);
        let (n, n_max) = (ids.len(), self.n_tokens_max);
        if n > n_max {
            let message = format!("a text has {n} tokens, the model reads {n_max}");
            return Err(ApiError::field(field, message));
        }
        Ok(ids)
    }

    /// A vector of length one for each text.
    ///
    /// # Errors
    /// Too many who wait, and what the model says of the texts; `field` is where they came from.
    pub(crate) async fn embed(
        &self,
        texts: Vec<Vec<u32>>,
        n_waiting_max: usize,
        field: &str,
    ) -> Result<Vec<Vec<f32>>, ApiError> {
        // Given back whenever this ends, by an answer or by the client's hanging up.
        let _place = Place::take(&self.n_waiting, n_waiting_max)?;
        let (reply, answer) = oneshot::channel();
        self.work.send(Work { texts, reply }).map_err(|_| ApiError::gone())?;
        let vectors = answer.await.map_err(|_| ApiError::gone())?;
        vectors.map_err(|error| ApiError::engine(&error, field))
    }
}

fn run(mut embedder: Embedder, pooling: Pooling, waiting: &Receiver<Work>) {
    while let Ok(Work { texts, reply }) = waiting.recv() {
        let mut vectors = Vec::with_capacity(texts.len());
        let result = embedder.embed(&texts, pooling, &mut |mut vector| {
            normalize(&mut vector);
            vectors.push(vector);
            // Who has hung up needs no more of them.
            if reply.is_closed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        let _ = reply.send(result.map(|()| vectors));
    }
}
