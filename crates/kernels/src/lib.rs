//! Arithmetic on slices: block formats, the scalar definition of every kernel, and one table of
//! function pointers per instruction set.
//!
//! Kernels know nothing of models (K1): slices in, slices out; no allocation, threads, I/O or
//! `Result`. Buffers are made by the caller; the structs here only name their layout.

#![deny(unsafe_code)]

mod arch;
pub mod block;
mod cells;
mod choice;
mod dtype;
mod moments;
mod panel;
mod scalar;
mod self_check;
pub mod table;

pub use cells::{CellBlock, Cells, IntValues, VALUE_GROUP};
pub use choice::{UnknownTable, detect, find, left_out, names};
pub use dtype::{DType, UnknownDType};
pub use moments::Moments;
pub use panel::{F32Panel, IntForm, IntPanel, QuantizedTile, Quants, RowValues, Step};
pub use self_check::agrees_with_scalar;
pub use table::{Evidence, Kernels, scalar, tables};

/// Weight rows computed together: two AVX2 registers of f32 lanes.
pub const PANEL_ROWS: usize = 16;
/// Tokens computed together against one panel.
pub const TILE_TOKENS: usize = 4;
/// Activations that share one int8 scale.
pub const ACT_GROUP: usize = 32;
/// Keys in one attention block.
pub const KEY_BLOCK: usize = 64;
