//! Instruction sets of x86-64: a module for each table, and what they share.

#![allow(unsafe_code)]

pub(crate) mod avx2;
pub(crate) mod avx512;
pub(crate) mod avx512vnni;
pub(crate) mod avxvnni;
mod entries;
mod half;
mod int_panel;
mod lanes;
mod prefetch;
mod product;
mod rows;
mod vnni;
mod words;
