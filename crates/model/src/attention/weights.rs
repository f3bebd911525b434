//! One full row of attention weights, for those who look.

use kernels::KEY_BLOCK;

use super::attend::AttendCtx;
use super::tile::AttendScratch;
use crate::kv::KvView;
use crate::probe::RowStats;

/// By a second pass over the keys of one head: `weights[k] = exp(score[k] - log_sum_exp)`, zero
/// where the pattern hides the key, or a policy let go of it. They sum to one, or, beside a sink,
/// to less.
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
    let kv_head_idx = head_idx / ctx.params.n_heads_per_kv();
    let visible = kv.visible(ctx.pattern, query_pos);
    weights.clear();
    weights.resize(kv.n_keys(), 0.0);
    scratch.take_queries(ctx, [q].into_iter(), kv.key_form());
    for block_idx in visible.units(KEY_BLOCK).iter().filter(|&idx| kv.holds(idx)) {
        let scores = scratch.scores_of(ctx, 1, (kv, kv_head_idx, block_idx));
        let first = block_idx * KEY_BLOCK;
        let positions = &kv.positions()[first..];
        ctx.terms.position_bias.add((head_idx, query_pos), positions, scores);
        for key_idx in visible.clip(&(first..first + KEY_BLOCK)).iter() {
            weights[key_idx] = (scores[key_idx - first] - stats.log_sum_exp).exp();
        }
    }
}
