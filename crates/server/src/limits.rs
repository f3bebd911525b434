//! What one client may ask of the server, in one place.

use std::time::Duration;

use crate::error::ApiError;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Answers of one request.
    pub n_choices: usize,
    /// Requests of all clients that run or wait, of each model.
    pub n_in_flight: usize,
    /// Texts of one request that become vectors.
    pub n_texts: usize,
    /// Texts that end an answer.
    pub n_stops: usize,
    /// Bytes of what one request sees of attention.
    pub attention_bytes: usize,
    /// For an answer: it ends with what it has then.
    pub answer: Duration,
    /// Connections at once; more wait to be accepted.
    pub n_connections: usize,
    /// For the header of a request to arrive, and for the next request of a connection to begin.
    pub header: Duration,
    /// Of all headers of a request, and of each part of its body.
    pub header_bytes: usize,
    pub n_headers: usize,
    /// For a body to arrive.
    pub body: Duration,
    /// For answers to end after the server was told to.
    pub drain: Duration,
    /// Between signs of life in a stream.
    pub keep_alive: Duration,
}

impl Limits {
    /// # Errors
    /// More texts that end an answer than may be.
    pub(crate) fn check_stops(&self, stops: &[String], field: &str) -> Result<(), ApiError> {
        let (n_max, found) = (self.n_stops, stops.len());
        match found > n_max {
            true => Err(ApiError::field(
                field,
                format!("expected at most {n_max} texts, found {found}"),
            )),
            false => Ok(()),
        }
    }

    /// # Errors
    /// More texts to make vectors of than may be, or none.
    pub(crate) fn check_texts(&self, found: usize, field: &str) -> Result<(), ApiError> {
        let n_max = self.n_texts;
        match (1..=n_max).contains(&found) {
            true => Ok(()),
            false => {
                Err(ApiError::field(field, format!("expected 1 to {n_max} texts, found {found}")))
            }
        }
    }

    /// # Errors
    /// More answers to one request than may be, or none.
    pub(crate) fn check_choices(&self, found: usize, field: &str) -> Result<(), ApiError> {
        let n_max = self.n_choices;
        match (1..=n_max).contains(&found) {
            true => Ok(()),
            false => {
                Err(ApiError::field(field, format!("expected 1 to {n_max} answers, found {found}")))
            }
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            n_choices: 128,
            n_in_flight: 256,
            n_texts: 2048,
            n_stops: 16,
            attention_bytes: 64 << 20,
            answer: Duration::from_secs(3600),
            n_connections: 1024,
            header: Duration::from_secs(75),
            header_bytes: 64 << 10,
            n_headers: 100,
            body: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
        }
    }
}
