//! What every table of kernels must keep to.

mod attention;
mod blocks;
mod matmul;
mod pointwise;
mod rows;
