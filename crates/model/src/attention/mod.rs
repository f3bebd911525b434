//! Attention: which keys a query sees, where they are in the text, and the weighted sum itself.

mod attend;
mod pattern;
mod position;
pub mod reference;
#[cfg(test)]
mod tests;

pub use attend::{AttendCtx, AttendScratch, AttentionParams, attend, attention_weights};
pub use pattern::AttentionPattern;
pub use position::RopeTable;
pub(crate) use position::rotate;
