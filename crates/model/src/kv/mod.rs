//! The KV cache: blocks of positions, independent of the model that fills them.

mod block_pool;
mod block_store;
mod cache;
mod plane;
mod prefix_tree;
mod saved;
mod shape;
#[cfg(test)]
mod tests;
mod view;

pub use cache::{CacheFull, KvCache, Miss, Reuse, SequenceId};
pub use plane::KvType;
pub use saved::{Fingerprint, KvFileError};
pub use shape::{KvShape, LayerShape};
pub use view::KvView;
