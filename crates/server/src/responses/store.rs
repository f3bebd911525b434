//! Answers that are kept for those who asked for them, as many as there is room for.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use engine::Client;
use serde_json::Value;

use crate::error::ApiError;

/// Bytes of all that is kept; the oldest goes first.
const N_BYTES_MAX: usize = 64 << 20;

#[derive(Default)]
pub(crate) struct Stored(Mutex<VecDeque<Kept>>);

/// An answer, and what it was to.
pub(super) struct Entry {
    pub(super) response: Value,
    /// The whole conversation before it.
    pub(super) items: Vec<Value>,
    /// What of it was new.
    pub(super) input: Vec<Value>,
}

struct Kept {
    client: Client,
    entry: Entry,
    n_bytes: usize,
}

impl Stored {
    pub(super) fn keep(&self, client: Client, entry: Entry) {
        let n_bytes = entry.response.to_string().len()
            + entry
                .items
                .iter()
                .chain(&entry.input)
                .map(|item| item.to_string().len())
                .sum::<usize>();
        let mut all = self.all();
        all.push_back(Kept { client, entry, n_bytes });
        while all.iter().map(|kept| kept.n_bytes).sum::<usize>() > N_BYTES_MAX {
            all.pop_front();
        }
    }

    /// The conversation that goes on after an answer.
    ///
    /// # Errors
    /// A name that this client has no answer of.
    pub(super) fn conversation(&self, client: Client, id: &str) -> Result<Vec<Value>, ApiError> {
        self.find(client, id, |entry| {
            let output = entry.response["output"].as_array().into_iter().flatten();
            entry.items.iter().chain(output).cloned().collect()
        })
        .map_err(|error| error.of_field("id", "previous_response_id"))
    }

    /// # Errors
    /// As [`Stored::conversation`].
    pub(super) fn response(&self, client: Client, id: &str) -> Result<Value, ApiError> {
        self.find(client, id, |entry| entry.response.clone())
    }

    /// # Errors
    /// As [`Stored::conversation`].
    pub(super) fn input(&self, client: Client, id: &str) -> Result<Vec<Value>, ApiError> {
        self.find(client, id, |entry| entry.input.clone())
    }

    /// # Errors
    /// As [`Stored::conversation`].
    pub(super) fn forget(&self, client: Client, id: &str) -> Result<(), ApiError> {
        let mut all = self.all();
        let idx = all.iter().position(|kept| kept.is(client, id)).ok_or_else(|| not_kept(id))?;
        all.remove(idx);
        Ok(())
    }

    fn find<T>(&self, client: Client, id: &str, read: impl Fn(&Entry) -> T) -> Result<T, ApiError> {
        let all = self.all();
        let found = all.iter().find(|kept| kept.is(client, id));
        found.map(|kept| read(&kept.entry)).ok_or_else(|| not_kept(id))
    }

    fn all(&self) -> MutexGuard<'_, VecDeque<Kept>> {
        // Entries are put in and taken out as a whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn is(&self, client: Client, id: &str) -> bool {
        self.client == client && self.entry.response["id"] == id
    }
}

fn not_kept(id: &str) -> ApiError {
    let id: String = id.chars().take(80).collect();
    let error = ApiError::not_found(format!("no answer {id:?} is kept for you here"));
    ApiError { field: Some("id".into()), ..error }
}
