//! What people ask of an answer, one file a question.

mod look;

pub use look::{AnswerPart, Look, Looked, LookedPart, Source, look};
