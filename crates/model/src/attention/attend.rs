//! Flash attention (Dao et al. 2022): online softmax over blocks of keys, never N x N.
//!
//! A tile of rows is all query heads of one kv head for a few query tokens, so keys and values are
//! read once per kv head. Blocks lie on fixed positions of the cache and a row's sums run over
//! them in order, so a row's bits depend on nothing but its own query and keys (M6).

use std::ops::Range;

use kernels::{KEY_BLOCK, Kernels};

use super::AttentionPattern;
use crate::kv::KvView;
use crate::pool::{ThreadPool, TileMut, Tiled};
use crate::probe::RowStats;
use crate::shape::Heads;

#[derive(Clone, Copy, Debug)]
pub struct AttentionParams {
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
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
}

/// One thread's buffers. `R` is the most rows of a tile.
pub struct AttendScratch {
    /// `[R, head_dim]`, scaled
    q: Vec<f32>,
    /// `[R, KEY_BLOCK]`
    scores: Vec<f32>,
    /// `[head_dim, KEY_BLOCK]`
    keys: Vec<f32>,
    /// `[KEY_BLOCK, head_dim]`
    values: Vec<f32>,
    /// `[R, head_dim]`
    acc: Vec<f32>,
    /// `[R]`
    rescale: Vec<f32>,
    /// `[R]`: visible keys, running maximum and sum of each row
    rows: Vec<RowState>,
}

#[derive(Clone)]
struct RowState {
    visible: Range<usize>,
    max: f32,
    sum: f32,
}

/// Rows that share a pass over the keys: enough to pay for reading them, few enough for L1.
const N_ROWS_MAX: usize = 48;

impl AttentionParams {
    pub fn n_heads_per_kv(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    fn tile_tokens(&self) -> usize {
        (N_ROWS_MAX / self.n_heads_per_kv()).max(1)
    }
}

impl AttendScratch {
    pub fn new(params: &AttentionParams) -> Self {
        let n_rows = params.tile_tokens() * params.n_heads_per_kv();
        let d = params.head_dim;
        Self {
            q: vec![0.0; n_rows * d],
            scores: vec![0.0; n_rows * KEY_BLOCK],
            keys: vec![0.0; d * KEY_BLOCK],
            values: vec![0.0; KEY_BLOCK * d],
            acc: vec![0.0; n_rows * d],
            rescale: vec![0.0; n_rows],
            rows: vec![RowState { visible: 0..0, max: 0.0, sum: 0.0 }; n_rows],
        }
    }
}

/// `out[t, h] = sum_k softmax(scale * q[t, h] . key[k]) value[k]` over the keys that the pattern
/// lets `t` see; zeros where it sees none.
///
/// # Shapes
/// - `q`: `[n_tokens, n_heads, head_dim]`, at `query_pos`: `[n_tokens]`
/// - `out`: `[n_tokens, n_heads * head_dim]`
/// - `log_sum_exp`: `[n_tokens, n_heads]`, see [`RowStats`]
/// - `scratch`: one per thread
pub fn attend<S: Send + AsMut<AttendScratch>>(
    ctx: &AttendCtx<'_>,
    (q, query_pos): (Heads<'_>, &[u32]),
    kv: &KvView<'_>,
    (pool, scratch): (&mut ThreadPool, &mut [S]),
    (out, log_sum_exp): (&mut [f32], &mut [f32]),
) {
    let params = &ctx.params;
    assert_eq!(q.n_tokens(), query_pos.len());
    assert_eq!(q.n_heads(), params.n_heads);
    let (tile_rows, group) = (params.tile_tokens(), params.n_heads_per_kv());
    let n_cols = params.n_heads * params.head_dim;
    let tile_cols = group * params.head_dim;
    let out = Tiled { data: out, n_cols, tile_rows, tile_cols };
    let n_cols = params.n_heads;
    let log_sum_exp = Tiled { data: log_sum_exp, n_cols, tile_rows, tile_cols: group };
    pool.for_each_tile(scratch, [out, log_sum_exp], |scratch, _, [out, log_sum_exp]| {
        attend_tile(ctx, (q, query_pos), kv, scratch.as_mut(), (out, log_sum_exp));
    });
}

/// All heads of one kv head for the tokens of one tile.
fn attend_tile(
    ctx: &AttendCtx<'_>,
    (q, query_pos): (Heads<'_>, &[u32]),
    kv: &KvView<'_>,
    scratch: &mut AttendScratch,
    (mut out, mut log_sum_exp): (TileMut<'_>, TileMut<'_>),
) {
    let (d, group) = (ctx.params.head_dim, ctx.params.n_heads_per_kv());
    let kv_head_idx = out.first_col() / (group * d);
    let (first_token, n_rows) = (out.first_row(), out.n_rows() * group);
    for row_idx in 0..n_rows {
        let (token_idx, head_idx) =
            (first_token + row_idx / group, kv_head_idx * group + row_idx % group);
        scale_query(ctx, q.head(token_idx, head_idx), &mut scratch.q[row_idx * d..][..d]);
        let visible = kv.visible(ctx.pattern, query_pos[token_idx]);
        scratch.rows[row_idx] = RowState { visible, max: f32::NEG_INFINITY, sum: 0.0 };
    }
    scratch.acc[..n_rows * d].fill(0.0);
    for block_idx in blocks(&scratch.rows[..n_rows]) {
        attend_block(ctx, kv, (kv_head_idx, block_idx), n_rows, scratch);
    }
    for row_idx in 0..n_rows {
        let row = &scratch.rows[row_idx];
        // A row that sees nothing has sum 0 and an acc of zeros.
        let inverse = if row.sum > 0.0 || row.sum.is_nan() { 1.0 / row.sum } else { 0.0 };
        let acc = &scratch.acc[row_idx * d..][..d];
        let out = &mut out.row_mut(row_idx / group)[row_idx % group * d..][..d];
        for (out, acc) in out.iter_mut().zip(acc) {
            *out = acc * inverse;
        }
        log_sum_exp.row_mut(row_idx / group)[row_idx % group] = row.max + row.sum.ln();
    }
}

/// Blocks that at least one row sees.
fn blocks(rows: &[RowState]) -> Range<usize> {
    let seen = || rows.iter().map(|row| &row.visible).filter(|visible| !visible.is_empty());
    let start = seen().map(|visible| visible.start).min().unwrap_or(0);
    let end = seen().map(|visible| visible.end).max().unwrap_or(0);
    start / KEY_BLOCK..end.div_ceil(KEY_BLOCK)
}

fn attend_block(
    ctx: &AttendCtx<'_>,
    kv: &KvView<'_>,
    (kv_head_idx, block_idx): (usize, usize),
    n_rows: usize,
    scratch: &mut AttendScratch,
) {
    let d = ctx.params.head_dim;
    let keys = kv.keys(ctx.kernels, kv_head_idx, block_idx, &mut scratch.keys);
    score_block(ctx, keys, &scratch.q[..n_rows * d], &mut scratch.scores[..n_rows * KEY_BLOCK]);
    for (row_idx, row) in scratch.rows[..n_rows].iter_mut().enumerate() {
        let scores = &mut scratch.scores[row_idx * KEY_BLOCK..][..KEY_BLOCK];
        hide(scores, &row.visible, block_idx);
        let (max, factor, sum) = (ctx.kernels.online_softmax)(scores, row.max);
        row.max = max;
        row.sum = row.sum.mul_add(factor, sum);
        scratch.rescale[row_idx] = factor;
    }
    let values = kv.values(ctx.kernels, kv_head_idx, block_idx, &mut scratch.values);
    (ctx.kernels.attention_accumulate)(
        &scratch.scores[..n_rows * KEY_BLOCK],
        &scratch.rescale[..n_rows],
        values,
        d,
        &mut scratch.acc[..n_rows * d],
    );
}

fn scale_query(ctx: &AttendCtx<'_>, q: &[f32], out: &mut [f32]) {
    for (out, q) in out.iter_mut().zip(q) {
        *out = q * ctx.params.scale;
    }
}

/// Scores of scaled queries, capped but not masked; `scores`: `[n_rows, KEY_BLOCK]`.
fn score_block(ctx: &AttendCtx<'_>, keys: &[f32], q: &[f32], scores: &mut [f32]) {
    (ctx.kernels.attention_scores)(q, keys, ctx.params.head_dim, scores);
    if let Some(cap) = ctx.params.softcap {
        (ctx.kernels.softcap)(scores, cap);
    }
}

/// Masks what lies outside `visible` (indices of keys in the cache) in one block's scores.
fn hide(scores: &mut [f32], visible: &Range<usize>, block_idx: usize) {
    let first = block_idx * KEY_BLOCK;
    let start = visible.start.clamp(first, first + KEY_BLOCK) - first;
    let end = visible.end.clamp(first, first + KEY_BLOCK) - first;
    scores[..start].fill(f32::NEG_INFINITY);
    scores[end.max(start)..].fill(f32::NEG_INFINITY);
}

/// One full row of attention weights, by a second pass over the keys of one head:
/// `weights[k] = exp(score[k] - log_sum_exp)`, zero where the pattern hides the key.
///
/// # Shapes
/// - `q`: `[head_dim]`, the rotated query
/// - `weights`: filled to `[n_keys]`
pub fn attention_weights(
    ctx: &AttendCtx<'_>,
    (q, query_pos): (&[f32], u32),
    (kv, head_idx): (&KvView<'_>, usize),
    stats: &RowStats,
    scratch: &mut AttendScratch,
    weights: &mut Vec<f32>,
) {
    let d = ctx.params.head_dim;
    let kv_head_idx = head_idx / ctx.params.n_heads_per_kv();
    let visible = kv.visible(ctx.pattern, query_pos);
    scale_query(ctx, q, &mut scratch.q[..d]);
    weights.clear();
    weights.resize(kv.n_keys(), 0.0);
    for block_idx in visible.start / KEY_BLOCK..visible.end.div_ceil(KEY_BLOCK) {
        let keys = kv.keys(ctx.kernels, kv_head_idx, block_idx, &mut scratch.keys);
        let scores = &mut scratch.scores[..KEY_BLOCK];
        score_block(ctx, keys, &scratch.q[..d], scores);
        let first = block_idx * KEY_BLOCK;
        let start = visible.start.max(first);
        let end = visible.end.min(first + KEY_BLOCK);
        for key_idx in start..end {
            weights[key_idx] = (scores[key_idx - first] - stats.log_sum_exp).exp();
        }
    }
}
