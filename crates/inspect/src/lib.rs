//! What attention did: where a model looked, in which head, how much of that counted.
//!
//! Weights say where a row read, never why: each lens is named for what it is.

#![forbid(unsafe_code)]

pub mod ask;
pub mod capture;
pub mod export;
pub mod inspector;
pub mod planted;
pub mod plot;
pub mod profile;
pub mod prompts;
pub mod questions;
pub mod record;
pub mod regression;
pub mod text;
pub mod trial;

pub use ask::{Ask, AskEngine, AskError, Reply};
pub use inspector::{InspectError, Inspector, N_ANSWER, N_BYTES_MAX};
