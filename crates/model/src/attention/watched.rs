//! [`attend`](super::attend) for those who watch: the same bits, and what each row told.

use super::attend::{AttendBuffers, AttendCtx, BandEnds, Job, LayerKeys, Queries};
use super::tile::{AttendScratch, TileCtx};
use crate::pool::{ThreadPool, TileRows, Tiled};
use crate::probe::{RowStats, Statistics};

/// Room for what was told; it is taken when somebody watches.
#[derive(Default)]
pub(super) struct WatchBuffers {
    /// `[n_tokens, n_heads]` of [`RowStats`]
    rows: Vec<f32>,
    /// `[n_bands, n_heads, n_blocks]`
    masses: Vec<f32>,
}

/// Shapes as in [`attend`](super::attend).
pub(crate) fn attend_watched<'b, S: Send + AsMut<AttendScratch>>(
    ctx: &AttendCtx<'_>,
    queries: Queries<'_>,
    keys: LayerKeys<'_>,
    buffers: &'b mut AttendBuffers,
    (pool, scratch): (&mut ThreadPool, &mut [S]),
    outs: (&mut [f32], &mut [f32]),
) -> Statistics<'b> {
    let job = Job { ctx, queries, keys };
    job.begin(buffers, BandEnds::AtBlocks, (pool, scratch));
    let params = &ctx.params;
    let (n_heads, n_kv_heads, group) = (params.n_heads, params.n_kv_heads, params.n_heads_per_kv());
    let n_blocks = keys.n_blocks_max(queries.sequences);
    let mut watch = std::mem::take(&mut buffers.watch);
    watch.rows.resize(queries.positions.len() * n_heads * RowStats::N, 0.0);
    watch.masses.clear();
    watch.masses.resize(buffers.bands.len() * n_heads * n_blocks, 0.0);
    let [out, log_sum_exp] = job.tiled_outs(buffers, outs);
    let rows = Tiled {
        data: &mut watch.rows,
        n_cols: n_heads * RowStats::N,
        tile_rows: TileRows::Bands(&buffers.bands),
        tile_cols: group * RowStats::N,
    };
    let masses = Tiled {
        data: &mut watch.masses,
        n_cols: n_heads * n_blocks,
        tile_rows: TileRows::Even(1),
        tile_cols: group * n_blocks,
    };
    pool.for_each_tile(scratch, [out, log_sum_exp, rows, masses], |scratch, tile_idx, outs| {
        let [mut out, mut log_sum_exp, mut rows, mut masses] = outs;
        let at = (tile_idx / n_kv_heads, tile_idx % n_kv_heads);
        let tile = TileCtx { n_watched: n_blocks, ..job.whole_tile(buffers, at) };
        let (scratch, chunks) = (scratch.as_mut(), job.chunks(buffers, at.0));
        job.attend_tile((&tile, chunks), scratch, (&mut out, &mut log_sum_exp));
        let of_row = |row_idx: usize| {
            let (_, of_all) = tile.row(row_idx);
            let sums = log_sum_exp.row_mut(row_idx / group);
            (sums[row_idx % group], ctx.terms.sink_logits.get(of_all).copied())
        };
        scratch.watch.finish(ctx.kernels, of_row, masses.row_mut(0));
        for row_idx in 0..tile.n_rows() {
            let (token_idx, head_idx) = (row_idx / group, row_idx % group);
            let out = &mut rows.row_mut(token_idx)[head_idx * RowStats::N..][..RowStats::N];
            out.copy_from_slice(bytemuck::cast_slice(&[scratch.watch.stats(row_idx)]));
        }
    });
    buffers.watch = watch;
    let AttendBuffers { bands, watch, .. } = buffers;
    let rows = bytemuck::cast_slice(&watch.rows);
    Statistics { n_heads, n_blocks, rows, bands, masses: &watch.masses }
}
