//! Flash attention (Dao et al. 2022) of a whole batch: online softmax over blocks of keys, never
//! N x N, and one job for the threads.
//!
//! A tile of rows is all query heads of one kv head for a few query tokens, so keys and values are
//! read once per kv head. A row's result is the fold, in order, over chunks that lie at fixed
//! places of the cache, so a row's bits depend on nothing but its own query and keys (M6), and
//! threads may share tiles or, where there are few of them, the chunks of a tile (flash decoding,
//! Dao et al. 2023).

use std::ops::Range;

use kernels::{KEY_BLOCK, Kernels};

use super::AttentionPattern;
use super::bias::PositionBias;
use super::spans::Spans;
use super::tile::{AttendScratch, ChunkResult, N_ROWS_MAX, TileCtx, chunks, merge};
use super::watched::WatchBuffers;
use crate::batch::{BatchSequence, KeysOf};
use crate::kv::{KvCache, KvView, ValuePlace};
use crate::pool::{ThreadPool, TileMut, TileRows, Tiled};
use crate::shape::Heads;

#[derive(Clone, Copy, Debug)]
pub struct AttentionParams {
    pub n_heads: usize,
    pub n_kv_heads: usize,
    /// Width of queries and keys.
    pub head_dim: usize,
    pub values: ValuePlace,
    /// Multiplies `q . k`; usually `head_dim^-0.5`.
    pub scale: f32,
    /// `cap * tanh(score / cap)`, before the mask.
    pub softcap: Option<f32>,
}

/// What stays constant over one call of [`attend`].
#[derive(Clone, Copy)]
pub struct AttendCtx<'a> {
    pub kernels: &'a Kernels,
    pub params: AttentionParams,
    pub pattern: AttentionPattern,
    pub terms: HeadTerms<'a>,
}

/// What some models add to the softmax of each head.
#[derive(Clone, Copy, Debug)]
pub struct HeadTerms<'a> {
    /// The score of one more key, which has no value (gpt-oss's learned sinks): `[n_heads]`, or
    /// empty.
    pub sink_logits: &'a [f32],
    pub position_bias: &'a PositionBias,
}

impl HeadTerms<'_> {
    fn add_sink(&self, kernels: &Kernels, head_idx: usize, total: &mut ChunkResult<'_>) {
        if let Some(&logit) = self.sink_logits.get(head_idx) {
            total.add_sink(kernels, logit);
        }
    }
}

/// The queries of a batch.
#[derive(Clone, Copy)]
pub struct Queries<'a> {
    /// `[n_tokens, n_heads, head_dim]`
    pub q: Heads<'a>,
    /// `[n_tokens]`
    pub positions: &'a [u32],
    /// Whose rows are whose.
    pub sequences: &'a [BatchSequence],
}

/// Keys and values of one layer.
#[derive(Clone, Copy)]
pub struct LayerKeys<'a> {
    pub kv: &'a KvCache,
    pub layer_idx: usize,
    pub of: KeysOf,
}

impl<'a> LayerKeys<'a> {
    pub(crate) fn view(&self, sequence: &BatchSequence) -> KvView<'a> {
        self.kv.view(self.layer_idx, sequence.keys_of(self.of))
    }

    /// Of the longest text of a batch.
    pub(super) fn n_blocks_max(&self, sequences: &[BatchSequence]) -> usize {
        let of_each = sequences.iter().map(|sequence| self.view(sequence).n_keys());
        of_each.max().unwrap_or(0).div_ceil(KEY_BLOCK)
    }
}

/// How a batch is cut, and results on their way.
pub struct AttendBuffers {
    /// Rows of the batch that share their tiles: tokens of one sequence.
    pub(super) bands: Vec<Range<usize>>,
    /// One a band.
    cuts: Vec<Cut>,
    /// Results of chunks: `[n_items, rows of a tile, value_dim + 2]`.
    partials: Vec<f32>,
    /// Bands that look at few blocks.
    choosing: Vec<Choosing>,
    chosen: ChosenBlocks,
    pub(super) watch: WatchBuffers,
}

/// What the bands that look at few blocks look at.
#[derive(Default)]
struct ChosenBlocks {
    /// `[n_bands, n_kv_heads, n_words]`: a bit a block
    bits: Vec<u64>,
    n_words: usize,
}

impl ChosenBlocks {
    /// The blocks of a tile; `None`: all that it sees.
    fn of(&self, cut: &Cut, (kv_head_idx, n_kv_heads): (usize, usize)) -> Option<&[u64]> {
        let first = (cut.choosing_idx? * n_kv_heads + kv_head_idx) * self.n_words;
        Some(&self.bits[first..][..self.n_words])
    }
}

/// A band of one token that looks at few blocks.
struct Choosing {
    band_idx: usize,
    n_blocks: usize,
    /// The block of the token itself.
    own_idx: usize,
}

/// Where a band ends, if its tile has room for more.
#[derive(Clone, Copy)]
pub(super) enum BandEnds {
    Anywhere,
    /// So that it lies within positions `64 i..64 i + 64`.
    AtBlocks,
}

/// How the keys of a band are cut.
#[derive(Clone)]
struct Cut {
    sequence_idx: usize,
    chunks: Spans,
    /// Items of the bands before this one; an item is a chunk of a tile.
    first_item: usize,
    /// Where it looks at few blocks: which of those bands it is.
    choosing_idx: Option<usize>,
}

/// Rows of all chunks of all tiles that are computed apart: a few tokens of a very long text.
const N_PARTIAL_ROWS: usize = 4096;
/// With as many tiles a thread, each thread takes whole ones.
const TILES_PER_THREAD: usize = 4;

impl AttentionParams {
    pub fn n_heads_per_kv(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    pub fn value_dim(&self) -> usize {
        self.values.width(self.head_dim)
    }

    /// Query tokens of a tile.
    fn band_len(&self) -> usize {
        (N_ROWS_MAX / self.n_heads_per_kv()).max(1)
    }

    /// Rows that share a pass over the keys.
    pub(super) fn n_tile_rows(&self) -> usize {
        self.band_len() * self.n_heads_per_kv()
    }
}

impl AttendBuffers {
    /// For batches of up to `n_tokens_max` rows.
    pub fn new(params: &AttentionParams, n_tokens_max: usize) -> Self {
        Self {
            bands: Vec::with_capacity(n_tokens_max),
            cuts: Vec::with_capacity(n_tokens_max),
            partials: vec![0.0; N_PARTIAL_ROWS * ChunkResult::width(params.value_dim())],
            choosing: Vec::new(),
            chosen: ChosenBlocks::default(),
            watch: WatchBuffers::default(),
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub fn n_bytes(params: &AttentionParams, n_tokens_max: usize) -> usize {
        n_tokens_max * (size_of::<Range<usize>>() + size_of::<Cut>())
            + N_PARTIAL_ROWS * ChunkResult::width(params.value_dim()) * size_of::<f32>()
    }

    /// Cuts the batch; returns the number of items.
    fn cut(
        &mut self,
        ctx: &AttendCtx<'_>,
        queries: &Queries<'_>,
        keys: LayerKeys<'_>,
        ends: BandEnds,
    ) -> usize {
        self.bands.clear();
        self.cuts.clear();
        self.choosing.clear();
        self.chosen.n_words = 0;
        let mut n_items = 0;
        for (sequence_idx, sequence) in queries.sequences.iter().enumerate() {
            let view = keys.view(sequence);
            let few = view.few(ctx.pattern);
            let mut start = sequence.rows.start;
            while start < sequence.rows.end {
                let first_pos = queries.positions[start];
                // Rows that choose do so alone; the others end before those.
                let chooses = few.filter(|&(_, from)| first_pos >= from);
                let n_rows = match (chooses, few) {
                    (Some(_), _) => 1,
                    (None, Some((_, from))) => {
                        ctx.params.band_len().min((from - first_pos) as usize)
                    }
                    (None, None) => ctx.params.band_len(),
                };
                let n_rows = match ends {
                    BandEnds::Anywhere => n_rows,
                    BandEnds::AtBlocks => n_rows.min(KEY_BLOCK - first_pos as usize % KEY_BLOCK),
                };
                let band = start..(start + n_rows).min(sequence.rows.end);
                start = band.end;
                let visible = queries.positions[band.clone()]
                    .iter()
                    .map(|&pos| view.visible(ctx.pattern, pos));
                let chunks = chunks(visible);
                let first_item = n_items;
                n_items += chunks.len() * ctx.params.n_kv_heads;
                let choosing_idx = chooses.map(|(n_blocks, _)| {
                    let own_idx = view.visible(ctx.pattern, first_pos).len().max(1) - 1;
                    let own_idx = own_idx / KEY_BLOCK;
                    self.chosen.n_words = self.chosen.n_words.max(own_idx / 64 + 1);
                    self.choosing.push(Choosing { band_idx: self.bands.len(), n_blocks, own_idx });
                    self.choosing.len() - 1
                });
                self.bands.push(band);
                self.cuts.push(Cut { sequence_idx, chunks, first_item, choosing_idx });
            }
        }
        n_items
    }
}

/// `out[t, h] = sum_k softmax(scale * q[t, h] . key[k]) value[k]` over the keys that the pattern
/// lets `t` see; zeros where it sees none.
///
/// # Shapes
/// - `out`: `[n_tokens, n_heads * value_dim]`
/// - `log_sum_exp`: `[n_tokens, n_heads]`, see [`crate::probe::RowStats`]
/// - `scratch`: one per thread
pub fn attend<S: Send + AsMut<AttendScratch>>(
    ctx: &AttendCtx<'_>,
    queries: Queries<'_>,
    keys: LayerKeys<'_>,
    buffers: &mut AttendBuffers,
    (pool, scratch): (&mut ThreadPool, &mut [S]),
    (out, log_sum_exp): (&mut [f32], &mut [f32]),
) {
    let job = Job { ctx, queries, keys };
    let n_items = job.begin(buffers, BandEnds::Anywhere, (pool, scratch));
    let n_band_tokens = buffers.bands.iter().map(Range::len).max().unwrap_or(0);
    let n_tile_rows = n_band_tokens * ctx.params.n_heads_per_kv();
    let n_tiles = buffers.bands.len() * ctx.params.n_kv_heads;
    let is_split = pool.n_threads() > 1
        && n_tiles < TILES_PER_THREAD * pool.n_threads()
        && n_items > n_tiles
        && n_items * n_tile_rows <= N_PARTIAL_ROWS;
    if is_split {
        job.attend_chunks(buffers, (n_items, n_tile_rows), (pool, scratch));
        job.merge_chunks(buffers, n_tile_rows, (out, log_sum_exp));
    } else {
        job.attend_tiles(buffers, (pool, scratch), (out, log_sum_exp));
    }
}

/// One call of [`attend`], or of one who watches it.
pub(super) struct Job<'a> {
    pub(super) ctx: &'a AttendCtx<'a>,
    pub(super) queries: Queries<'a>,
    pub(super) keys: LayerKeys<'a>,
}

impl<'a> Job<'a> {
    /// Cuts the batch and chooses blocks where that is to be done; returns the number of items.
    pub(super) fn begin<S: Send + AsMut<AttendScratch>>(
        &self,
        buffers: &mut AttendBuffers,
        ends: BandEnds,
        (pool, scratch): (&mut ThreadPool, &mut [S]),
    ) -> usize {
        let Self { ctx, queries, keys } = self;
        assert_eq!(queries.q.n_tokens(), queries.positions.len());
        assert_eq!(queries.q.n_heads(), ctx.params.n_heads);
        let (sinks, n_heads) = (ctx.terms.sink_logits, ctx.params.n_heads);
        assert!(sinks.is_empty() || sinks.len() == n_heads, "one number a head");
        assert!(ctx.terms.position_bias.is_of(n_heads), "numbers of each head");
        let n_items = buffers.cut(ctx, queries, *keys, ends);
        if !buffers.choosing.is_empty() {
            self.choose_blocks(buffers, (pool, scratch));
        }
        n_items
    }

    /// A tile of one band and all chunks.
    pub(super) fn whole_tile(
        &self,
        buffers: &'a AttendBuffers,
        (band_idx, kv_head_idx): (usize, usize),
    ) -> TileCtx<'a> {
        let cut = &buffers.cuts[band_idx];
        let chosen = buffers.chosen.of(cut, (kv_head_idx, self.ctx.params.n_kv_heads));
        self.tile(cut, &buffers.bands[band_idx], kv_head_idx, chosen)
    }

    fn tile(
        &self,
        cut: &Cut,
        band: &Range<usize>,
        kv_head_idx: usize,
        chosen: Option<&'a [u64]>,
    ) -> TileCtx<'a> {
        TileCtx {
            n_watched: 0,
            attend: self.ctx,
            q: self.queries.q,
            positions: self.queries.positions,
            kv: self.keys.view(&self.queries.sequences[cut.sequence_idx]),
            tokens: band.clone(),
            kv_head_idx,
            chosen,
        }
    }

    /// Fills `buffers.chosen`.
    fn choose_blocks<S: Send + AsMut<AttendScratch>>(
        &self,
        buffers: &mut AttendBuffers,
        (pool, scratch): (&mut ThreadPool, &mut [S]),
    ) {
        let n_kv_heads = self.ctx.params.n_kv_heads;
        let AttendBuffers { bands, cuts, choosing, chosen: ChosenBlocks { bits, n_words }, .. } =
            buffers;
        let n_used = choosing.len() * n_kv_heads * *n_words;
        bits.resize(n_used.max(bits.len()), 0);
        let data = &mut bits[..n_used];
        let items =
            Tiled { data, n_cols: *n_words, tile_rows: TileRows::Even(1), tile_cols: *n_words };
        pool.for_each_tile(scratch, [items], |scratch, idx, [mut bits]| {
            let &Choosing { band_idx, n_blocks, own_idx } = &choosing[idx / n_kv_heads];
            let tile = self.tile(&cuts[band_idx], &bands[band_idx], idx % n_kv_heads, None);
            scratch.as_mut().choose(&tile, (n_blocks, own_idx), bits.row_mut(0));
        });
    }

    /// A thread takes all chunks of a tile.
    fn attend_tiles<S: Send + AsMut<AttendScratch>>(
        &self,
        buffers: &AttendBuffers,
        (pool, scratch): (&mut ThreadPool, &mut [S]),
        outs: (&mut [f32], &mut [f32]),
    ) {
        let n_kv_heads = self.ctx.params.n_kv_heads;
        let outs = self.tiled_outs(buffers, outs);
        pool.for_each_tile(scratch, outs, |scratch, tile_idx, [mut out, mut stats]| {
            let at = (tile_idx / n_kv_heads, tile_idx % n_kv_heads);
            let tile = self.whole_tile(buffers, at);
            let chunks = self.chunks(buffers, at.0);
            self.attend_tile((&tile, chunks), scratch.as_mut(), (&mut out, &mut stats));
        });
    }

    /// What [`attend`] writes, cut into whole tiles.
    pub(super) fn tiled_outs<'b>(
        &self,
        buffers: &'b AttendBuffers,
        (out, log_sum_exp): (&'b mut [f32], &'b mut [f32]),
    ) -> [Tiled<'b>; 2] {
        let params = &self.ctx.params;
        let (n_heads, d, group) = (params.n_heads, params.value_dim(), params.n_heads_per_kv());
        let tile_rows = TileRows::Bands(&buffers.bands);
        let out = Tiled { data: out, n_cols: n_heads * d, tile_rows, tile_cols: group * d };
        [out, Tiled { data: log_sum_exp, n_cols: n_heads, tile_rows, tile_cols: group }]
    }

    /// The chunks of a band.
    pub(super) fn chunks<'b>(&self, buffers: &'b AttendBuffers, band_idx: usize) -> &'b Spans {
        &buffers.cuts[band_idx].chunks
    }

    /// All chunks of a tile.
    pub(super) fn attend_tile(
        &self,
        (tile, chunks): (&TileCtx<'_>, &Spans),
        scratch: &mut AttendScratch,
        (out, log_sum_exp): (&mut TileMut<'_>, &mut TileMut<'_>),
    ) {
        let (d, group) = (self.ctx.params.value_dim(), self.ctx.params.n_heads_per_kv());
        scratch.start(tile);
        scratch.clear_totals(tile);
        for chunk_idx in chunks.iter() {
            scratch.attend_chunk(tile, chunk_idx);
            scratch.add_to_totals(tile);
        }
        for row_idx in 0..tile.n_rows() {
            let (token_idx, head_idx) = (row_idx / group, row_idx % group);
            let out = &mut out.row_mut(token_idx)[head_idx * d..][..d];
            let mut total = scratch.total(row_idx, d);
            let (_, of_all) = tile.row(row_idx);
            self.ctx.terms.add_sink(self.ctx.kernels, of_all, &mut total);
            log_sum_exp.row_mut(token_idx)[head_idx] = total.finish(out);
        }
    }

    /// A thread takes one chunk of a tile.
    fn attend_chunks<S: Send + AsMut<AttendScratch>>(
        &self,
        buffers: &mut AttendBuffers,
        (n_items, n_tile_rows): (usize, usize),
        (pool, scratch): (&mut ThreadPool, &mut [S]),
    ) {
        let AttendBuffers { bands, cuts, partials, chosen, .. } = buffers;
        let n_kv_heads = self.ctx.params.n_kv_heads;
        let width = n_tile_rows * ChunkResult::width(self.ctx.params.value_dim());
        let data = &mut partials[..n_items * width];
        let tile_rows = TileRows::Even(1);
        let items = Tiled { data, n_cols: width, tile_rows, tile_cols: width };
        pool.for_each_tile(scratch, [items], |scratch, item_idx, [mut item]| {
            let band_idx = cuts.partition_point(|cut| cut.first_item <= item_idx) - 1;
            let cut = &cuts[band_idx];
            let item_idx = item_idx - cut.first_item;
            // Chunks of one kv head follow each other, and so lie with one thread.
            let (kv_head_idx, chunk_idx) =
                (item_idx / cut.chunks.len(), item_idx % cut.chunks.len());
            let chosen = chosen.of(cut, (kv_head_idx, n_kv_heads));
            let tile = self.tile(cut, &bands[band_idx], kv_head_idx, chosen);
            let scratch = scratch.as_mut();
            scratch.start(&tile);
            scratch.attend_chunk(&tile, cut.chunks.nth(chunk_idx));
            scratch.store_chunk(&tile, item.row_mut(0));
        });
    }

    /// Folds what `attend_chunks` left.
    fn merge_chunks(
        &self,
        buffers: &mut AttendBuffers,
        n_tile_rows: usize,
        (out, log_sum_exp): (&mut [f32], &mut [f32]),
    ) {
        let params = &self.ctx.params;
        let (d, group) = (params.value_dim(), params.n_heads_per_kv());
        let row_width = ChunkResult::width(d);
        let AttendBuffers { bands, cuts, partials, .. } = buffers;
        for (band, cut) in bands.iter().zip(cuts) {
            for head_row_idx in 0..band.len() * params.n_heads {
                let (token_idx, head_idx) =
                    (band.start + head_row_idx / params.n_heads, head_row_idx % params.n_heads);
                let kv_head_idx = head_idx / group;
                let row_idx = (token_idx - band.start) * group + head_idx % group;
                let first_item = cut.first_item + kv_head_idx * cut.chunks.len();
                let at = |chunk_idx: usize| {
                    ((first_item + chunk_idx) * n_tile_rows + row_idx) * row_width
                };
                let out = &mut out[(token_idx * params.n_heads + head_idx) * d..][..d];
                let mut total = ChunkResult::empty(out);
                for chunk_idx in 0..cut.chunks.len() {
                    let partial = &mut partials[at(chunk_idx)..][..row_width];
                    merge(self.ctx.kernels, &mut total, &ChunkResult::stored(partial));
                }
                self.ctx.terms.add_sink(self.ctx.kernels, head_idx, &mut total);
                log_sum_exp[token_idx * params.n_heads + head_idx] = total.finish_in_place();
            }
        }
    }
}
