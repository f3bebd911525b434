//! Block formats: bytes of a weight row to integers with scales, to f32, and back.
//!
//! Each format file defines `unpack`, one block to its integer form (`DType::int_form`), and
//! `encode`, one block from f32, unless the format is only read. Decoding is derived from
//! unpacking, `w = scale * q - min`, which for every format here rounds at most once and so equals
//! GGUF's own formula.

pub(crate) mod codebook;
mod fit;
pub(crate) mod float;
mod grids;
mod iq1_m;
mod iq1_s;
mod iq2_s;
mod iq2_xs;
mod iq2_xxs;
mod iq3_s;
mod iq3_xxs;
pub(crate) mod iq4_nl;
mod iq4_xs;
mod k_scales;
mod made_up;
pub(crate) mod mxfp4;
pub(crate) mod nvfp4;
mod q1_0;
mod q2_0;
mod q2_k;
mod q3_k;
mod q4_0;
mod q4_1;
mod q4_k;
mod q5_0;
mod q5_1;
mod q5_k;
mod q6_k;
mod q8_0;
mod q8_k;
mod tq1_0;
mod tq2_0;

use crate::{DType, Quants};

pub use made_up::made_up_row;

/// Columns handled at a time on the stack: one K-quant block.
pub(crate) const CHUNK: usize = 256;
/// Most groups in a chunk.
pub(crate) const CHUNK_GROUPS: usize = CHUNK / 16;

/// Decodes one row to f32.
///
/// # Shapes
/// `bytes`: `[dtype.row_bytes(out.len())]`, `out`: `[n_in]` with `n_in` a multiple of the block.
///
/// # Panics
/// If `bytes` is not exactly the row's length.
pub fn decode_row(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    decode_row_inline(dtype, bytes, out);
}

#[inline(always)]
pub(crate) fn decode_row_inline(dtype: DType, bytes: &[u8], out: &mut [f32]) {
    assert_eq!(Some(bytes.len()), dtype.row_bytes(out.len()), "row bytes of {dtype}");
    let Some(form) = dtype.int_form() else {
        return float::decode(dtype, bytes, out);
    };
    let chunk_bytes = CHUNK / dtype.block_len() * dtype.block_bytes();
    let mut quants = [0; CHUNK];
    let mut scales = [0.0; CHUNK_GROUPS];
    let mut mins = [0.0; CHUNK_GROUPS];
    for (bytes, out) in bytes.chunks(chunk_bytes).zip(out.chunks_mut(CHUNK)) {
        let quants = &mut quants[..out.len()];
        let n_groups = out.len() / form.group;
        unpack_row_inline(dtype, bytes, quants, &mut scales[..n_groups], {
            &mut mins[..if form.has_mins { n_groups } else { 0 }]
        });
        let groups = out.chunks_mut(form.group).zip(quants.chunks(form.group));
        for (g, (out, quants)) in groups.enumerate() {
            let (scale, min) = (scales[g], mins[g]);
            match (form.quants, form.has_mins) {
                (Quants::I8, false) => {
                    out.iter_mut().zip(quants).for_each(|(w, &q)| *w = scale * f32::from(q as i8));
                }
                (Quants::I8, true) => unreachable!("no format has signed quants and mins"),
                _ => {
                    out.iter_mut().zip(quants).for_each(|(w, &q)| *w = scale * f32::from(q) - min);
                }
            }
        }
    }
}

/// Unpacks one row of a quantised format into its integer form.
///
/// # Shapes
/// `bytes`: `[dtype.row_bytes(n_in)]`, `quants`: `[n_in]` (signed quants as two's complement),
/// `scales`: `[n_in / group]`, `mins`: the same, or empty when the form has no mins.
///
/// # Panics
/// If a length does not fit, or `dtype` is a float type.
pub fn unpack_row(
    dtype: DType,
    bytes: &[u8],
    quants: &mut [u8],
    scales: &mut [f32],
    mins: &mut [f32],
) {
    unpack_row_inline(dtype, bytes, quants, scales, mins);
}

#[inline(always)]
pub(crate) fn unpack_row_inline(
    dtype: DType,
    bytes: &[u8],
    quants: &mut [u8],
    scales: &mut [f32],
    mins: &mut [f32],
) {
    let form = dtype.int_form().expect("unpack_row is for quantised formats");
    assert_eq!(Some(bytes.len()), dtype.row_bytes(quants.len()), "row bytes of {dtype}");
    assert_eq!(scales.len(), quants.len() / form.group);
    assert_eq!(mins.len(), if form.has_mins { scales.len() } else { 0 });
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => unreachable!("float types have no integer form"),
        DType::Q4_0 => unpack_affine(bytes, quants, scales, mins, q4_0::unpack),
        DType::Q4_1 => unpack_affine(bytes, quants, scales, mins, q4_1::unpack),
        DType::Q5_0 => unpack_affine(bytes, quants, scales, mins, q5_0::unpack),
        DType::Q5_1 => unpack_affine(bytes, quants, scales, mins, q5_1::unpack),
        DType::Q8_0 => unpack_signed(bytes, quants, scales, q8_0::unpack),
        DType::Q2K => unpack_affine(bytes, quants, scales, mins, q2_k::unpack),
        DType::Q3K => unpack_affine(bytes, quants, scales, mins, q3_k::unpack),
        DType::Q4K => unpack_affine(bytes, quants, scales, mins, q4_k::unpack),
        DType::Q5K => unpack_affine(bytes, quants, scales, mins, q5_k::unpack),
        DType::Q6K => unpack_affine(bytes, quants, scales, mins, q6_k::unpack),
        DType::Q8K => unpack_signed(bytes, quants, scales, q8_k::unpack),
        DType::Iq4Nl => unpack_signed(bytes, quants, scales, iq4_nl::unpack),
        DType::Iq4Xs => unpack_signed(bytes, quants, scales, iq4_xs::unpack),
        DType::Iq2Xxs => unpack_signed(bytes, quants, scales, iq2_xxs::unpack),
        DType::Iq2Xs => unpack_signed(bytes, quants, scales, iq2_xs::unpack),
        DType::Iq2S => unpack_signed(bytes, quants, scales, iq2_s::unpack),
        DType::Iq3Xxs => unpack_signed(bytes, quants, scales, iq3_xxs::unpack),
        DType::Iq3S => unpack_signed(bytes, quants, scales, iq3_s::unpack),
        DType::Iq1S => unpack_affine(bytes, quants, scales, mins, iq1_s::unpack),
        DType::Iq1M => unpack_signed(bytes, quants, scales, iq1_m::unpack),
        DType::Mxfp4 => unpack_signed(bytes, quants, scales, mxfp4::unpack),
        DType::Nvfp4 => unpack_signed(bytes, quants, scales, nvfp4::unpack),
        DType::Tq1_0 => unpack_affine(bytes, quants, scales, mins, tq1_0::unpack),
        DType::Tq2_0 => unpack_affine(bytes, quants, scales, mins, tq2_0::unpack),
        DType::Q1_0 => unpack_affine(bytes, quants, scales, mins, q1_0::unpack),
        DType::Q2_0 => unpack_affine(bytes, quants, scales, mins, q2_0::unpack),
    }
}

/// Whether [`encode_row`] writes the format. The others are made by tools that search for scales,
/// with weights that the reader of a file does not have.
pub fn is_encoded(dtype: DType) -> bool {
    !matches!(
        dtype,
        DType::Iq2Xxs
            | DType::Iq2Xs
            | DType::Iq2S
            | DType::Iq3Xxs
            | DType::Iq3S
            | DType::Iq1S
            | DType::Iq1M
            | DType::Mxfp4
            | DType::Nvfp4
            | DType::Tq1_0
            | DType::Tq2_0
            | DType::Q1_0
            | DType::Q2_0
    )
}

/// Encodes one row of finite values, each rounded to the nearest the block's scales allow.
///
/// # Shapes
/// `x`: `[n_in]` with `n_in` a multiple of the block, `bytes`: `[dtype.row_bytes(n_in)]`.
///
/// # Panics
/// If `bytes` is not exactly the row's length, or the format is not [`is_encoded`].
pub fn encode_row(dtype: DType, x: &[f32], bytes: &mut [u8]) {
    assert_eq!(Some(bytes.len()), dtype.row_bytes(x.len()), "row bytes of {dtype}");
    match dtype {
        DType::F32 | DType::F16 | DType::BF16 => float::encode(dtype, x, bytes),
        DType::Q4_0 => encode_blocks(x, bytes, q4_0::encode),
        DType::Q4_1 => encode_blocks(x, bytes, q4_1::encode),
        DType::Q5_0 => encode_blocks(x, bytes, q5_0::encode),
        DType::Q5_1 => encode_blocks(x, bytes, q5_1::encode),
        DType::Q8_0 => encode_blocks(x, bytes, q8_0::encode),
        DType::Q2K => encode_blocks(x, bytes, q2_k::encode),
        DType::Q3K => encode_blocks(x, bytes, q3_k::encode),
        DType::Q4K => encode_blocks(x, bytes, q4_k::encode),
        DType::Q5K => encode_blocks(x, bytes, q5_k::encode),
        DType::Q6K => encode_blocks(x, bytes, q6_k::encode),
        DType::Q8K => encode_blocks(x, bytes, q8_k::encode),
        DType::Iq4Nl => encode_blocks(x, bytes, iq4_nl::encode),
        DType::Iq4Xs => encode_blocks(x, bytes, iq4_xs::encode),
        _ => panic!("{dtype} is only read"),
    }
}

/// Packs one row of integers with their scales, for files that have both: what [`unpack_row`] gives
/// back, where scales are f16s.
///
/// # Shapes
/// As for [`unpack_row`].
///
/// # Panics
/// If a length does not fit, or the format is none of Q4_0, Q5_0 and Q8_0.
pub fn pack_row(dtype: DType, quants: &[u8], scales: &[f32], bytes: &mut [u8]) {
    assert_eq!(Some(bytes.len()), dtype.row_bytes(quants.len()), "row bytes of {dtype}");
    match dtype {
        DType::Q4_0 => pack_blocks(quants, scales, bytes, q4_0::pack),
        DType::Q5_0 => pack_blocks(quants, scales, bytes, q5_0::pack),
        DType::Q8_0 => pack_blocks(quants, scales, bytes, q8_0::pack),
        _ => panic!("{dtype} is not packed"),
    }
}

fn pack_blocks<const BYTES: usize, const LEN: usize>(
    quants: &[u8],
    scales: &[f32],
    bytes: &mut [u8],
    pack: impl Fn(&[u8; LEN], f32, &mut [u8; BYTES]),
) {
    let (quants, _) = quants.as_chunks();
    let (blocks, _) = bytes.as_chunks_mut();
    assert_eq!(scales.len(), quants.len());
    for ((q, &d), block) in quants.iter().zip(scales).zip(blocks) {
        pack(q, d, block);
    }
}

#[inline(always)]
fn unpack_affine<const BYTES: usize, const LEN: usize, const GROUPS: usize>(
    bytes: &[u8],
    quants: &mut [u8],
    scales: &mut [f32],
    mins: &mut [f32],
    unpack: impl Fn(&[u8; BYTES], &mut [u8; LEN], &mut [f32; GROUPS], &mut [f32; GROUPS]),
) {
    let (blocks, _) = bytes.as_chunks();
    let (quants, _) = quants.as_chunks_mut();
    let (scales, _) = scales.as_chunks_mut();
    let (mins, _) = mins.as_chunks_mut();
    for (((block, q), s), m) in blocks.iter().zip(quants).zip(scales).zip(mins) {
        unpack(block, q, s, m);
    }
}

#[inline(always)]
fn unpack_signed<const BYTES: usize, const LEN: usize, const GROUPS: usize>(
    bytes: &[u8],
    quants: &mut [u8],
    scales: &mut [f32],
    unpack: impl Fn(&[u8; BYTES], &mut [u8; LEN], &mut [f32; GROUPS]),
) {
    let (blocks, _) = bytes.as_chunks();
    let (quants, _) = quants.as_chunks_mut();
    let (scales, _) = scales.as_chunks_mut();
    for ((block, q), s) in blocks.iter().zip(quants).zip(scales) {
        unpack(block, q, s);
    }
}

fn encode_blocks<const BYTES: usize, const LEN: usize>(
    x: &[f32],
    bytes: &mut [u8],
    encode: impl Fn(&[f32; LEN], &mut [u8; BYTES]),
) {
    let (blocks, rest) = bytes.as_chunks_mut();
    let (x, x_rest) = x.as_chunks();
    assert!(rest.is_empty() && x_rest.is_empty() && blocks.len() == x.len());
    for (x, block) in x.iter().zip(blocks) {
        encode(x, block);
    }
}
