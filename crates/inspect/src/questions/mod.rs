//! What people ask of an answer, one file a question.

mod diff;
mod drown;
mod look;

pub use diff::{Diff, HeadDiff, LayerDiff, Shape, ShapeError, TextRead, TokenDiff, diff};
pub use drown::{
    DrownCase, DrownChange, DrownPoint, Drowned, Variant, VariantKind, drown, variants,
};
pub use look::{AnswerPart, Look, Looked, LookedPart, Source, look};
