//! Kernels for one instruction set each; `table.rs` decides which of them may be named.

