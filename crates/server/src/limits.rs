//! What one client may ask of the server, in one place.

use std::time::Duration;

#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of a request's body.
    pub body_bytes: usize,
    /// Answers of one request.
    pub n_choices: usize,
    /// Requests of all clients that run or wait, of each model.
    pub n_in_flight: usize,
    /// Texts that end an answer.
    pub n_stops: usize,
    /// For a body to arrive.
    pub body: Duration,
    /// For answers to end after the server was told to.
    pub drain: Duration,
    /// Between signs of life in a stream.
    pub keep_alive: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 32 << 20,
            n_choices: 128,
            n_in_flight: 256,
            n_stops: 16,
            body: Duration::from_secs(30),
            drain: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
        }
    }
}
