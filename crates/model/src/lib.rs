//! The transformer: an architecture is data ([`ArchSpec`]), a model is weights and numbers
//! ([`Model`]), and one decoder loop ([`decoder::forward`]) runs them all.

#![deny(unsafe_code)]

pub mod arch;
pub mod attention;
pub mod batch;
mod calibrate;
pub mod config;
mod config_gguf;
mod config_hf;
pub mod cost;
pub mod decoder;
pub mod error;
pub mod experts_config;
pub mod kv;
pub mod latent_config;
pub mod load;
pub mod pool;
pub mod probe;
pub mod rope_config;
pub mod shape;
pub mod spec;
pub mod speeds;
pub mod weights;

pub use batch::{Batch, BatchSequence};
pub use calibrate::{Conditions, calibrate};
pub use config::ModelConfig;
pub use decoder::{Workspace, WorkspaceSize, encode, evict, forward, hidden, unembed};
pub use error::LoadError;
pub use kv::{KvCache, KvType, SequenceId};
pub use load::{LoadOptions, Pages, load};
pub use pool::ThreadPool;
pub use probe::{Probe, Site};
pub use spec::ArchSpec;
pub use speeds::Speeds;
pub use weights::{Arithmetic, Model};
