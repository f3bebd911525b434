//! The oracle: attention as its formula says, N x N in f64. For tests; nothing fast calls it.

use super::{AttentionParams, AttentionPattern, HeadTerms};

/// `weights[t][h][k]` and `out[t][h][d]` of every query over every key.
pub struct Attention {
    /// `[n_tokens, n_heads, n_keys]`
    pub weights: Vec<f64>,
    /// `[n_tokens, n_heads, value_dim]`
    pub out: Vec<f64>,
}

/// `out = softmax(mask(cap(scale * q k^T) + bias)) v` (Vaswani et al. 2017, eq. 1; the
/// cap is Gemma 2's), where a sink adds `exp(sink)` to the sum that the weights are divided by.
/// A query that sees no key gives zeros.
///
/// # Shapes
/// - `q`: `[n_tokens, n_heads, head_dim]`, at `query_pos`: `[n_tokens]`
/// - `keys`: `[n_keys, n_kv_heads, head_dim]`, at `key_pos`: `[n_keys]`
/// - `values`: `[n_keys, n_kv_heads, value_dim]`
pub fn attend(
    params: &AttentionParams,
    (pattern, terms): (AttentionPattern, HeadTerms<'_>),
    (q, query_pos): (&[f32], &[u32]),
    (keys, values, key_pos): (&[f32], &[f32], &[u32]),
) -> Attention {
    let AttentionParams { n_heads, n_kv_heads, head_dim, scale, softcap, .. } = *params;
    let value_dim = params.value_dim();
    let (n_tokens, n_keys) = (query_pos.len(), key_pos.len());
    let mut weights = vec![0.0; n_tokens * n_heads * n_keys];
    let mut out = vec![0.0; n_tokens * n_heads * value_dim];
    for (row_idx, weights) in weights.chunks_exact_mut(n_keys).enumerate() {
        let (token_idx, head_idx) = (row_idx / n_heads, row_idx % n_heads);
        let kv_head_idx = head_idx / (n_heads / n_kv_heads);
        let q = &q[row_idx * head_dim..][..head_dim];
        let head = |data: &[f32], width: usize, key_idx: usize, i: usize| {
            f64::from(data[(key_idx * n_kv_heads + kv_head_idx) * width + i])
        };
        let key = |key_idx: usize, i: usize| head(keys, head_dim, key_idx, i);
        let value = |key_idx: usize, i: usize| head(values, value_dim, key_idx, i);
        for (key_idx, weight) in weights.iter_mut().enumerate() {
            let dot: f64 = q.iter().enumerate().map(|(i, &q)| f64::from(q) * key(key_idx, i)).sum();
            let score = dot * f64::from(scale);
            let score = softcap.map_or(score, |cap| {
                let cap = f64::from(cap);
                cap * (score / cap).tanh()
            });
            let at = (query_pos[token_idx], key_pos[key_idx]);
            let score = score + f64::from(terms.position_bias.at(head_idx, at.0, at.1));
            let sees = pattern.sees(query_pos[token_idx], key_pos[key_idx]);
            *weight = if sees { score } else { f64::NEG_INFINITY };
        }
        softmax(weights, terms.sink_logits.get(head_idx).map(|&logit| logit.into()));
        for (i, out) in out[row_idx * value_dim..][..value_dim].iter_mut().enumerate() {
            *out = weights.iter().enumerate().map(|(k, w)| w * value(k, i)).sum();
        }
    }
    Attention { weights, out }
}

fn softmax(row: &mut [f64], sink: Option<f64>) {
    let sink = sink.unwrap_or(f64::NEG_INFINITY);
    let max = row.iter().copied().fold(sink, f64::max);
    if max == f64::NEG_INFINITY {
        return row.fill(0.0);
    }
    row.iter_mut().for_each(|x| *x = (*x - max).exp());
    let sum = row.iter().sum::<f64>() + (sink - max).exp();
    row.iter_mut().for_each(|x| *x /= sum);
}
