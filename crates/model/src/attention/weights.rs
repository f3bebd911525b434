//! Full rows of attention weights of one token, for those who look.

use kernels::{KEY_BLOCK, Kernels};

use super::attend::{AttendBuffers, AttendCtx, Job, LayerKeys, Queries};
use super::choice::is_chosen;
use super::tile::{AttendScratch, hide};
use crate::kv::{KvView, ValueScratch};
use crate::pool::{ThreadPool, TileRows, Tiled};

/// By a second pass over the keys, after [`attend`](super::attend) of the same batch:
/// `weights[h][k] = exp(score[h][k] - log_sum_exp[h])`, zero where the pattern hides the key, or a
/// policy let go of it or does not look at it. They sum to one, or, beside a sink, to less.
///
/// Where scores are in the hundreds, a logarithm in f32 is off by some 1e-5, and all weights with
/// it; so they are divided by their sum once more.
///
/// # Shapes
/// - `log_sum_exp`: `[n_heads]`, of that token
/// - `weights`: filled to `[n_heads, n_keys]`
/// - `sinks`: filled to `[n_heads]`, with the weights of learned sinks, or zeros
pub(crate) fn attention_weights<S: Send + AsMut<AttendScratch>>(
    ctx: &AttendCtx<'_>,
    (queries, token_idx): (Queries<'_>, usize),
    keys: LayerKeys<'_>,
    buffers: &AttendBuffers,
    (pool, scratch): (&mut ThreadPool, &mut [S]),
    log_sum_exp: &[f32],
    (weights, sinks): (&mut Vec<f32>, &mut Vec<f32>),
) {
    let job = Job { ctx, queries, keys };
    let band_idx = buffers.bands.partition_point(|band| band.end <= token_idx);
    let group = ctx.params.n_heads_per_kv();
    let n_keys = job.whole_tile(buffers, (band_idx, 0)).kv.n_keys();
    weights.clear();
    weights.resize(ctx.params.n_heads * n_keys, 0.0);
    let rows = Tiled {
        data: &mut *weights,
        n_cols: n_keys,
        tile_rows: TileRows::Even(group),
        tile_cols: n_keys,
    };
    let query_pos = queries.positions[token_idx];
    pool.for_each_tile(scratch, [rows], |scratch, kv_head_idx, [mut rows]| {
        let scratch = scratch.as_mut();
        let tile = job.whole_tile(buffers, (band_idx, kv_head_idx));
        let heads = kv_head_idx * group..(kv_head_idx + 1) * group;
        let q = heads.clone().map(|head_idx| queries.q.head(token_idx, head_idx));
        scratch.take_queries(ctx, q, tile.kv.key_form());
        let visible = tile.kv.visible(ctx.pattern, query_pos);
        let is_read = |idx: &usize| {
            tile.kv.holds(*idx) && tile.chosen.is_none_or(|chosen| is_chosen(chosen, *idx))
        };
        for block_idx in visible.units(KEY_BLOCK).iter().filter(is_read) {
            let scores = scratch.scores_of(ctx, group, (&tile.kv, kv_head_idx, block_idx));
            let first = block_idx * KEY_BLOCK;
            let n = KEY_BLOCK.min(n_keys - first);
            let positions = &tile.kv.positions()[first..];
            for (row_idx, scores) in scores.chunks_exact_mut(KEY_BLOCK).enumerate() {
                let head_idx = heads.start + row_idx;
                ctx.terms.position_bias.add((head_idx, query_pos), positions, scores);
                hide(scores, &visible, block_idx);
                exp_less(ctx.kernels, scores, log_sum_exp[head_idx]);
                rows.row_mut(row_idx)[first..first + n].copy_from_slice(&scores[..n]);
            }
        }
    });
    normalize(ctx, log_sum_exp, (weights, n_keys), sinks);
}

/// Fills `sinks`, and lets each row and its sink sum to one.
fn normalize(
    ctx: &AttendCtx<'_>,
    log_sum_exp: &[f32],
    (weights, n_keys): (&mut [f32], usize),
    sinks: &mut Vec<f32>,
) {
    sinks.clear();
    for (head_idx, row) in weights.chunks_exact_mut(n_keys).enumerate() {
        let logit = ctx.terms.sink_logits.get(head_idx);
        let sink = logit.map_or(0.0, |logit| (logit - log_sum_exp[head_idx]).exp());
        let total = row.iter().map(|&weight| f64::from(weight)).sum::<f64>() + f64::from(sink);
        // A row may see nothing.
        let factor = if total > 0.0 { (1.0 / total) as f32 } else { 0.0 };
        row.iter_mut().for_each(|weight| *weight *= factor);
        sinks.push(sink * factor);
    }
}

/// `exp(score - log_sum_exp)` of each.
fn exp_less(kernels: &Kernels, scores: &mut [f32], log_sum_exp: f32) {
    let (_, factor, _) = (kernels.online_softmax)(scores, log_sum_exp);
    // Rounding may leave a score above the logarithm of the sum: then all are relative to it.
    if factor != 1.0 {
        scores.iter_mut().for_each(|weight| *weight /= factor);
    }
}

/// Reads what keys stand for: the values of one attention.
pub struct ValueReader<'a> {
    pub(crate) kernels: &'a Kernels,
    pub(crate) view: KvView<'a>,
    pub(crate) value_dim: usize,
    /// Whether they are stored spread over their dimensions.
    pub(crate) is_spread: bool,
    pub(crate) scratch: &'a mut ValueScratch,
    /// `[KEY_BLOCK, value_dim]`
    pub(crate) widened: &'a mut Vec<f32>,
}

impl ValueReader<'_> {
    /// Width of a value.
    pub fn value_dim(&self) -> usize {
        self.value_dim
    }

    /// The values of up to 64 keys, those that begin at `block_idx * 64`, as they were cached:
    /// `[n, value_dim]`; `None` where a policy let go of them.
    pub fn block(&mut self, kv_head_idx: usize, block_idx: usize) -> Option<&[f32]> {
        let n = self.view.n_keys().saturating_sub(block_idx * KEY_BLOCK).min(KEY_BLOCK);
        if n == 0 || !self.view.holds(block_idx) {
            return None;
        }
        let d = self.value_dim;
        self.widened.resize(KEY_BLOCK * d, 0.0);
        let values = self.view.values(self.kernels, kv_head_idx, block_idx, self.scratch);
        values.widen(self.kernels, d, self.widened);
        let values = &mut self.widened[..n * d];
        if self.is_spread {
            values.chunks_exact_mut(d).for_each(|value| (self.kernels.hadamard)(value));
        }
        Some(values)
    }
}
