//! Documents with known answers, made from a seed: what lenses on attention are measured against.
//!
//! All are English and made of templates: a lens that is right here may be wrong on texts that
//! people wrote, one that is wrong here is wrong.

mod clauses;
mod contradictions;
mod draft;
mod fact_templates;
mod facts;
mod filler;
mod grounding;
mod injection_texts;
mod injections;
mod lists;
mod needles;
mod passages;
mod pronouns;
mod random;
mod slots;

pub use contradictions::{Conflict, ContractText, N_CLAUSES_MAX, Pairing, contract};
pub use facts::{FactDocument, facts};
pub use grounding::{GroundingCase, Untruth, grounding};
pub use injections::{
    DataKind, Injected, InjectionCase, N_DATA_TEMPLATES, Planting, Style, injection,
};
pub use needles::{NeedleDocument, needle};
pub use pronouns::{Clue, N_BETWEEN_MAX, PronounPassage, pronoun};

/// Which half of the templates a document is made of. Word lists are common to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Half {
    /// For choosing heads, layers and thresholds.
    Calibration,
    /// For saying how good the choice was.
    HeldOut,
}

impl Half {
    /// Every other one of `all`.
    fn of<T: Copy>(self, all: &[T]) -> Vec<T> {
        all.iter().copied().skip(self as usize).step_by(2).collect()
    }
}

/// Documents to choose by, and others to measure with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<T> {
    pub calibration: Vec<T>,
    pub held_out: Vec<T>,
}

/// `n_each` documents of each half, by a function of a seed and a half. The halves share neither
/// seeds nor templates.
pub fn split<T>(n_each: u64, make: impl Fn(u64, Half) -> T) -> Split<T> {
    let documents = |half| (0..n_each).map(|idx| make(2 * idx + half as u64, half)).collect();
    Split { calibration: documents(Half::Calibration), held_out: documents(Half::HeldOut) }
}

#[cfg(test)]
mod tests;
