//! What people ask of an answer, one file a question.

pub mod ground;
pub mod heads;
pub mod inject;
mod look;

pub use look::{AnswerPart, Look, Looked, LookedPart, Source, look};
