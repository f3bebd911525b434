//! What every table of kernels must keep to.

mod attention;
mod blocks;
mod choice;
mod matmul;
mod pointwise;
mod rows;
mod self_check;
