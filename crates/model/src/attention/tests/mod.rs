//! Laws of attention: flash = N x N, whole = chunked, alone = beside others.

mod watched;

use kernels::{KEY_BLOCK, Kernels};
use proptest::prelude::*;
use tiny_random::uniform;

use super::{
    AttendBuffers, AttendCtx, AttendScratch, AttentionParams, AttentionPattern, BucketBias,
    Buckets, HeadTerms, LayerKeys, PositionBias, Queries, attend, reference,
};
use crate::batch::{BatchSequence, KeysOf};
use crate::kv::{KvCache, KvPolicy, KvShape, KvType, LayerShape, SequenceId, ValuePlace};
use crate::pool::ThreadPool;
use crate::shape::Heads;

/// f32 against f64: scores of up to 130 products, values below one.
const TOLERANCE_F32: f64 = 2e-5;
/// f16 keys and values carry 11 bits.
const TOLERANCE_F16: f64 = 2e-3;
/// bf16 has 8 bits.
const TOLERANCE_BF16: f64 = 2e-2;
/// int8 with a scale per 32: half a step of 1/127 of the largest, in keys and in values.
const TOLERANCE_Q8: f64 = 2e-2;
/// Half a step of 1/16 and 1/8 of the largest, the end of the range a whole one.
const TOLERANCE_Q5: f64 = 0.1;
const TOLERANCE_Q4: f64 = 0.2;

impl AsMut<AttendScratch> for AttendScratch {
    fn as_mut(&mut self) -> &mut AttendScratch {
        self
    }
}

#[derive(Clone, Debug)]
pub(super) struct Case {
    params: AttentionParams,
    pattern: AttentionPattern,
    /// `[n_heads]`, or empty, as in [`HeadTerms`].
    sink_logits: Vec<f32>,
    position_bias: PositionBias,
    n_tokens: usize,
    kv_type: KvType,
    kv_policy: KvPolicy,
    seed: u64,
}

/// What attends to one chunk of a text.
struct Step<'a> {
    ctx: &'a AttendCtx<'a>,
    queries: Queries<'a>,
    keys: LayerKeys<'a>,
    buffers: &'a mut AttendBuffers,
    pool: &'a mut ThreadPool,
    scratch: &'a mut [AttendScratch],
}

impl Case {
    pub(super) fn new(params: AttentionParams, pattern: AttentionPattern, n_tokens: usize) -> Self {
        let (sink_logits, position_bias) = (Vec::new(), PositionBias::None);
        let (kv_type, kv_policy) = (KvType::F32, KvPolicy::KeepAll);
        let seed = 5;
        Self { params, pattern, sink_logits, position_bias, n_tokens, kv_type, kv_policy, seed }
    }

    pub(super) fn ctx<'a>(&'a self, kernels: &'a Kernels) -> AttendCtx<'a> {
        let terms =
            HeadTerms { sink_logits: &self.sink_logits, position_bias: &self.position_bias };
        AttendCtx { kernels, params: self.params, pattern: self.pattern, terms }
    }

    pub(super) fn q(&self) -> Vec<f32> {
        uniform(self.n_tokens * self.params.n_heads * self.params.head_dim, self.seed)
    }

    pub(super) fn kv(&self) -> (Vec<f32>, Vec<f32>) {
        let AttentionParams { n_kv_heads, head_dim, values, .. } = self.params;
        let n = self.n_tokens * n_kv_heads * head_dim;
        let keys = uniform(n, self.seed + 1);
        let values = match values {
            ValuePlace::Own => uniform(n, self.seed + 2),
            ValuePlace::InKey { first } => {
                keys.chunks_exact(head_dim).flat_map(|key| &key[first..]).copied().collect()
            }
        };
        (keys, values)
    }

    /// All tokens in chunks; a stranger's keys lie in the cache too.
    fn run(&self, kernels: &Kernels, chunk: usize, n_threads: usize) -> Vec<f32> {
        self.run_and_show(kernels, chunk, n_threads, |_, _, _, _| ())
    }

    /// Calls `show(cache, its sequence, positions, log_sum_exp)` after each chunk.
    pub(super) fn run_and_show(
        &self,
        kernels: &Kernels,
        chunk: usize,
        n_threads: usize,
        mut show: impl FnMut(&KvCache, SequenceId, &[u32], &[f32]),
    ) -> Vec<f32> {
        self.run_by(kernels, chunk, n_threads, |step, out, log_sum_exp| {
            let Step { ctx, queries, keys, buffers, pool, scratch } = step;
            attend(ctx, queries, keys, buffers, (pool, scratch), (out, &mut *log_sum_exp));
            show(keys.kv, queries.sequences[0].id, queries.positions, log_sum_exp);
        })
    }

    /// Lets `attend` fill what it gets, the output and `log_sum_exp`, for each chunk.
    fn run_by(
        &self,
        kernels: &Kernels,
        chunk: usize,
        n_threads: usize,
        mut attend: impl FnMut(Step<'_>, &mut [f32], &mut [f32]),
    ) -> Vec<f32> {
        let AttentionParams { n_heads, n_kv_heads, head_dim, values, .. } = self.params;
        let (k_type, v_type) = (self.kv_type, self.kv_type);
        let layers = vec![LayerShape { k_type, v_type, window: None }];
        let mut kv = KvCache::new(KvShape { n_kv_heads, head_dim, values, layers }, usize::MAX);
        let stranger = kv.admit();
        kv.reserve(stranger, 1).expect("room");
        let first = kv.append(stranger, &[0], &[0]);
        let noise = uniform(n_kv_heads * head_dim, 99);
        let stored = |values| if self.params.values == ValuePlace::Own { values } else { &[][..] };
        kv.write_rows(kernels, 0, (stranger, first), (&noise, stored(&noise)));
        let id = kv.admit_empty(self.kv_policy);
        kv.reserve(id, chunk.min(self.n_tokens)).expect("room");
        let (q, (keys, values)) = (self.q(), self.kv());
        let (q_width, kv_width) = (n_heads * head_dim, n_kv_heads * head_dim);
        let out_width = n_heads * self.params.value_dim();
        let mut out = vec![0.0; self.n_tokens * out_width];
        let mut pool = ThreadPool::new(n_threads);
        let mut scratch: Vec<_> =
            (0..n_threads).map(|_| AttendScratch::new(&self.params)).collect();
        let mut buffers = AttendBuffers::new(&self.params, self.n_tokens);
        let ctx = self.ctx(kernels);
        for start in (0..self.n_tokens).step_by(chunk) {
            let end = (start + chunk).min(self.n_tokens);
            let positions: Vec<u32> = (start as u32..end as u32).collect();
            kv.reserve(id, end).expect("room");
            let first = kv.append(id, &positions, &positions);
            let rows = start * kv_width..end * kv_width;
            let new = (&keys[rows.clone()], stored(&values).get(rows).unwrap_or_default());
            kv.write_rows(kernels, 0, (id, first), new);
            let rows = start * q_width..end * q_width;
            let mut stats = vec![0.0; (end - start) * n_heads];
            let queries = Queries {
                q: Heads::new(&q[rows], n_heads, head_dim),
                positions: &positions,
                sequences: &[BatchSequence { id, rows: 0..end - start, source: None }],
            };
            let step = Step {
                ctx: &ctx,
                queries,
                keys: LayerKeys { kv: &kv, layer_idx: 0, of: KeysOf::Own },
                buffers: &mut buffers,
                pool: &mut pool,
                scratch: &mut scratch,
            };
            attend(step, &mut out[start * out_width..end * out_width], &mut stats);
        }
        out
    }

    fn reference(&self) -> reference::Attention {
        let (keys, values) = self.kv();
        let positions: Vec<u32> = (0..self.n_tokens as u32).collect();
        let (q, kv) = (self.q(), (&*keys, &*values, &*positions));
        let terms = self.ctx(kernels::scalar()).terms;
        reference::attend(&self.params, (self.pattern, terms), (&q, &positions), kv)
    }

    fn tolerance(&self) -> f64 {
        match self.kv_type {
            KvType::F32 => TOLERANCE_F32,
            KvType::F16 => TOLERANCE_F16,
            KvType::Bf16 => TOLERANCE_BF16,
            KvType::Q8_0 => TOLERANCE_Q8,
            KvType::Q5_0 => TOLERANCE_Q5,
            KvType::Q4_0 => TOLERANCE_Q4,
        }
    }

    fn check_against_reference(&self, kernels: &Kernels) {
        let found = self.run(kernels, self.n_tokens, 2);
        for (i, (found, expected)) in found.iter().zip(self.reference().out).enumerate() {
            let difference = (f64::from(*found) - expected).abs();
            let is_close = difference <= self.tolerance();
            assert!(is_close, "{self:?} at {i}: {found}, expected {expected}");
        }
    }
}

fn cases() -> impl Strategy<Value = Case> {
    let pattern = prop_oneof![
        Just(AttentionPattern::Causal),
        Just(AttentionPattern::Bidirectional),
        (1u32..150).prop_map(|window| AttentionPattern::SymmetricWindow { window }),
        (1u32..150).prop_map(|window| AttentionPattern::SlidingWindow { window }),
        (1u32..150).prop_map(|chunk| AttentionPattern::Chunked { chunk }),
        (0u32..80, 1u32..100)
            .prop_map(|(n_sinks, window)| AttentionPattern::SinksAndWindow { n_sinks, window }),
    ];
    let heads = (1usize..4, 1usize..8, 1usize..70, prop::option::of(0usize..69));
    let kv_type = prop::sample::select(KvType::ALL.to_vec());
    let softcap = prop::option::of(0.5f32..4.0);
    let terms = (any::<bool>(), 0u8..3);
    (heads, pattern, 1usize..200, (kv_type, softcap, terms), any::<u32>()).prop_map(
        |(heads, pattern, n_tokens, (kv_type, softcap, terms), seed)| {
            let (n_kv_heads, group, head_dim, first) = heads;
            let n_heads = n_kv_heads * group;
            let scale = (head_dim as f32).powf(-0.5);
            let values = match first {
                Some(first) => ValuePlace::InKey { first: first % head_dim },
                None => ValuePlace::Own,
            };
            let params = AttentionParams { n_heads, n_kv_heads, head_dim, values, scale, softcap };
            let seed = seed.into();
            let sink_logits = if terms.0 { uniform(n_heads, seed + 3) } else { Vec::new() };
            let position_bias = position_bias(terms.1, pattern, (n_heads, seed + 4));
            let kv_policy = KvPolicy::KeepAll;
            Case { params, pattern, sink_logits, position_bias, n_tokens, kv_type, kv_policy, seed }
        },
    )
}

/// None, ALiBi, or buckets that are full long before the end of the text.
fn position_bias(
    kind: u8,
    pattern: AttentionPattern,
    (n_heads, seed): (usize, u64),
) -> PositionBias {
    match kind {
        0 => PositionBias::None,
        1 => PositionBias::Slopes(uniform(n_heads, seed).iter().map(|x| x.abs()).collect()),
        _ => {
            let looks_ahead = pattern.sees(0, 1);
            let buckets = Buckets { n_buckets: 16, max_distance: 40, looks_ahead };
            let table = uniform(buckets.n_buckets * n_heads, seed);
            PositionBias::Buckets(BucketBias::new(&buckets, &table))
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn flash_attention_equals_the_reference(case in cases()) {
        for kernels in kernels::tables() {
            case.check_against_reference(kernels);
        }
    }

    /// Bitwise: a row's result depends on nothing but its query and the keys that it sees; where
    /// some come later, they must be there.
    #[test]
    fn chunks_and_threads_do_not_change_a_row(case in cases(), chunk in 1usize..40) {
        let chunk = if case.pattern.sees(0, 1) { case.n_tokens } else { chunk };
        for kernels in kernels::tables() {
            let whole = case.run(kernels, case.n_tokens, 1);
            prop_assert_eq!(&whole, &case.run(kernels, chunk, 1));
            prop_assert_eq!(&whole, &case.run(kernels, case.n_tokens, 3));
        }
    }
}

/// Softcap comes before the mask: what a query may not see has no influence (Flash Attention's
/// bug 1025 applied it after).
#[test]
fn the_future_has_no_influence_under_a_softcap() {
    let params = AttentionParams {
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 8,
        values: ValuePlace::Own,
        scale: 0.3,
        softcap: Some(1.0),
    };
    let short = Case::new(params, AttentionPattern::Causal, 70);
    let long = Case { n_tokens: 90, ..short.clone() };
    // The first rows of both texts are the same numbers: the generator runs on.
    let (a, b) = (short.run(kernels::detect(), 70, 1), long.run(kernels::detect(), 90, 1));
    assert_eq!(a, b[..a.len()]);
}

/// Longer than a chunk: whole tiles by one thread, chunks of a tile by three, and the formula.
#[test]
fn a_long_row_is_the_fold_of_its_chunks() {
    for (head_dim, n_tokens) in [(16, 1100), (5, 700)] {
        let params = AttentionParams {
            n_heads: 3,
            n_kv_heads: 1,
            head_dim,
            values: ValuePlace::Own,
            scale: 0.4,
            softcap: None,
        };
        for pattern in [
            AttentionPattern::Causal,
            AttentionPattern::SlidingWindow { window: 600 },
            AttentionPattern::Chunked { chunk: 600 },
            AttentionPattern::SinksAndWindow { n_sinks: 70, window: 90 },
        ] {
            let plain = Case::new(params, pattern, n_tokens);
            let buckets = position_bias(2, pattern, (3, 7));
            for position_bias in [PositionBias::Slopes(vec![0.5, 0.03, 0.001]), buckets] {
                let sink_logits = vec![2.0, -1.0, 0.5];
                let case = Case { sink_logits, position_bias, ..plain.clone() };
                for kernels in kernels::tables() {
                    let whole = case.run(kernels, n_tokens, 1);
                    assert_eq!(whole, case.run(kernels, 1, 3), "{pattern:?}, {}", kernels.name);
                }
                case.check_against_reference(kernels::detect());
            }
        }
    }
}

/// Keys that a policy forgot are as good as hidden, whatever the chunks: what was dropped was not
/// needed.
#[test]
fn a_policy_is_a_pattern() {
    let params = AttentionParams {
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 16,
        values: ValuePlace::Own,
        scale: 0.4,
        softcap: None,
    };
    for (n_sinks, window) in [(0, 1), (4, 60), (70, 200)] {
        let pattern = AttentionPattern::SinksAndWindow { n_sinks, window };
        let hidden = Case::new(params, pattern, 900);
        let kv_policy = KvPolicy::SinksAndWindow { n_sinks, window };
        for kv_type in [KvType::F16, KvType::Q8_0] {
            let hidden = Case { kv_type, ..hidden.clone() };
            let forgot = Case { pattern: AttentionPattern::Causal, kv_policy, ..hidden.clone() };
            let expected = hidden.run(kernels::detect(), 900, 1);
            for chunk in [1, 100, 900] {
                assert_eq!(forgot.run(kernels::detect(), chunk, 2), expected, "{kv_policy:?}");
            }
        }
    }
}

/// A text of nine blocks, of which a query of the last 100 tokens looks at four.
fn choosing(kv_type: KvType, n_blocks: u32) -> Case {
    let params = AttentionParams {
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 16,
        values: ValuePlace::Own,
        scale: 0.4,
        softcap: None,
    };
    let kv_policy = KvPolicy::TopBlocks { n_blocks, from: 470 };
    Case { kv_type, kv_policy, ..Case::new(params, AttentionPattern::Causal, 570) }
}

#[test]
fn whoever_may_look_at_all_blocks_does() {
    for kv_type in KvType::ALL {
        let case = choosing(kv_type, 8);
        let all = Case { kv_policy: KvPolicy::KeepAll, ..case.clone() };
        for table in kernels::tables() {
            assert_eq!(case.run(table, 570, 1), all.run(table, 570, 1), "{kv_type:?}");
        }
    }
}

#[test]
fn the_blocks_looked_at_do_not_depend_on_steps_or_threads() {
    for kv_type in KvType::ALL {
        let case = choosing(kv_type, 2);
        let expected = case.run(kernels::detect(), 570, 1);
        assert_ne!(expected, choosing(kv_type, 3).run(kernels::detect(), 570, 1));
        for (chunk, n_threads) in [(1, 3), (100, 2)] {
            assert_eq!(case.run(kernels::detect(), chunk, n_threads), expected, "{kv_type:?}");
        }
    }
}

/// The rule, written down again: of the blocks between the first one and the token's own, those
/// that would get most of the weight of the heads that share the keys, if the best of every 16 keys
/// were as good as their bounds say.
#[test]
fn chosen_blocks_are_those_whose_bounds_promise_most() {
    let case = choosing(KvType::F32, 2);
    let AttentionParams { n_heads, n_kv_heads, head_dim: d, scale, .. } = case.params;
    let (q, (keys, values), group) = (case.q(), case.kv(), n_heads / n_kv_heads);
    let found = case.run(kernels::detect(), 570, 1);
    let at = |x: &[f32], n: usize, token: usize, head: usize, i: usize| {
        f64::from(x[(token * n + head) * d + i])
    };
    let product = |token: usize, head: usize, key: usize, i: usize| {
        f64::from(scale)
            * at(&q, n_heads, token, head, i)
            * at(&keys, n_kv_heads, key, head / group, i)
    };
    let greatest =
        |numbers: &mut dyn Iterator<Item = f64>| numbers.fold(f64::NEG_INFINITY, f64::max);
    let softmax = |scores: &[f64]| -> Vec<f64> {
        let weights: Vec<f64> = scores.iter().map(|score| score.exp()).collect();
        let sum: f64 = weights.iter().sum();
        weights.iter().map(|weight| weight / sum).collect()
    };
    for (token, head) in (0..570).flat_map(|token| (0..n_heads).map(move |head| (token, head))) {
        let own = token / KEY_BLOCK;
        let bound = |head: usize, block: usize| {
            let of_part = |part: usize| -> f64 {
                let keys = part * 16..(part + 1) * 16;
                let of_dimension =
                    |i: usize| greatest(&mut keys.clone().map(|key| product(token, head, key, i)));
                (0..d).map(of_dimension).sum()
            };
            greatest(&mut (block * 4..(block + 1) * 4).map(of_part))
        };
        let mut between: Vec<usize> = (1..own).collect();
        if token >= 470 {
            let first_head = head / group * group;
            let of_heads: Vec<Vec<f64>> = (first_head..first_head + group)
                .map(|head| softmax(&(0..own).map(|block| bound(head, block)).collect::<Vec<_>>()))
                .collect();
            let promise = |block: usize| of_heads.iter().map(|of_head| of_head[block]).sum::<f64>();
            between.sort_by(|&a, &b| promise(b).total_cmp(&promise(a)));
            between.truncate(2);
        }
        let is_seen = |key: &usize| {
            let block = key / KEY_BLOCK;
            block == 0 || block == own || between.contains(&block)
        };
        let seen: Vec<usize> = (0..=token).filter(is_seen).collect();
        let score = |&key: &usize| (0..d).map(|i| product(token, head, key, i)).sum::<f64>();
        let weights = softmax(&seen.iter().map(score).collect::<Vec<_>>());
        for i in 0..d {
            let value = |&key: &usize| at(&values, n_kv_heads, key, head / group, i);
            let expected: f64 = seen.iter().map(value).zip(&weights).map(|(v, w)| v * w).sum();
            let found = at(&found, n_heads, token, head, i);
            assert!(
                (found - expected).abs() <= TOLERANCE_F32,
                "token {token}: {found}, {expected}"
            );
        }
    }
}
