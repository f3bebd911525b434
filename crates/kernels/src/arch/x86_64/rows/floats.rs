//! F32, F16 and BF16 rows to f32 panels or products, 16 bytes of each row at a time.

use super::block_rows::Rows;
use super::compiled::Unpack;
use super::format::Block;
use super::{Source, next_panel, store_rows};
use crate::arch::x86_64::words::Words;
use crate::block::decode_row_inline;
use crate::scalar::matmul::start_f32_rows;
use crate::table::Tile;
use crate::{DType, PANEL_ROWS, RowValues};

const STEP_BYTES: usize = 16;
const STEP_WORDS: usize = STEP_BYTES / 4;

/// A float type.
pub(in super::super) trait FloatFormat {
    /// Columns of a word.
    const PER_WORD: usize;

    /// The columns of each word, in order; the first `PER_WORD` count.
    fn widen<L: Words>(lanes: L, words: L::Ints) -> [L::Floats; 2];
}

/// A step of a row of floats.
struct Float;

impl Block for Float {
    const BYTES: usize = STEP_BYTES;
}

struct F32;
struct F16;
struct Bf16;

impl FloatFormat for F32 {
    const PER_WORD: usize = 1;

    #[inline(always)]
    fn widen<L: Words>(lanes: L, words: L::Ints) -> [L::Floats; 2] {
        [lanes.as_floats(words); 2]
    }
}

impl FloatFormat for F16 {
    const PER_WORD: usize = 2;

    #[inline(always)]
    fn widen<L: Words>(lanes: L, words: L::Ints) -> [L::Floats; 2] {
        let (low, high) = lanes.f16_pairs(words);
        [low, high]
    }
}

impl FloatFormat for Bf16 {
    const PER_WORD: usize = 2;

    #[inline(always)]
    fn widen<L: Words>(lanes: L, words: L::Ints) -> [L::Floats; 2] {
        let high = lanes.and(words, lanes.spread_int(0xffff_0000_u32 as i32));
        [lanes.as_floats(lanes.shift_left(words, 16)), lanes.as_floats(high)]
    }
}

/// `values`: `[n_in]`.
pub(super) fn unpack<L: Unpack>(lanes: L, dtype: DType, source: Source, values: &mut [RowValues]) {
    match dtype {
        DType::F32 => lanes.unpack_floats::<F32>(source, values),
        DType::F16 => lanes.unpack_floats::<F16>(source, values),
        DType::BF16 => lanes.unpack_floats::<Bf16>(source, values),
        _ => unreachable!("{dtype} is not a float type"),
    }
    let n_steps = source.row_bytes / STEP_BYTES;
    let step_cols = STEP_BYTES / dtype.block_bytes();
    let rest = &mut values[n_steps * step_cols..];
    let mut row_rest = [0.0; STEP_BYTES / 2];
    let row_rest = &mut row_rest[..rest.len()];
    for (r, row) in source.rows.chunks_exact(source.row_bytes).enumerate() {
        decode_row_inline(dtype, &row[n_steps * STEP_BYTES..], row_rest);
        rest.iter_mut().zip(&*row_rest).for_each(|(col, &w)| col.0[r] = w);
    }
}

/// The whole steps of 16 rows.
#[inline(always)]
pub(super) fn unpack_each<L: Words, F: FloatFormat>(
    lanes: L,
    source: Source,
    values: &mut [RowValues],
) {
    assert!(source.rows.len() == PANEL_ROWS * source.row_bytes);
    for step in 0..source.row_bytes / STEP_BYTES {
        for first_row in (0..PANEL_ROWS).step_by(L::N) {
            let start = first_row * source.row_bytes + step * STEP_BYTES;
            // SAFETY: of step `step` all 16 rows hold `STEP_BYTES` bytes, as asserted.
            let words = unsafe {
                let start = source.rows.as_ptr().add(start);
                Rows::<_, Float>::new(lanes, start, source.row_bytes).words4(0)
            };
            for j in 0..STEP_WORDS {
                let columns = F::widen(lanes, words[j]);
                for i in 0..F::PER_WORD {
                    let col = (STEP_WORDS * step + j) * F::PER_WORD + i;
                    let out = &mut values[col].0[first_row..][..L::N];
                    // SAFETY: `out` holds a register.
                    unsafe { lanes.store(out.as_mut_ptr(), columns[i]) };
                }
            }
        }
    }
}

type F32Rows = fn(DType, &[u8], usize, &[f32], &mut [Tile]);

/// `narrower`: the same for fewer rows than a register has lanes.
pub(in super::super) fn f32_rows<L: Unpack>(
    lanes: L,
    narrower: F32Rows,
    (dtype, rows, n_in): (DType, &[u8], usize),
    x: &[f32],
    out: &mut [Tile],
) {
    let (n_tokens, n_rows) = start_f32_rows(dtype, rows, n_in, x, out);
    let row_bytes = rows.len() / n_rows.max(1);
    let panels = rows.chunks(PANEL_ROWS * row_bytes.max(1));
    for (rows, out) in panels.zip(out) {
        if rows.len() < L::N * row_bytes {
            narrower(dtype, rows, n_in, x, std::slice::from_mut(out));
            continue;
        }
        let source = Source { rows, row_bytes };
        match n_tokens {
            0 => (),
            1 => multiply::<L, 1>(lanes, dtype, source, x, out),
            2 => multiply::<L, 2>(lanes, dtype, source, x, out),
            3 => multiply::<L, 3>(lanes, dtype, source, x, out),
            _ => multiply::<L, 4>(lanes, dtype, source, x, out),
        }
    }
}

fn multiply<L: Unpack, const T: usize>(
    lanes: L,
    dtype: DType,
    source: Source,
    x: &[f32],
    out: &mut Tile,
) {
    match dtype {
        DType::F32 => lanes.multiply_floats::<F32, T>(source, x, out),
        DType::F16 => lanes.multiply_floats::<F16, T>(source, x, out),
        DType::BF16 => lanes.multiply_floats::<Bf16, T>(source, x, out),
        _ => unreachable!("{dtype} is not a float type"),
    }
    let n_in = x.len() / T;
    let n_done = source.row_bytes / STEP_BYTES * STEP_BYTES;
    let mut rest = [0.0; STEP_BYTES / 2];
    let rest = &mut rest[..(source.row_bytes - n_done) / dtype.block_bytes()];
    for (r, row) in source.rows.chunks_exact(source.row_bytes).enumerate() {
        decode_row_inline(dtype, &row[n_done..], rest);
        for (x, out) in x.chunks_exact(n_in).zip(out.iter_mut()) {
            let x = &x[n_in - rest.len()..];
            out[r] = rest.iter().zip(x).fold(out[r], |sum, (w, x)| w.mul_add(*x, sum));
        }
    }
}

/// The whole steps of 16 rows, or of the first eight and the last eight, see `int_rows`.
#[inline(always)]
pub(super) fn multiply_each<L: Words, F: FloatFormat, const T: usize>(
    lanes: L,
    source: Source,
    x: &[f32],
    out: &mut Tile,
) {
    if const { L::N == PANEL_ROWS } {
        multiply_together::<L, F, 1, T>(lanes, source, [0], x, out);
    } else {
        let last = source.rows.len() / source.row_bytes - L::N;
        multiply_together::<L, F, 2, T>(lanes, source, [0, last], x, out);
    }
}

#[inline(always)]
fn multiply_together<L: Words, F: FloatFormat, const N: usize, const T: usize>(
    lanes: L,
    source: Source,
    first_rows: [usize; N],
    x: &[f32],
    out: &mut Tile,
) {
    let Source { rows, row_bytes } = source;
    let n_in = x.len() / T;
    assert!(first_rows.iter().all(|first| (first + L::N) * row_bytes <= rows.len()));
    assert!(row_bytes <= n_in * 4 / F::PER_WORD);
    let mut acc = [[lanes.spread(0.0); T]; N];
    let mut ahead = next_panel(source, F::PER_WORD);
    for step in 0..row_bytes / STEP_BYTES {
        let mut words = [[lanes.spread_int(0); STEP_WORDS]; N];
        for n in 0..N {
            let start = first_rows[n] * row_bytes + step * STEP_BYTES;
            // SAFETY: of step `step` all rows hold `STEP_BYTES` bytes, and there are enough from
            // each first row on, as asserted.
            let rows = unsafe { Rows::<_, Float>::new(lanes, rows.as_ptr().add(start), row_bytes) };
            words[n] = rows.prefetching(ahead).words4(0);
            ahead = ahead.skip(L::N * STEP_BYTES);
        }
        for j in 0..STEP_WORDS {
            let mut columns = [[lanes.spread(0.0); 2]; N];
            for n in 0..N {
                columns[n] = F::widen(lanes, words[n][j]);
            }
            for i in 0..F::PER_WORD {
                let col = (STEP_WORDS * step + j) * F::PER_WORD + i;
                for t in 0..T {
                    // SAFETY: `col < n_in`: rows have no more bytes than columns, as asserted.
                    let x = lanes.spread(unsafe { *x.get_unchecked(t * n_in + col) });
                    for n in 0..N {
                        acc[n][t] = lanes.mul_add(columns[n][i], x, acc[n][t]);
                    }
                }
            }
        }
    }
    store_rows(lanes, first_rows, acc, out);
}
