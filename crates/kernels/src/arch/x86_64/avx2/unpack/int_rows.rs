//! Weight rows times a tile of tokens without a panel in memory: for few tokens, when reading the
//! weights is what takes the time.

use std::arch::x86_64::*;

use super::lanes::{N_ROWS, Rows};
use super::products::Products;
use super::{Source, k_quants, next_panel, small_blocks, store_rows};
use crate::panel::TileView;
use crate::scalar::matmul as scalar;
use crate::table::Tile;
use crate::{ACT_GROUP, DType, PANEL_ROWS, QuantizedTile};

#[target_feature(enable = "avx2,fma,f16c")]
pub(in super::super) fn int_rows(
    dtype: DType,
    rows: &[u8],
    n_in: usize,
    x: &QuantizedTile,
    out: &mut [Tile],
) {
    let (_, tile, n_rows) = scalar::start_int_rows(dtype, rows, n_in, x, out);
    let row_bytes = rows.len() / n_rows.max(1);
    let panels = rows.chunks(PANEL_ROWS * row_bytes.max(1));
    for (rows, out) in panels.zip(out) {
        if rows.len() < N_ROWS * row_bytes {
            scalar::int_rows(dtype, rows, n_in, x, std::slice::from_mut(out));
            continue;
        }
        let source = Source { rows, row_bytes };
        match tile.n_tokens {
            0 => (),
            1 => by_dtype::<1>(dtype, source, &tile, out),
            2 => by_dtype::<2>(dtype, source, &tile, out),
            3 => by_dtype::<3>(dtype, source, &tile, out),
            _ => by_dtype::<4>(dtype, source, &tile, out),
        }
    }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn by_dtype<const T: usize>(dtype: DType, source: Source, x: &TileView, out: &mut Tile) {
    macro_rules! multiply_by {
        ($unpack:path) => {
            multiply::<T, _, _, _, _>(source, x, out, |rows, products| $unpack(rows, products))
        };
    }
    by_format!(dtype, multiply_by)
}

/// The first eight rows and the last eight: with fewer than 16, some are done twice with the same
/// result. The products of a long block are added up in one go, a chain that the processor fills
/// with those of the other half; short blocks keep more in registers when a half goes alone.
#[target_feature(enable = "avx2,fma,f16c")]
fn multiply<
    'a,
    const T: usize,
    const BYTES: usize,
    const LEN: usize,
    const GROUP: usize,
    const Q_MAX: i32,
>(
    source: Source,
    x: &TileView<'a>,
    out: &mut Tile,
    unpack: impl Fn(&mut Rows<BYTES>, &mut Products<'a, T, LEN, GROUP, Q_MAX>),
) {
    let first_rows = [0, source.rows.len() / source.row_bytes - N_ROWS];
    if LEN > ACT_GROUP {
        multiply_together(source, first_rows, x, out, unpack);
    } else {
        for first_row in first_rows {
            multiply_together(source, [first_row], x, out, &unpack);
        }
    }
}

/// Eight rows from each of `first_rows` on, block after block.
#[target_feature(enable = "avx2,fma,f16c")]
fn multiply_together<
    'a,
    const N: usize,
    const T: usize,
    const BYTES: usize,
    const LEN: usize,
    const GROUP: usize,
    const Q_MAX: i32,
>(
    source: Source,
    first_rows: [usize; N],
    x: &TileView<'a>,
    out: &mut Tile,
    unpack: impl Fn(&mut Rows<BYTES>, &mut Products<'a, T, LEN, GROUP, Q_MAX>),
) {
    let Source { rows, row_bytes } = source;
    assert!(first_rows.iter().all(|first| (first + N_ROWS) * row_bytes <= rows.len()));
    // What is read after these rows: the other half of the panel, or the next panel.
    let mut ahead = match N {
        1 => rows.as_ptr().wrapping_add((first_rows[0] + N_ROWS) * row_bytes),
        _ => next_panel(source, 0),
    };
    let x_sums = if GROUP == 16 { x.sums16 } else { x.sums32 };
    let blocks = x.quants.chunks_exact(LEN * T).zip(x.scales.chunks_exact(LEN / ACT_GROUP * T));
    let blocks = blocks.zip(x_sums.chunks_exact(LEN / GROUP * T));
    assert!(blocks.len() * BYTES == row_bytes, "rows and activations have as many columns");
    let mut acc = [[_mm256_setzero_ps(); T]; N];
    let mut products = std::array::from_fn::<_, N, _>(|_| Products::new());
    for (block_idx, ((x, x_scales), x_sums)) in blocks.enumerate() {
        for (products, first_row) in products.iter_mut().zip(first_rows) {
            let start = first_row * row_bytes + block_idx * BYTES;
            // SAFETY: of block `block_idx` all rows hold `BYTES` bytes, as asserted, and there are
            // eight from `first_row` on.
            let rows = unsafe { Rows::new(rows.as_ptr().add(start), row_bytes) };
            products.start_block(x);
            unpack(&mut rows.prefetching(ahead), products);
            ahead = ahead.wrapping_add(N_ROWS * BYTES);
        }
        for g in 0..LEN / GROUP {
            for t in 0..T {
                let x_scale = x_scales[g * GROUP / ACT_GROUP * T + t];
                for (products, acc) in products.iter().zip(&mut acc) {
                    products.add_group(g, t, x_scale, x_sums[g * T + t], &mut acc[t]);
                }
            }
        }
    }
    store_rows(first_rows, acc, out);
}
