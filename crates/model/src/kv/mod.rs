//! The KV cache: blocks of positions, independent of the model that fills them.

mod block_pool;
mod cache;
mod plane;
mod view;

pub use cache::{CacheFull, KvCache, KvShape, SequenceId};
pub use plane::KvType;
pub use view::KvView;
