//! The KV cache: blocks of positions, independent of the model that fills them.

mod block_pool;
mod block_store;
mod blocks;
mod bounds;
mod cache;
mod eviction;
mod floats;
mod hidden;
mod key_means;
mod keys;
mod kv_type;
mod packed;
mod policy;
mod policy_text;
mod prefix_tree;
mod reuse;
mod saved;
mod sequences;
mod shape;
#[cfg(test)]
mod tests;
mod values;
mod view;
mod writes;

pub(crate) use bounds::N_BOUNDS;
pub use cache::{CacheFull, KvCache};
pub use eviction::{Eviction, Importance};
pub(crate) use eviction::{N_OBSERVED, ObservedQueries};
pub use hidden::Hidden;
pub(crate) use key_means::{KeyMotion, spread};
pub use keys::{IntKeys, KEY_PANELS, KeyForm, Keys};
pub use kv_type::KvType;
pub use policy::KvPolicy;
pub use policy_text::PolicyError;
pub use reuse::{Miss, Reuse};
pub use saved::{Fingerprint, KvFileError};
pub use sequences::SequenceId;
pub use shape::{KvShape, LayerShape, ValuePlace};
pub use values::{ValueScratch, Values};
pub use view::KvView;
pub use writes::KvWrites;
pub(crate) use writes::NewKeys;
