//! Weight rows times a tile of tokens without a panel in memory: for few tokens, when reading the
//! weights is what takes the time.

use super::block_rows::Rows;
use super::compiled::Multiply;
use super::format::Format;
use super::part_sums::PartSums;
use super::products::Products;
use super::{Source, few_bits, fits_l1, fp4, grids, k_quants, small_blocks, store_rows};
use crate::arch::x86_64::lanes::Lanes;
use crate::arch::x86_64::prefetch::{Ahead, Cache};
use crate::panel::TileView;
use crate::scalar::matmul::start_int_rows;
use crate::table::Tile;
use crate::{ACT_GROUP, DType, PANEL_ROWS, QuantizedTile};

type IntRows = fn(DType, &[u8], usize, &QuantizedTile, &mut [Tile]);

/// `narrower`: the same for fewer rows than a register has lanes.
pub(in super::super) fn int_rows<B: Multiply>(
    bytes: B,
    narrower: IntRows,
    (dtype, rows, n_in): (DType, &[u8], usize),
    x: &QuantizedTile,
    out: &mut [Tile],
) {
    let (_, tile, n_rows) = start_int_rows(dtype, rows, n_in, x, out);
    let row_bytes = rows.len() / n_rows.max(1);
    let panels = rows.chunks(PANEL_ROWS * row_bytes.max(1));
    for (rows, out) in panels.zip(out) {
        if rows.len() < B::Lanes::N * row_bytes {
            narrower(dtype, rows, n_in, x, std::slice::from_mut(out));
            continue;
        }
        let source = Source { rows, row_bytes };
        match tile.n_tokens {
            0 => (),
            1 => by_dtype::<B, 1>(bytes, dtype, source, &tile, out),
            2 => by_dtype::<B, 2>(bytes, dtype, source, &tile, out),
            3 => by_dtype::<B, 3>(bytes, dtype, source, &tile, out),
            _ => by_dtype::<B, 4>(bytes, dtype, source, &tile, out),
        }
    }
}

fn by_dtype<B: Multiply, const T: usize>(
    bytes: B,
    dtype: DType,
    source: Source,
    x: &TileView,
    out: &mut Tile,
) {
    macro_rules! multiply_by {
        ($_unpack:path, $Format:path) => {
            bytes.multiply::<$Format, T>(source, x, out)
        };
    }
    by_format!(dtype, multiply_by)
}

/// All rows in one register, or the first eight and the last eight: with fewer than 16, some are
/// done twice with the same result. The products of a long block are added up in one go, a chain
/// that the processor fills with those of the other half; short blocks keep more in registers when
/// a half goes alone.
#[inline(always)]
pub(super) fn multiply<B: PartSums, F: Format, const T: usize>(
    bytes: B,
    source: Source,
    x: &TileView,
    out: &mut Tile,
) {
    // A constant in each branch: the loops ask without looking at it.
    if fits_l1(F::LEN, source.rows.len()) {
        multiply_halves::<B, F, T>(bytes, source, Cache::L1, x, out);
    } else {
        multiply_halves::<B, F, T>(bytes, source, Cache::L2, x, out);
    }
}

#[inline(always)]
fn multiply_halves<B: PartSums, F: Format, const T: usize>(
    bytes: B,
    source: Source,
    into: Cache,
    x: &TileView,
    out: &mut Tile,
) {
    let last = source.rows.len() / source.row_bytes - B::Lanes::N;
    if const { B::Lanes::N == PANEL_ROWS } {
        multiply_together::<B, F, 1, T>(bytes, source, [0], into, x, out);
    } else if const { F::LEN > ACT_GROUP } {
        multiply_together::<B, F, 2, T>(bytes, source, [0, last], into, x, out);
    } else {
        for first_row in [0, last] {
            multiply_together::<B, F, 1, T>(bytes, source, [first_row], into, x, out);
        }
    }
}

/// As many rows as a register has lanes from each of `first_rows` on, block after block.
#[inline(always)]
fn multiply_together<B: PartSums, F: Format, const N: usize, const T: usize>(
    bytes: B,
    source: Source,
    first_rows: [usize; N],
    into: Cache,
    x: &TileView,
    out: &mut Tile,
) {
    let n_lanes = const { B::Lanes::N };
    let Source { rows, row_bytes } = source;
    assert!(first_rows.iter().all(|first| (first + n_lanes) * row_bytes <= rows.len()));
    // What is read after these rows: the other half of the panel, or the next panel.
    let n_bytes = match N * n_lanes {
        PANEL_ROWS => rows.len(),
        _ => (first_rows[0] + n_lanes) * row_bytes,
    };
    let mut ahead = Ahead::new(rows.as_ptr(), into).skip(n_bytes);
    let x_sums = if F::GROUP == 16 { x.sums16 } else { x.sums32 };
    let n_scales = F::LEN / ACT_GROUP * T;
    let blocks = x.quants.chunks_exact(F::LEN * T).zip(x.scales.chunks_exact(n_scales));
    let blocks = blocks.zip(x_sums.chunks_exact(F::LEN / F::GROUP * T));
    assert!(blocks.len() * F::BYTES == row_bytes, "rows and activations have as many columns");
    let mut acc = [[bytes.lanes().spread(0.0); T]; N];
    let mut products = [Products::<B, F, T>::new(bytes); N];
    for (block_idx, ((x, x_scales), x_sums)) in blocks.enumerate() {
        for n in 0..N {
            let start = first_rows[n] * row_bytes + block_idx * F::BYTES;
            // SAFETY: of block `block_idx` all rows hold `F::BYTES` bytes, as asserted, and there
            // are enough from `first_row` on.
            let rows = unsafe { Rows::new(bytes.lanes(), rows.as_ptr().add(start), row_bytes) };
            products[n].start_block(x);
            F::unpack(&mut rows.prefetching(ahead), &mut products[n]);
            ahead = ahead.skip(n_lanes * F::BYTES);
        }
        for g in 0..F::LEN / F::GROUP {
            for t in 0..T {
                let of_group = (x_scales[g * F::GROUP / ACT_GROUP * T + t], x_sums[g * T + t]);
                for n in 0..N {
                    acc[n][t] = products[n].add_group(g, t, of_group, acc[n][t]);
                }
            }
        }
    }
    store_rows(bytes.lanes(), first_rows, acc, out);
}
