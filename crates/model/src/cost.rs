//! What a model costs before it runs: arithmetic, and bytes read. A multiply and an add are two
//! operations (FLOPs). Wide numbers: a long text sees the square of its length.

use std::ops::Range;

use kernels::{DType, KEY_BLOCK};

use crate::config::ModelConfig;
use crate::experts_config::ExpertsConfig;
use crate::kv::{KvPolicy, KvShape};
use crate::latent_config::LatentConfig;
use crate::weights::Model;

/// Operations of all matrices of the layers for one token:
/// `2 (d H dk + 2 d Hkv dk + H dk d) + 6 d ff` a layer, or `4 d ff` without a gate. Where attention
/// is latent, its matrices as they are absorbed.
pub fn matmul_flops(config: &ModelConfig) -> u128 {
    let c = config;
    let (q_width, kv_width) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
    let qkv = match c.latent {
        None => c.d_model * (q_width + 2 * kv_width),
        Some(LatentConfig { d_query, d_latent, d_plain, d_value }) => {
            let q_width = c.n_heads * (d_plain + c.rope_full.rope_dim);
            let q = d_query.map_or(c.d_model * q_width, |d| d * (c.d_model + q_width));
            q + c.d_model * kv_width + c.n_heads * d_latent * (d_plain + d_value)
        }
    };
    let attention = 2 * (qkv + c.found_width() * c.d_model);
    let n_ff_matrices = if c.feed_forward.is_gated() { 3 } else { 2 };
    let feed_forward = |experts: Option<ExpertsConfig>| {
        let width = match experts {
            None => c.d_ff,
            Some(experts) => experts.n_used * experts.d_ff + experts.d_ff_shared.unwrap_or(0),
        };
        let router = experts.map_or(0, |experts| 2 * c.d_model * experts.n_experts);
        router + 2 * n_ff_matrices * c.d_model * width
    };
    let layer =
        |&has_experts: &bool| (attention + feed_forward(c.experts.filter(|_| has_experts))) as u128;
    c.has_experts.iter().map(layer).sum()
}

/// Operations of the logits of one token: `2 d V`.
pub fn unembed_flops(config: &ModelConfig) -> u128 {
    2 * (config.d_model * config.n_vocab) as u128
}

/// Keys that `n` tokens after `depth` others look back at, in all layers together:
/// `sum_t min(t, window)` with `t = depth + 1..=depth + n`, and what a policy leaves of it.
pub fn keys_seen(config: &ModelConfig, policy: KvPolicy, depth: usize, n: usize) -> u128 {
    let n_exact = policy.n_exact().clamp(depth, depth + n);
    let n_evicted = policy.eviction().map_or(0, |eviction| eviction.n_dropped());
    let layer = |layer_idx: usize| {
        let window = config.window_of(layer_idx);
        let n_max = window.map_or(usize::MAX, |window| window as usize);
        let exact = keys_seen_in(depth..n_exact, n_max);
        let n_dropped = if window.is_none() { n_evicted } else { 0 };
        let (start, end) = (n_exact.max(n_dropped), (depth + n).max(n_dropped));
        exact + keys_seen_in(start - n_dropped..end - n_dropped, policy.n_read_max(window))
    };
    (0..config.n_layers).map(layer).sum()
}

/// `sum_t min(t + 1, n_max)` over the tokens before which there are so many keys.
fn keys_seen_in(depths: Range<usize>, n_max: usize) -> u128 {
    keys_seen_by(depths.end as u128, n_max as u128)
        - keys_seen_by(depths.start as u128, n_max as u128)
}

/// `sum_t min(t, window)` with `t = 1..=n`.
fn keys_seen_by(n: u128, window: u128) -> u128 {
    let growing = n.min(window);
    growing * (growing + 1) / 2 + (n - growing) * growing
}

/// Operations of the scores and the weighted sums of `n` tokens after `depth` others:
/// `2 H (dk + dv)` for each key that a token sees.
pub fn attention_flops(config: &ModelConfig, depth: usize, n: usize) -> u128 {
    let n_keys = keys_seen(config, KvPolicy::KeepAll, depth, n);
    let widths = config.head_dim + config.value_place().width(config.head_dim);
    2 * (config.n_heads * widths) as u128 * n_keys
}

/// The length of a prompt whose attention costs as much as its matrices; `None`: however long, it
/// does not.
pub fn crossover(config: &ModelConfig) -> Option<usize> {
    let is_beyond = |n: usize| attention_flops(config, 0, n) >= matmul_flops(config) * n as u128;
    first(is_beyond, 1 << 32)
}

/// The number of tokens whose keys and values take more bytes than the weights; `None`: however
/// many, they do not.
pub fn cache_passes_weights(model: &Model, kv: &KvShape, n_together: usize) -> Option<usize> {
    let n_bytes = model.n_weight_bytes();
    first(|n_blocks| kv.bytes(n_blocks * KEY_BLOCK, n_together) > n_bytes, 1 << 32)
        .map(|n_blocks| n_blocks * KEY_BLOCK)
}

/// The first number up to `max` for which `holds`, which holds for all that follow.
fn first(holds: impl Fn(usize) -> bool, max: usize) -> Option<usize> {
    let (mut no, mut yes) = (0, max);
    if !holds(max) {
        return None;
    }
    while yes - no > 1 {
        let middle = no + (yes - no) / 2;
        if holds(middle) { yes = middle } else { no = middle }
    }
    Some(yes)
}

/// Bytes of the weights that every token reads, by type: all matrices, but the embedding only
/// where it is the output too, and of experts as many as a token uses.
pub fn weight_bytes_read(model: &Model) -> Vec<(DType, usize)> {
    let n_used = model.config.experts.map_or(0, |experts| experts.n_used);
    let layers = model.layers.iter().flat_map(|layer| layer.matrices_read(n_used));
    let mut by_type: Vec<(DType, usize)> = Vec::new();
    for matrix in layers.chain(model.output_matrix()) {
        match by_type.iter_mut().find(|(dtype, _)| *dtype == matrix.dtype) {
            Some((_, n_bytes)) => *n_bytes += matrix.n_bytes(),
            None => by_type.push((matrix.dtype, matrix.n_bytes())),
        }
    }
    by_type.sort_unstable();
    by_type
}

/// Bytes of keys and values that a token reads after `depth` others.
pub fn kv_bytes_read(config: &ModelConfig, kv: &KvShape, depth: usize) -> usize {
    let layer = |(layer_idx, layer)| {
        let n_keys = depth + 1;
        let n_seen = config.window_of(layer_idx).map_or(n_keys, |w| n_keys.min(w as usize));
        n_seen * kv.layer_block_bytes(layer) / KEY_BLOCK
    };
    kv.layers.iter().enumerate().map(layer).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KvType;
    use crate::rope_config::RopeConfig;
    use crate::spec::{
        Activation, Direction, FeedForward, LayerKind, Positions, Residual, RopePairing,
    };

    fn config(n_layers: usize, n_kv_heads: usize, head_dim: usize) -> ModelConfig {
        let rope = RopeConfig::new(head_dim, 1e4);
        ModelConfig {
            n_layers,
            n_further_layers: 0,
            d_model: 4096,
            d_ff: 14336,
            n_heads: 32,
            n_kv_heads,
            head_dim,
            latent: None,
            n_vocab: 128_256,
            n_ctx: 8192,
            norm_eps: 1e-5,
            attn_scale: 1.0,
            embedding_scale: 1.0,
            residual_scale: 1.0,
            logit_scale: 1.0,
            residual: Residual::PreNorm,
            positions: Positions::Rope,
            feed_forward: FeedForward::Gated(Activation::Silu),
            experts: None,
            qkv_clip: None,
            attn_softcap: None,
            logit_softcap: None,
            query_growth: None,
            rope_pairing: RopePairing::HalfSplit,
            rope_full: rope.clone(),
            rope_sliding: rope,
            window: 1024,
            direction: Direction::Causal,
            buckets: None,
            decoder_start_id: None,
            layer_kinds: vec![LayerKind::Full; n_layers],
            rotates: vec![true; n_layers],
            has_experts: vec![false; n_layers],
        }
    }

    /// Published sizes of caches, in MiB; llama.cpp's, and the same for every engine that keeps
    /// all positions. Quantised keys have means here, and a first block of f16.
    #[test]
    fn caches_have_their_known_sizes() {
        let check = |config: &ModelConfig, kv: KvType, n_ctx: usize, expected_mib: f64| {
            let n_bytes = KvShape::of(config, kv, kv).bytes(n_ctx, 256);
            assert_eq!(n_bytes as f64 / f64::from(1 << 20), expected_mib, "{kv:?}");
        };
        let llama_3_8b = config(32, 8, 128);
        check(&llama_3_8b, KvType::F16, 8192, 1024.0);
        // Of a layer with 8 heads of 128: f16 beside so many bytes a head for 64 positions, and
        // the means of 127 blocks.
        let more_mib = |n_bytes: usize| {
            let (first, means) = (64 * 8 * (256 - n_bytes), 127 * 8 * 128 * 2);
            (32 * (first + means)) as f64 / f64::from(1 << 20)
        };
        check(&llama_3_8b, KvType::Q8_0, 8192, 544.0 + more_mib(136));
        check(&llama_3_8b, KvType::Q4_0, 8192, 288.0 + more_mib(72));
        let qwen3_0_6b = config(28, 8, 128);
        check(&qwen3_0_6b, KvType::F16, 40_960, 4.375 * 1024.0);
        let gemma_3_4b_full_layers = config(5, 4, 256);
        check(&gemma_3_4b_full_layers, KvType::F16, 131_072, 2560.0);
    }

    #[test]
    fn operations_are_those_of_the_weights() {
        let llama_3_8b = config(32, 8, 128);
        // Parameters of the layers, norms left out: 6.98 billion.
        let n_weights = 32 * (4096 * 4096 * 2 + 2 * 4096 * 1024 + 3 * 4096 * 14336) as u128;
        assert_eq!(matmul_flops(&llama_3_8b), 2 * n_weights);
        assert_eq!(unembed_flops(&llama_3_8b), 2 * 4096 * 128_256);
    }

    /// A causal prompt of N: `H (dk + dv) N (N + 1)` a layer.
    #[test]
    fn attention_of_a_prompt_is_half_a_square() {
        let mut c = config(2, 8, 128);
        for n in [1u128, 2, 1000, 1024, 5000] {
            let layer = 32 * 256 * n * (n + 1);
            assert_eq!(attention_flops(&c, 0, n as usize), 2 * layer, "{n}");
        }
        // At position t: 2 H (dk + dv) min(t, window).
        c.layer_kinds[1] = LayerKind::Sliding;
        let at = |t: u128| 2 * 32 * 256 * (t + t.min(1024));
        for t in [1, 1023, 1024, 1025, 9000] {
            assert_eq!(attention_flops(&c, t as usize - 1, 1), at(t), "{t}");
        }
        let whole = attention_flops(&c, 0, 3000);
        assert_eq!(whole, (1..=3000).map(at).sum::<u128>());
        assert_eq!(whole, attention_flops(&c, 0, 700) + attention_flops(&c, 700, 2300));
    }

    /// `N + 1 = 2 P / (H (dk + dv))` with P weights a layer.
    #[test]
    fn attention_overtakes_matrices_where_the_formula_says() {
        let mut c = config(32, 8, 128);
        let n_weights = 4096 * 4096 * 2 + 2 * 4096 * 1024 + 3 * 4096 * 14336;
        assert_eq!(crossover(&c), Some(2 * n_weights / (32 * 256) - 1));
        c.layer_kinds.fill(LayerKind::Sliding);
        assert_eq!(crossover(&c), None);
    }

    /// Counted token by token, key by key.
    #[test]
    fn policies_leave_what_they_say() {
        let mut c = config(2, 8, 128);
        c.layer_kinds[1] = LayerKind::Sliding;
        c.window = 300;
        let by = crate::kv::Importance::Observed;
        for policy in [
            KvPolicy::KeepAll,
            KvPolicy::SinksAndWindow { n_sinks: 4, window: 200 },
            KvPolicy::SinksAndWindow { n_sinks: 4, window: 400 },
            KvPolicy::TopBlocks { n_blocks: 2, from: 500 },
            KvPolicy::Evict { by, n_keys: 256, n_prompt: 500 },
        ] {
            let of_token = |depth: usize| {
                let is_answer = depth >= policy.n_exact();
                let of_policy = match policy {
                    KvPolicy::KeepAll => depth + 1,
                    KvPolicy::SinksAndWindow { window, .. } => (depth + 1).min(window as usize + 4),
                    KvPolicy::TopBlocks { .. } if is_answer => 4 * 64,
                    KvPolicy::Evict { .. } if is_answer => depth + 1 - 4 * 64,
                    KvPolicy::TopBlocks { .. } | KvPolicy::Evict { .. } => depth + 1,
                };
                let windowed = match policy {
                    KvPolicy::SinksAndWindow { window, .. } => window.min(300) as usize,
                    _ => 300,
                };
                (of_policy + windowed.min(depth + 1)) as u128
            };
            for (depth, n) in [(0, 1), (0, 700), (100, 450), (500, 1), (600, 90)] {
                let expected: u128 = (depth..depth + n).map(of_token).sum();
                assert_eq!(keys_seen(&c, policy, depth, n), expected, "{policy:?}, {depth}");
            }
        }
    }

    #[test]
    fn a_token_reads_what_it_sees() {
        let mut c = config(2, 8, 128);
        c.layer_kinds[1] = LayerKind::Sliding;
        let kv = KvShape::of(&c, KvType::F16, KvType::F16);
        let position = 2 * 8 * 128 * 2;
        assert_eq!(kv_bytes_read(&c, &kv, 0), 2 * position);
        assert_eq!(kv_bytes_read(&c, &kv, 4095), (4096 + 1024) * position);
    }
}
