//! The tables of aarch64: NEON, which every CPU has, and what later ones multiply int8 with.
//!
//! Written by hand: weight rows, matrix products, int8 activations and f16. The other kernels are
//! the scalar definitions, which the compiler makes NEON of by itself.

#![allow(unsafe_code)]

mod dot;
mod half;
mod int_panel;
mod int_rows;
mod matrix;
mod product;
mod quantize;
mod registers;
mod unpack;

use crate::scalar;
use crate::table::{Dotprod, Evidence, I8mm, Kernels, Tile};
use crate::{CellBlock, DType, F32Panel, IntPanel, IntValues, QuantizedTile};
use dot::{Sdot, Smull};
use matrix::Smmla;

/// Needs nothing that an aarch64 CPU may lack.
pub(crate) fn neon() -> &'static Kernels {
    &NEON
}

/// The argument is the proof that these instructions exist here.
pub(crate) fn dotprod(_: Dotprod) -> &'static Kernels {
    &DOTPROD
}

/// The argument is the proof that these instructions, and those of `dotprod`, exist here.
pub(crate) fn i8mm(_: I8mm) -> &'static Kernels {
    &I8MM
}

/// Safe functions, as `Kernels` holds them, around implementations that need instructions.
macro_rules! entries {
    ($(fn $name:ident($($arg:ident: $type:ty),*) = $imp:path $([$dot:expr])?;)*) => {$(
        fn $name($($arg: $type),*) {
            // SAFETY: every aarch64 CPU has NEON; entries that need more are reachable only
            // through a function that asks for the proof.
            unsafe { $imp($($dot,)? $($arg),*) }
        }
    )*};
}

entries! {
    fn unpack_int(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel)
        = unpack::unpack_int;
    fn unpack_f32(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel)
        = unpack::unpack_f32;
    fn quantize(x: &[f32], n_in: usize, out: &mut QuantizedTile) = quantize::quantize;
    fn int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile])
        = int_panel::int_panel [Smull];
    fn int_rows(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile])
        = int_rows::int_rows [Smull];
    fn dotprod_int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile])
        = int_panel::int_panel [Sdot::new()];
    fn dotprod_int_rows(
        dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile]
    ) = int_rows::int_rows [Sdot::new()];
    fn i8mm_int_panel(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile])
        = matrix::int_panel [Smmla::new()];
    fn f32_panel(panel: &F32Panel, x: &[f32], out: &mut [Tile]) = product::f32_panel;
    fn f32_rows(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile])
        = product::f32_rows;
    fn attention_scores(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32])
        = product::attention_scores;
    fn attention_accumulate(
        weights: &[f32], rescale: &[f32], values: CellBlock<'_>, head_dim: usize, acc: &mut [f32]
    ) = product::attention_accumulate;
    fn attention_accumulate_int(
        weights: &[f32], rescale: &[f32], values: IntValues<'_>, head_dim: usize, acc: &mut [f32]
    ) = product::attention_accumulate_int;
    fn f16_to_f32(src: &[u16], dst: &mut [f32]) = half::f16_to_f32;
    fn f32_to_f16(src: &[f32], dst: &mut [u16]) = half::f32_to_f16;
}

static NEON: Kernels = Kernels {
    name: "neon",
    evidence: Evidence::Emulated,
    unpack_int,
    unpack_f32,
    quantize,
    int_panel,
    int_rows,
    f32_panel,
    f32_rows,
    attention_scores,
    attention_accumulate,
    attention_accumulate_int,
    f16_to_f32,
    f32_to_f16,
    ..scalar::KERNELS
};

static DOTPROD: Kernels =
    Kernels { name: "dotprod", int_panel: dotprod_int_panel, int_rows: dotprod_int_rows, ..NEON };

static I8MM: Kernels = Kernels { name: "i8mm", int_panel: i8mm_int_panel, ..DOTPROD };
