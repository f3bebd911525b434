//! Model files in both directions: bytes <-> metadata and named tensors.
//!
//! [`gguf::GgufFile`] and [`safetensors::SafetensorsFolder`] read, [`gguf::Writer`] and
//! [`safetensors::write`] write. Neither knows what a model is: names and keys are only strings
//! here (F2). Files are hostile (F1): every length is checked against the bytes that are left
//! before it is used, and everything that can be wrong is found when a file is opened, so that a
//! tensor which is handed out has exactly the bytes its shape needs.

#![deny(unsafe_code)]

mod bytes;
mod error;
pub mod gguf;
mod mapped;
mod output;
pub mod safetensors;
mod tensor;

pub use bytes::Bytes;
pub use error::Error;
pub use mapped::Mapping;
pub use output::Output;
pub use tensor::{Tensor, TensorInfo};
