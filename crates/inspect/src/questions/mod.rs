//! What people ask of an answer, one file a question.

mod contradict;
mod diff;
mod drown;
pub mod ground;
pub mod heads;
pub mod inject;
mod look;
mod spelled;
pub mod view;
mod who;

pub use contradict::{
    CONTRADICT_CAVEAT, Contradict, Contradicted, Judge, Judged, JudgedPair, N_PAIRS, N_PAIRS_MAX,
    N_SENTENCES_MAX, Pair, contradict, proposed,
};
pub use diff::{Diff, HeadDiff, LayerDiff, Shape, ShapeError, TextRead, TokenDiff, diff};
pub use drown::{
    DrownCase, DrownChange, DrownPoint, Drowned, Variant, VariantKind, dearest_span, drown,
    drown_cases, named_span, variants,
};
pub use look::{AnswerPart, AnswerPartFound, Look, Looked, LookedPart, Source, look};
pub use who::{
    Among, Candidate, CandidateMention, Measure, N_CANDIDATES_MAX, N_HIDDEN_MAX, Read, Substituted,
    WHO_CAVEAT, Who, WhoFound, who,
};

/// What every number of this kind is to be read with.
pub const CAVEAT: &str =
    "weights say where rows read, not why; what was read may have passed through other tokens";
