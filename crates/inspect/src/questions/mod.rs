//! What people ask of an answer, one file a question.

pub mod ground;
pub mod heads;
pub mod inject;
mod look;

/// What every number of this kind is to be read with.
pub const CAVEAT: &str =
    "weights say where rows read, not why; what was read may have passed through other tokens";

pub use look::{AnswerPart, Look, Looked, LookedPart, Source, look};
