//! Attention: which keys a query sees, where they are in the text, and the weighted sum itself.

mod attend;
mod bias;
mod choice;
mod importance;
mod pattern;
mod position;
mod queries;
pub mod reference;
mod spans;
#[cfg(test)]
mod tests;
mod tile;
mod watch;
mod watched;
mod weights;

pub use attend::{
    AttendBuffers, AttendCtx, AttentionParams, HeadTerms, LayerKeys, Queries, attend,
};
pub use bias::{BucketBias, Buckets, PositionBias};
pub(crate) use importance::Judge;
pub use pattern::AttentionPattern;
pub(crate) use position::rotate;
pub use position::{RopeTable, Sinusoids, alibi_slopes};
pub use spans::Spans;
pub use tile::AttendScratch;
pub(crate) use watched::attend_watched;
pub use weights::ValueReader;
pub(crate) use weights::attention_weights;
