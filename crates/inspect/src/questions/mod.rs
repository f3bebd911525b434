//! What people ask of an answer, one file a question.

mod look;

/// What every number of this kind is to be read with.
pub const CAVEAT: &str =
    "weights say where rows read, not why; what was read may have passed through other tokens";

pub use look::{AnswerPart, Look, Looked, LookedPart, Source, look};
