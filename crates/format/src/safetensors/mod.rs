//! Safetensors: files of named arrays, and folders of such files as Hugging Face has them.
//!
//! A file is `n_header u64` (little-endian), `n_header` bytes of JSON, and the data:
//!
//! ```text
//! {"__metadata__": {"format": "pt"},
//!  "name": {"dtype": "BF16", "shape": [n_out, n_in], "data_offsets": [begin, end]}, ...}
//! ```

mod file;
mod folder;
mod raw;
mod writer;

pub use file::SafetensorsFile;
pub use folder::SafetensorsFolder;
pub use raw::{RawTensor, RawType};
pub use writer::write;

/// The limit of the reference implementation.
const HEADER_BYTES_MAX: u64 = 100_000_000;
const METADATA_KEY: &str = "__metadata__";
