//! GGUF: one file with metadata and tensors, or several parts of one.
//!
//! Layout of a file, all numbers little-endian (GGUF specification, versions 2 and 3):
//!
//! ```text
//! "GGUF"  version u32  n_tensors u64  n_entries u64
//! entries   key string, type u32, value
//! tensors   name string, n_dims u32, dims [u64; n_dims] innermost first, type u32, offset u64
//! padding to the alignment, then the data; offsets count from here
//! ```
//!
//! A string is a u64 length and its bytes; an array is an element type, a u64 length and its
//! elements.

mod array;
mod cursor;
mod file;
mod header;
mod metadata;
mod split;
mod value;
mod writer;

pub use array::{Numbers, Strings};
pub use file::GgufFile;
pub use metadata::Metadata;
pub use value::{Value, ValueType};
pub use writer::{Version, Writer};

const MAGIC: &[u8; 4] = b"GGUF";
const ALIGNMENT_KEY: &str = "general.alignment";
const ALIGNMENT_DEFAULT: usize = 32;
/// A huge page; more would only be padding.
const ALIGNMENT_MAX: usize = 1 << 21;
/// From the specification, as are the next two.
const KEY_BYTES_MAX: u64 = 65_535;
const TENSOR_NAME_BYTES_MAX: u64 = 64;
const N_DIMS_MAX: u32 = 4;
