//! One tile of attention: the rows of one kv head, against one chunk of keys at a time.

use std::ops::Range;

use kernels::{CellBlock, Cells, IntValues, KEY_BLOCK, Kernels};

use super::attend::{AttendCtx, AttentionParams};
use super::bias::PositionBias;
use super::choice::{ChoiceScratch, is_chosen};
use super::importance::ImportanceScratch;
use super::queries::QueryScratch;
use super::spans::Spans;
use super::watch::WatchScratch;
use crate::kv::{KeyForm, Keys, KvView, ValueScratch, Values};
use crate::shape::Heads;

/// Rows that share a pass over the keys: enough to pay for reading them, few enough for L1.
pub(super) const N_ROWS_MAX: usize = 48;
/// Blocks of a chunk. Chunks are what threads share when a single token is computed: short enough
/// for two threads at a few thousand keys, long enough that merging costs nothing.
const CHUNK_BLOCKS: usize = 8;
const CHUNK_KEYS: usize = CHUNK_BLOCKS * KEY_BLOCK;

/// What stays constant over the chunks of a tile.
pub(super) struct TileCtx<'a> {
    pub(super) attend: &'a AttendCtx<'a>,
    /// Of the whole batch, as `positions`.
    pub(super) q: Heads<'a>,
    pub(super) positions: &'a [u32],
    pub(super) kv: KvView<'a>,
    /// Rows of the batch.
    pub(super) tokens: Range<usize>,
    pub(super) kv_head_idx: usize,
    /// The blocks that it looks at, a bit each; `None`: all that it sees.
    pub(super) chosen: Option<&'a [u64]>,
    /// Where somebody watches: blocks of the longest text; or zero.
    pub(super) n_watched: usize,
}

impl TileCtx<'_> {
    fn params(&self) -> &AttentionParams {
        &self.attend.params
    }

    /// Query heads times tokens.
    pub(super) fn n_rows(&self) -> usize {
        self.tokens.len() * self.params().n_heads_per_kv()
    }

    /// The token, of the batch, and the query head of a row.
    pub(super) fn row(&self, row_idx: usize) -> (usize, usize) {
        let group = self.params().n_heads_per_kv();
        (self.tokens.start + row_idx / group, self.kv_head_idx * group + row_idx % group)
    }
}

/// Chunks that hold a key which a row sees. `visible`: indices of keys in the cache.
pub(super) fn chunks(visible: impl Iterator<Item = Spans>) -> Spans {
    visible.fold(Spans::default(), Spans::hull).units(CHUNK_KEYS)
}

/// Softmax over some keys of one row, before it is divided by its sum.
pub(super) struct ChunkResult<'a> {
    max: f32,
    sum: f32,
    /// `[value_dim]`: `sum_k exp(score_k - max) value_k`
    acc: &'a mut [f32],
}

impl<'a> ChunkResult<'a> {
    /// Of no keys.
    pub(super) fn empty(acc: &'a mut [f32]) -> Self {
        acc.fill(0.0);
        Self { max: f32::NEG_INFINITY, sum: 0.0, acc }
    }

    /// Floats of a stored result: `acc`, then `max` and `sum`.
    pub(super) fn width(value_dim: usize) -> usize {
        value_dim + 2
    }

    pub(super) fn stored(stored: &'a mut [f32]) -> Self {
        let (acc, rest) = stored.split_at_mut(stored.len() - 2);
        Self { max: rest[0], sum: rest[1], acc }
    }

    /// Adds a key that has no value: a learned sink (gpt-oss).
    pub(super) fn add_sink(&mut self, kernels: &Kernels, score: f32) {
        let mut weight = [score];
        let (max, factor, _) = (kernels.online_softmax)(&mut weight, self.max);
        self.max = max;
        self.sum = self.sum * factor + weight[0];
        self.acc.iter_mut().for_each(|acc| *acc *= factor);
    }

    fn saw_nothing(&self) -> bool {
        self.max == f32::NEG_INFINITY && self.sum == 0.0
    }

    fn inverse(&self) -> f32 {
        // A row that sees nothing has sum 0 and an acc of zeros.
        if self.sum > 0.0 || self.sum.is_nan() { 1.0 / self.sum } else { 0.0 }
    }

    /// Writes the weighted mean of the values to `out`; returns `ln(sum_k exp(score_k))`.
    pub(super) fn finish(&self, out: &mut [f32]) -> f32 {
        let inverse = self.inverse();
        for (out, acc) in out.iter_mut().zip(&*self.acc) {
            *out = acc * inverse;
        }
        self.max + self.sum.ln()
    }

    pub(super) fn finish_in_place(&mut self) -> f32 {
        let inverse = self.inverse();
        self.acc.iter_mut().for_each(|acc| *acc *= inverse);
        self.max + self.sum.ln()
    }
}

/// `total` over its keys and those of `next`.
pub(super) fn merge(kernels: &Kernels, total: &mut ChunkResult<'_>, next: &ChunkResult<'_>) {
    if next.saw_nothing() {
        return;
    }
    if total.saw_nothing() {
        (total.max, total.sum) = (next.max, next.sum);
        return total.acc.copy_from_slice(next.acc);
    }
    // Two keys of a softmax: the maximum so far, and that of the next ones.
    let mut weight = [next.max];
    let (max, factor, _) = (kernels.online_softmax)(&mut weight, total.max);
    total.max = max;
    total.sum = total.sum * factor + next.sum * weight[0];
    for (total, next) in total.acc.iter_mut().zip(&*next.acc) {
        *total = *total * factor + next * weight[0];
    }
}

/// One thread's buffers. `R` is the most rows of a tile.
pub struct AttendScratch {
    queries: QueryScratch,
    /// `[R, KEY_BLOCK]`
    scores: Vec<f32>,
    /// One block of keys or values as f32: `[head_dim, KEY_BLOCK]`, `[KEY_BLOCK, value_dim]`
    widened: Vec<f32>,
    values: ValueScratch,
    /// `[R, value_dim]`
    acc: Vec<f32>,
    /// `[R]`
    rescale: Vec<f32>,
    /// `[R]`: visible keys, running maximum and sum of each row in a chunk
    rows: Vec<RowState>,
    /// `[R, value_dim + 2]`: results of the chunks so far
    totals: Vec<f32>,
    choice: ChoiceScratch,
    pub(super) importance: ImportanceScratch,
    pub(super) watch: WatchScratch,
}

#[derive(Clone)]
struct RowState {
    visible: Spans,
    max: f32,
    sum: f32,
}

impl AttendScratch {
    pub fn new(params: &AttentionParams) -> Self {
        let n_rows = params.n_tile_rows();
        let (d, value_dim) = (params.head_dim, params.value_dim());
        Self {
            queries: QueryScratch::new(n_rows, d),
            scores: vec![0.0; n_rows * KEY_BLOCK],
            widened: vec![0.0; d * KEY_BLOCK],
            values: ValueScratch::new(d, params.values),
            acc: vec![0.0; n_rows * value_dim],
            rescale: vec![0.0; n_rows],
            rows: vec![RowState { visible: Spans::default(), max: 0.0, sum: 0.0 }; n_rows],
            totals: vec![0.0; n_rows * ChunkResult::width(value_dim)],
            choice: ChoiceScratch::default(),
            importance: ImportanceScratch::default(),
            watch: WatchScratch::default(),
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub fn n_bytes(params: &AttentionParams) -> usize {
        let (n_rows, d) = (params.n_tile_rows(), params.head_dim);
        let value_dim = params.value_dim();
        // Scores, accumulators, factors and totals of each row, and one block as f32.
        let row_floats = KEY_BLOCK + value_dim + 1 + ChunkResult::width(value_dim);
        let n_floats = n_rows * row_floats + d * KEY_BLOCK;
        QueryScratch::n_bytes(n_rows, d)
            + ValueScratch::n_bytes(d, params.values)
            + n_floats * size_of::<f32>()
            + n_rows * size_of::<RowState>()
    }

    /// Takes over the queries of a tile.
    pub(super) fn start(&mut self, tile: &TileCtx<'_>) {
        self.watch.start(tile.n_watched, tile.n_rows(), &tile.kv);
        for row_idx in 0..tile.n_rows() {
            let (token_idx, head_idx) = tile.row(row_idx);
            self.queries.set(row_idx, tile.q.head(token_idx, head_idx), tile.params().scale);
            let query_pos = tile.positions[token_idx];
            self.rows[row_idx].visible = tile.kv.visible(tile.attend.pattern, query_pos);
            self.watch.start_row(&tile.kv, query_pos);
        }
        self.queries.finish(tile.attend.kernels, tile.n_rows(), tile.kv.key_form());
    }

    /// The result of one chunk, alone.
    pub(super) fn attend_chunk(&mut self, tile: &TileCtx<'_>, chunk_idx: usize) {
        let n_rows = tile.n_rows();
        self.acc[..n_rows * tile.params().value_dim()].fill(0.0);
        for row in &mut self.rows[..n_rows] {
            (row.max, row.sum) = (f32::NEG_INFINITY, 0.0);
        }
        let chunk = chunk_idx * CHUNK_KEYS..(chunk_idx + 1) * CHUNK_KEYS;
        let is_read = |&block_idx: &usize| {
            tile.kv.holds(block_idx)
                && tile.chosen.is_none_or(|chosen| is_chosen(chosen, block_idx))
        };
        let mut blocks = self.blocks(n_rows, &chunk).iter().filter(is_read).peekable();
        // What comes behind the last one of a chunk that was chosen is not known here.
        let n_on = usize::from(tile.chosen.is_none());
        while let Some(block_idx) = blocks.next() {
            let next_idx = blocks.peek().copied().unwrap_or(block_idx + n_on);
            self.attend_block(tile, (block_idx, next_idx));
        }
    }

    /// Blocks of a chunk that at least one row sees.
    fn blocks(&self, n_rows: usize, chunk: &Range<usize>) -> Spans {
        let inside = self.rows[..n_rows].iter().map(|row| row.visible.clip(chunk));
        inside.fold(Spans::default(), Spans::hull).units(KEY_BLOCK)
    }

    /// Chooses blocks for a tile of one token.
    pub(super) fn choose(
        &mut self,
        tile: &TileCtx<'_>,
        n_blocks_and_own: (usize, usize),
        bits: &mut [u64],
    ) {
        self.start(tile);
        let d = tile.params().head_dim;
        let q = (&self.queries.q[..tile.n_rows() * d], d);
        let kv = (&tile.kv, tile.kv_head_idx);
        self.choice.choose(tile.attend.kernels, kv, q, n_blocks_and_own, bits);
    }

    /// `next_idx`: the block to ask for meanwhile.
    fn attend_block(&mut self, tile: &TileCtx<'_>, (block_idx, next_idx): (usize, usize)) {
        let (n_rows, head_idx) = (tile.n_rows(), tile.kv_head_idx);
        let kernels = tile.attend.kernels;
        // Many rows leave the memory time enough.
        let is_few = n_rows < N_ROWS_WIDENED;
        let next = if is_few { tile.kv.key_bytes(head_idx, next_idx) } else { Default::default() };
        let next = ask_for_scales(kernels, next);
        let keys = tile.kv.keys(head_idx, block_idx);
        self.score(tile.attend, (keys, next), n_rows);
        self.add_position_bias(tile, block_idx);
        for (row_idx, row) in self.rows[..n_rows].iter_mut().enumerate() {
            let scores = &mut self.scores[row_idx * KEY_BLOCK..][..KEY_BLOCK];
            hide(scores, &row.visible, block_idx);
            let at = (row_idx, block_idx);
            let (max, factor, sum) = self.watch.softmax(kernels, at, scores, row.max);
            row.max = max;
            row.sum = row.sum * factor + sum;
            self.rescale[row_idx] = factor;
        }
        let next =
            if is_few { tile.kv.value_bytes(head_idx, next_idx) } else { Default::default() };
        let next = ask_for_scales(kernels, next);
        self.accumulate(tile.attend, (&tile.kv, head_idx, block_idx), next, n_rows);
    }

    /// Adds the values of one block to `acc`, as `scores` and `rescale` say.
    fn accumulate(
        &mut self,
        ctx: &AttendCtx<'_>,
        (kv, kv_head_idx, block_idx): (&KvView<'_>, usize, usize),
        next: &[u8],
        n_rows: usize,
    ) {
        let (kernels, d) = (ctx.kernels, ctx.params.value_dim());
        let (weights, rescale) = (&self.scores[..n_rows * KEY_BLOCK], &self.rescale[..n_rows]);
        let acc = &mut self.acc[..n_rows * d];
        match kv.values(kernels, kv_head_idx, block_idx, &mut self.values) {
            Values::Floats(cells) => {
                let cells = widen_for(n_rows, kernels, cells, &mut self.widened);
                let block = CellBlock { cells, next };
                (kernels.attention_accumulate)(weights, rescale, block, d, acc);
            }
            Values::Ints(values) => {
                let values = IntValues { next, ..values };
                (kernels.attention_accumulate_int)(weights, rescale, values, d, acc);
            }
        }
    }

    /// Scores of the queries with one block of keys, capped but not masked.
    fn score(&mut self, ctx: &AttendCtx<'_>, (keys, next): (Keys<'_>, &[u8]), n_rows: usize) {
        let d = ctx.params.head_dim;
        let scores = &mut self.scores[..n_rows * KEY_BLOCK];
        match keys {
            Keys::Floats(cells) => {
                let cells = widen_for(n_rows, ctx.kernels, cells, &mut self.widened);
                let (q, block) = (&self.queries.q[..n_rows * d], CellBlock { cells, next });
                (ctx.kernels.attention_scores)(q, block, d, scores);
            }
            Keys::Ints(ints) => self.queries.multiply(ctx.kernels, (&ints, next), scores),
        }
        if let Some(cap) = ctx.params.softcap {
            (ctx.kernels.softcap)(scores, cap);
        }
    }

    fn add_position_bias(&mut self, tile: &TileCtx<'_>, block_idx: usize) {
        let bias = tile.attend.terms.position_bias;
        if matches!(bias, PositionBias::None) {
            return;
        }
        let key_positions = &tile.kv.positions()[block_idx * KEY_BLOCK..];
        let scores = self.scores.chunks_exact_mut(KEY_BLOCK).take(tile.n_rows());
        for (row_idx, scores) in scores.enumerate() {
            let (token_idx, head_idx) = tile.row(row_idx);
            bias.add((head_idx, tile.positions[token_idx]), key_positions, scores);
        }
    }

    pub(super) fn clear_totals(&mut self, tile: &TileCtx<'_>) {
        let width = ChunkResult::width(tile.params().value_dim());
        for total in self.totals[..tile.n_rows() * width].chunks_exact_mut(width) {
            total.fill(0.0);
            total[width - 2] = f32::NEG_INFINITY;
        }
    }

    /// Merges the last chunk into the totals.
    pub(super) fn add_to_totals(&mut self, tile: &TileCtx<'_>) {
        let d = tile.params().value_dim();
        let width = ChunkResult::width(d);
        for row_idx in 0..tile.n_rows() {
            let RowState { max, sum, .. } = self.rows[row_idx];
            let acc = &mut self.acc[row_idx * d..][..d];
            let stored = &mut self.totals[row_idx * width..][..width];
            let mut total = ChunkResult::stored(stored);
            merge(tile.attend.kernels, &mut total, &ChunkResult { max, sum, acc });
            let (max, sum) = (total.max, total.sum);
            stored[d..].copy_from_slice(&[max, sum]);
        }
    }

    pub(super) fn total(&mut self, row_idx: usize, value_dim: usize) -> ChunkResult<'_> {
        let width = ChunkResult::width(value_dim);
        ChunkResult::stored(&mut self.totals[row_idx * width..][..width])
    }

    /// Writes the last chunk's results to `out`: `[n_rows, value_dim + 2]`.
    pub(super) fn store_chunk(&self, tile: &TileCtx<'_>, out: &mut [f32]) {
        let d = tile.params().value_dim();
        let rows = self.rows.iter().zip(self.acc.chunks_exact(d));
        let out = out.chunks_exact_mut(ChunkResult::width(d));
        for ((row, acc), out) in rows.zip(out).take(tile.n_rows()) {
            out[..d].copy_from_slice(acc);
            out[d..].copy_from_slice(&[row.max, row.sum]);
        }
    }

    /// Lengths of the values of one block: `[KEY_BLOCK]`.
    pub(super) fn value_lengths(
        &mut self,
        ctx: &AttendCtx<'_>,
        at: (&KvView<'_>, usize, usize),
        lengths: &mut [f32],
    ) {
        let (n_tile_rows, d) = (ctx.params.n_tile_rows(), ctx.params.value_dim());
        for (tile_idx, lengths) in lengths.chunks_mut(n_tile_rows).enumerate() {
            // Each row is the sum of one value.
            let n_rows = lengths.len();
            let rows = self.scores[..n_rows * KEY_BLOCK].chunks_exact_mut(KEY_BLOCK);
            for (i, weights) in rows.enumerate() {
                weights.fill(0.0);
                weights[tile_idx * n_tile_rows + i] = 1.0;
            }
            self.acc[..n_rows * d].fill(0.0);
            self.rescale[..n_rows].fill(1.0);
            self.accumulate(ctx, at, &[], n_rows);
            for (length, value) in lengths.iter_mut().zip(self.acc.chunks_exact(d)) {
                *length = value.iter().map(|x| x * x).sum::<f32>().sqrt();
            }
        }
    }

    /// Takes over queries, of which there is room for [`AttentionParams::n_tile_rows`].
    pub(super) fn take_queries<'a>(
        &mut self,
        ctx: &AttendCtx<'_>,
        queries: impl ExactSizeIterator<Item = &'a [f32]>,
        key_form: KeyForm,
    ) {
        let n_rows = queries.len();
        for (row_idx, q) in queries.enumerate() {
            self.queries.set(row_idx, q, ctx.params.scale);
        }
        self.queries.finish(ctx.kernels, n_rows, key_form);
    }

    /// Scores of the first of these queries with the keys of one block, capped but without the
    /// terms of their heads and not masked: `[n_rows, KEY_BLOCK]`.
    pub(super) fn scores_of(
        &mut self,
        ctx: &AttendCtx<'_>,
        n_rows: usize,
        (kv, kv_head_idx, block_idx): (&KvView<'_>, usize, usize),
    ) -> &mut [f32] {
        self.score(ctx, (kv.keys(kv_head_idx, block_idx), &[]), n_rows);
        &mut self.scores[..n_rows * KEY_BLOCK]
    }
}

/// For so many rows a block is widened to f32 once, not by each few of them.
const N_ROWS_WIDENED: usize = 12;

/// Asks for all of a block's bytes but the first, and returns those: a kernel asks for them a line
/// at a time, between what it computes.
fn ask_for_scales<'a>(kernels: &Kernels, [first, rest @ ..]: [&'a [u8]; 4]) -> &'a [u8] {
    rest.iter().for_each(|bytes| (kernels.prefetch)(bytes));
    first
}

/// A block in the form that is best for so many rows; the results are the same.
fn widen_for<'a>(
    n_rows: usize,
    kernels: &Kernels,
    cells: Cells<'a>,
    widened: &'a mut [f32],
) -> Cells<'a> {
    if n_rows < N_ROWS_WIDENED {
        return cells;
    }
    match cells {
        Cells::F32(_) => cells,
        Cells::F16(cells) => {
            (kernels.f16_to_f32)(cells, widened);
            Cells::F32(widened)
        }
        Cells::Bf16(cells) => {
            for (out, &bits) in widened.iter_mut().zip(cells) {
                *out = f32::from_bits(u32::from(bits) << 16);
            }
            Cells::F32(widened)
        }
    }
}

/// Masks what lies outside `visible` (indices of keys in the cache) in one block's scores.
pub(super) fn hide(scores: &mut [f32], visible: &Spans, block_idx: usize) {
    let first = block_idx * KEY_BLOCK;
    let [a, b] = visible.within(&(first..first + KEY_BLOCK));
    scores[..a.start].fill(f32::NEG_INFINITY);
    scores[a.end..b.start].fill(f32::NEG_INFINITY);
    scores[b.end..].fill(f32::NEG_INFINITY);
}
