//! THE loop: one forward pass for prompts, decoding, batches, scoring and inspection (M2).

mod attention_block;
mod bands;
mod compute;
mod encode;
mod eviction;
mod experts;
mod feed_forward;
mod forward;
mod latent;
mod product;
mod ropes;
mod routing;
mod show;
mod workspace;

pub use encode::encode;
pub use eviction::evict;
pub use forward::{forward, hidden, unembed};
pub use workspace::{Workspace, WorkspaceSize};
