//! Where instructions are enabled: loops compiled once for a width, a format and a number of
//! tokens. Everything in them is inlined, so that it may use the instructions too.

use std::ops::Range;

use super::floats::{self, FloatFormat};
use super::format::Format;
use super::int_rows;
use super::part_sums::{PartSums, WordSums};
use super::{Source, Target, unpack_each};
use crate::arch::x86_64::lanes::{Lanes8, Lanes16};
use crate::arch::x86_64::vnni::{Evex, Vex, Vnni};
use crate::arch::x86_64::words::Words;
use crate::panel::TileView;
use crate::scalar::unpack::widen;
use crate::table::Tile;
use crate::{IntForm, RowValues, Step};

/// What a width does without products of bytes.
pub(in super::super) trait Unpack: Words {
    /// See `unpack_each`.
    fn unpack<F: Format>(self, source: Source, blocks: Range<usize>, target: Target);
    /// See `scalar::unpack::widen`.
    fn widen(
        self,
        form: IntForm,
        quants: &[Step],
        scales: &[RowValues],
        mins: &[RowValues],
        values: &mut [RowValues],
    );
    /// See `floats::unpack_each`.
    fn unpack_floats<F: FloatFormat>(self, source: Source, values: &mut [RowValues]);
    /// See `floats::multiply_each`.
    fn multiply_floats<F: FloatFormat, const T: usize>(
        self,
        source: Source,
        x: &[f32],
        out: &mut Tile,
    );
}

/// What a way to multiply bytes does.
pub(in super::super) trait Multiply: PartSums {
    /// See `int_rows::multiply`.
    fn multiply<F: Format, const T: usize>(self, source: Source, x: &TileView, out: &mut Tile);
}

macro_rules! unpack {
    ($Lanes:ident $features:literal) => {
        impl Unpack for $Lanes {
            fn unpack<F: Format>(self, source: Source, blocks: Range<usize>, target: Target) {
                #[target_feature(enable = $features)]
                fn compiled<F: Format>(
                    lanes: $Lanes,
                    source: Source,
                    blocks: Range<usize>,
                    target: Target,
                ) {
                    unpack_each::<_, F>(lanes, source, blocks, target);
                }
                // SAFETY: `self` is the proof of the instructions.
                unsafe { compiled::<F>(self, source, blocks, target) }
            }

            fn widen(
                self,
                form: IntForm,
                quants: &[Step],
                scales: &[RowValues],
                mins: &[RowValues],
                values: &mut [RowValues],
            ) {
                #[target_feature(enable = $features)]
                fn compiled(
                    form: IntForm,
                    quants: &[Step],
                    scales: &[RowValues],
                    mins: &[RowValues],
                    values: &mut [RowValues],
                ) {
                    widen(form, quants, scales, mins, values);
                }
                // SAFETY: as above.
                unsafe { compiled(form, quants, scales, mins, values) }
            }

            fn unpack_floats<F: FloatFormat>(self, source: Source, values: &mut [RowValues]) {
                #[target_feature(enable = $features)]
                fn compiled<F: FloatFormat>(
                    lanes: $Lanes,
                    source: Source,
                    values: &mut [RowValues],
                ) {
                    floats::unpack_each::<_, F>(lanes, source, values);
                }
                // SAFETY: as above.
                unsafe { compiled::<F>(self, source, values) }
            }

            fn multiply_floats<F: FloatFormat, const T: usize>(
                self,
                source: Source,
                x: &[f32],
                out: &mut Tile,
            ) {
                #[target_feature(enable = $features)]
                fn compiled<F: FloatFormat, const T: usize>(
                    lanes: $Lanes,
                    source: Source,
                    x: &[f32],
                    out: &mut Tile,
                ) {
                    floats::multiply_each::<_, F, T>(lanes, source, x, out);
                }
                // SAFETY: as above.
                unsafe { compiled::<F, T>(self, source, x, out) }
            }
        }
    };
}
unpack!(Lanes8 "avx2,fma,f16c");
unpack!(Lanes16 "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl");

macro_rules! multiply {
    ($Bytes:ty, $features:literal) => {
        impl Multiply for $Bytes {
            fn multiply<F: Format, const T: usize>(
                self,
                source: Source,
                x: &TileView,
                out: &mut Tile,
            ) {
                #[target_feature(enable = $features)]
                fn compiled<F: Format, const T: usize>(
                    bytes: $Bytes,
                    source: Source,
                    x: &TileView,
                    out: &mut Tile,
                ) {
                    int_rows::multiply::<_, F, T>(bytes, source, x, out);
                }
                // SAFETY: `self` is the proof of the instructions.
                unsafe { compiled::<F, T>(self, source, x, out) }
            }
        }
    };
}
multiply!(WordSums<Lanes8>, "avx2,fma,f16c");
multiply!(Vnni<Lanes8, Vex>, "avx2,fma,f16c,avxvnni");
multiply!(Vnni<Lanes8, Evex>, "avx2,fma,f16c,avx512vl,avx512vnni");
multiply!(WordSums<Lanes16>, "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl");
multiply!(Vnni<Lanes16, Evex>, "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni");
