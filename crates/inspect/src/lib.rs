//! What attention did: where a model looked, in which head, how much of that counted.
//!
//! Weights say where a row read, never why: each lens is named for what it is.

#![forbid(unsafe_code)]

pub mod export;
pub mod plot;
pub mod record;
