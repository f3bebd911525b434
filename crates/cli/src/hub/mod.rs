//! Where models live on this machine and how they get there.
//!
//! ```text
//! name -> Model (catalogue | hf:owner/repo/file.gguf)
//!           +-> Store: is its file there, and where
//!           `-> pull: lock, sources in order, sha256, rename
//! ```
#![forbid(unsafe_code)]

mod catalogue;
mod error;
mod http;
mod lock;
mod nearest;
mod partial;
mod progress;
mod pull;
mod pypi;
mod remote_name;
mod store;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub(crate) use catalogue::{DEFAULT_MODEL, Model, catalogue};
pub(crate) use error::HubError;
pub(crate) use progress::{ProgressStyle, progress};
pub(crate) use pull::pull;
pub(crate) use store::{Store, platform_models_dir};

/// Everything the hub takes from its surroundings.
#[derive(Debug, Clone)]
pub(crate) struct HubConfig {
    /// Folder of the model files; it is made when the first model is pulled.
    pub(crate) models_dir: PathBuf,
    /// Base address of Hugging Face or of a mirror, such as `https://huggingface.co`.
    pub(crate) hf_endpoint: String,
    /// Sent to the endpoint's own host only, for gated and private repositories.
    pub(crate) hf_token: Option<String>,
    /// The Python whose `-m pip` fetches wheels; `None` looks for one on the search path.
    pub(crate) python: Option<PathBuf>,
}
