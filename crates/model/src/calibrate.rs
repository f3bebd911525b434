//! Measures [`Speeds`] in about a second, before a model is loaded: the decoder's own loop over a
//! few of its layers, with weights made up in memory.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use format::Bytes;
use kernels::{DType, Kernels, block};

use crate::batch::{Batch, LogitRows};
use crate::config::ModelConfig;
use crate::cost::keys_seen;
use crate::kv::{KvCache, KvPolicy, KvShape, KvType, SequenceId};
use crate::load::Skipped;
use crate::pool::ThreadPool;
use crate::speeds::{Curve, Speeds};
use crate::weights::{
    DenseWeights, ExpertWeights, FeedForwardWeights, HeadWeights, LatentQuery, LatentWeights,
    LayerWeights, Linear, Model, OutputMatrix, QkvWeights, SharedExpert, WeightMatrix,
};
use crate::{Workspace, WorkspaceSize, forward, unembed};

/// What a model is to run with.
#[derive(Clone, Copy)]
pub struct Conditions {
    pub kernels: &'static Kernels,
    pub n_threads: usize,
    pub k_type: KvType,
    pub v_type: KvType,
    /// Rows of a forward pass.
    pub n_tokens_max: usize,
}

/// Weights that no processor's cache holds, so that they come from memory as those of a model do.
const N_LAYER_BYTES: usize = 192 << 20;
const N_OUTPUT_BYTES: usize = 64 << 20;
/// Rows of the embedding: it is looked up, not multiplied.
const N_EMBEDDING_ROWS: usize = 16;
/// Keys before a token.
const DEPTHS: [usize; 4] = [0, 512, 1536, 4096];
/// Keys before the second of two prompts.
const PROMPT_DEPTH: usize = 2048;
/// Rows of small batches.
const FEW: [usize; 2] = [4, 32];
/// Layers of a prompt are as many as take so long, measured in seconds.
const PROMPT_S: f64 = 0.08;
/// Times of one work.
const N_RUNS: usize = 8;
/// Longer work is not repeated, measured or not.
const LONG: Duration = Duration::from_millis(400);

/// Measures how fast a model with these numbers, types and shapes would run; `model` continues one
/// text ([`Model::continues_text`], no encoder) and needs no pages of its matrices
/// ([`Pages::Leave`](crate::Pages::Leave)). `progress(done, total)` counts steps and may stop the
/// work; the result is `None` then.
pub fn calibrate(
    model: &Model,
    conditions: Conditions,
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Option<Speeds> {
    let n_steps = DEPTHS.len() + FEW.len() + 4;
    let mut n_done = 0;
    let mut step = || {
        n_done += 1;
        progress(n_done - 1, n_steps).continue_value()
    };
    step()?;
    let made_up = made_up(model);
    let n_layers = model.layers.len() as f64;
    let [whole, part] = [model, &made_up].map(|model| layer_bytes_read(model) as f64);
    let by_bytes = whole / part;
    let output_rows = model.config.n_vocab as f64 / made_up.config.n_vocab as f64;
    let mut lab = Lab::new(made_up, conditions);

    step()?;
    let deepest = lab.model.config.n_ctx.saturating_sub(N_RUNS + 2).min(DEPTHS[DEPTHS.len() - 1]);
    let text = lab.text(deepest);
    let config = &lab.model.config;
    let keys_of_layer =
        |depth| keys_seen(config, KvPolicy::KeepAll, depth, 1) as f64 / config.n_layers as f64;
    let depths: Vec<_> = DEPTHS.into_iter().filter(|&depth| depth <= deepest).collect();
    let n_keys: Vec<f64> = depths.iter().map(|&depth| keys_of_layer(depth)).collect();
    let (mut tokens, mut unembed) = (Vec::new(), Vec::new());
    for (depth, n_keys) in depths.into_iter().zip(n_keys) {
        step()?;
        let (layers_s, unembed_s) = lab.tokens(text, depth);
        tokens.push((n_keys, layers_s));
        unembed.push(unembed_s);
    }
    let tokens = Curve::rising(tokens);
    let first_s = tokens.points()[0].1;
    let n_chosen = lab.model.layers.len() as f64;
    let attention = tokens.points().iter().map(|&(n_keys, s)| (n_keys, (s - first_s) / n_chosen));
    let attention = Curve::rising(attention.collect());

    let mut layers = vec![(1.0, first_s * by_bytes)];
    let n_prompt = conditions.n_tokens_max.min(model.config.n_ctx / 2).max(1);
    for n in FEW.into_iter().filter(|&n| n < n_prompt) {
        step()?;
        layers.push((n as f64, lab.prompt(text, 0, n) * by_bytes));
    }
    step()?;
    let &(n, seconds) = layers.last()?;
    let n_few = PROMPT_S / (seconds / n * n_prompt as f64 / n_layers);
    let mut lab = lab.with_layers((n_few as usize).max(2));
    let depth = PROMPT_DEPTH.min(model.config.n_ctx - n_prompt);
    let text = lab.text(depth);
    let shallow_s = lab.prompt(text, 0, n_prompt);
    step()?;
    let deep_s = lab.prompt(text, depth, n_prompt);
    let seen = |depth| keys_seen(&lab.model.config, KvPolicy::KeepAll, depth, n_prompt) as f64;
    let seen_key = seen_key_s((seen(0), shallow_s), (seen(depth), deep_s));
    if n_prompt > 1 {
        let matrices_s = shallow_s - seen_key * seen(0);
        let by_layers = n_layers / lab.model.layers.len() as f64;
        layers.push((n_prompt as f64, matrices_s * by_layers));
    }
    Some(Speeds {
        layers: Curve::rising(layers),
        unembed: undisturbed(unembed) * output_rows,
        attention,
        seen_key,
    })
}

/// Seconds of one key, from those of two prompts and the keys that each sees.
fn seen_key_s(shallow: (f64, f64), deep: (f64, f64)) -> f64 {
    let n_more = deep.0 - shallow.0;
    let seconds = if n_more > 0.0 { ((deep.1 - shallow.1) / n_more).max(0.0) } else { 0.0 };
    // Where the clock is too coarse for a small model, the matrices still take some of the time.
    seconds.min(shallow.1 / (2.0 * shallow.0))
}

fn layer_bytes(model: &Model) -> usize {
    model.layers.iter().map(LayerWeights::n_bytes).sum()
}

/// Of the matrices that one token goes through: layers with experts hold more than they read.
fn layer_bytes_read(model: &Model) -> usize {
    let n_used = model.config.experts.map_or(0, |experts| experts.n_used);
    let matrices = model.layers.iter().flat_map(|layer| layer.matrices_read(n_used));
    matrices.map(WeightMatrix::n_bytes).sum()
}

/// A model, its cache and its buffers.
struct Lab {
    model: Model,
    kv: KvCache,
    workspace: Workspace,
    conditions: Conditions,
    batch: Batch,
}

impl Lab {
    fn new(model: Model, conditions: Conditions) -> Self {
        let Conditions { kernels, n_threads, k_type, v_type, n_tokens_max } = conditions;
        let shape = KvShape::of(&model.config, k_type, v_type);
        let n_ctx = model.config.n_ctx;
        let size = WorkspaceSize { n_ctx, n_tokens_max, n_logit_rows_max: 1 };
        let pool = ThreadPool::new(n_threads);
        let workspace = Workspace::new(&model, kernels, pool, size);
        let kv = KvCache::new(shape, usize::MAX);
        Self { model, kv, workspace, conditions, batch: Batch::default() }
    }

    /// The same with so many of the layers, spread evenly.
    fn with_layers(self, n: usize) -> Self {
        let Self { mut model, conditions, .. } = self;
        let chosen = spread(model.layers.len(), n);
        let mut layer_idx = 0..model.layers.len();
        model.layers.retain(|_| chosen.contains(&layer_idx.next().expect("one a layer")));
        choose(&mut model.config, &chosen);
        Self::new(model, conditions)
    }

    /// A sequence of `n` tokens whose keys and values are in memory, not only promised by the
    /// system.
    fn text(&mut self, n: usize) -> SequenceId {
        let id = self.kv.admit();
        self.kv.reserve(id, n).expect("no budget");
        let positions: Vec<u32> = (0..n as u32).collect();
        self.kv.append(id, &vec![0; n], &positions);
        self.kv.fill(id);
        id
    }

    /// Seconds of the layers and of the logits of one token after `depth` others of a text.
    fn tokens(&mut self, text: SequenceId, depth: usize) -> (f64, f64) {
        let id = self.kv.fork(text, depth);
        let (mut layers, mut logits) = (Vec::new(), Vec::new());
        let mut pos = depth;
        // The first wakes the threads and warms the caches.
        self.forward(id, pos, 1);
        repeat(|| {
            pos += 1;
            let start = Instant::now();
            self.forward(id, pos, 1);
            let middle = Instant::now();
            std::hint::black_box(unembed(&self.model, 0..1, &mut self.workspace));
            layers.push((middle - start).as_secs_f64());
            logits.push(middle.elapsed().as_secs_f64());
        });
        self.kv.release(id);
        (undisturbed(layers), undisturbed(logits))
    }

    /// Seconds of the layers for `n` tokens after `depth` others of a text, in one pass.
    fn prompt(&mut self, text: SequenceId, depth: usize, n: usize) -> f64 {
        let mut seconds = Vec::new();
        repeat(|| {
            let id = self.kv.fork(text, depth);
            let start = Instant::now();
            self.forward(id, depth, n);
            seconds.push(start.elapsed().as_secs_f64());
            self.kv.release(id);
        });
        undisturbed(seconds)
    }

    fn forward(&mut self, id: SequenceId, first_pos: usize, n: usize) {
        let Self { model, kv, workspace, batch, .. } = self;
        let ids: Vec<u32> = (0..n).map(|i| (i % N_EMBEDDING_ROWS) as u32).collect();
        kv.reserve(id, first_pos + n).expect("no budget");
        batch.clear();
        batch.push(id, &ids, first_pos as u32, LogitRows::Last);
        forward(model, batch, kv, workspace, &mut ());
    }
}

/// Runs `work` several times, or once where that takes long.
fn repeat(mut work: impl FnMut()) {
    let start = Instant::now();
    for _ in 0..N_RUNS {
        work();
        if start.elapsed() > LONG {
            break;
        }
    }
}

/// The time that work takes when the machine does nothing else: near the fastest, which may be
/// luck.
fn undisturbed(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 4]
}

/// `n` of `n_layers` indices, spread evenly; all where there are no more.
fn spread(n_layers: usize, n: usize) -> Vec<usize> {
    let n = n.clamp(1, n_layers);
    (0..n).map(|i| (2 * i + 1) * n_layers / (2 * n)).collect()
}

fn choose(config: &mut ModelConfig, layer_idxs: &[usize]) {
    config.layer_kinds = layer_idxs.iter().map(|&i| config.layer_kinds[i]).collect();
    config.rotates = layer_idxs.iter().map(|&i| config.rotates[i]).collect();
    config.has_experts = layer_idxs.iter().map(|&i| config.has_experts[i]).collect();
    config.n_layers = layer_idxs.len();
}

/// Layers of the model's types and shapes, as many as are needed, with other weights.
fn made_up(model: &Model) -> Model {
    let layer_bytes = (layer_bytes(model) / model.layers.len()).max(1);
    let chosen = spread(model.layers.len(), (N_LAYER_BYTES / layer_bytes).max(2));
    let mut config = model.config.clone();
    choose(&mut config, &chosen);
    let output = model.output_matrix().expect("a model with logits");
    let row_bytes = (output.n_bytes() / output.n_out).max(1);
    config.n_vocab = output.n_out.min((N_OUTPUT_BYTES / row_bytes).max(N_EMBEDDING_ROWS));
    let embd = &model.token_embd;
    Model {
        spec: model.spec,
        arithmetic: model.arithmetic,
        token_embd: matrix(embd.dtype, [embd.n_out.min(N_EMBEDDING_ROWS), embd.n_in]),
        layers: chosen.into_iter().map(|i| layer(&model.layers[i])).collect(),
        position_embd: model.position_embd.clone(),
        token_embd_norm: model.token_embd_norm.clone(),
        token_type: None,
        output_norm: model.output_norm.clone(),
        output: OutputMatrix::Own(matrix(output.dtype, [config.n_vocab, output.n_in])),
        output_bias: model.output_bias.as_ref().map(|bias| bias[..config.n_vocab].to_vec()),
        sinusoids: model.sinusoids.clone(),
        position_bias: model.position_bias.clone(),
        encoder: None,
        skipped: Skipped::default(),
        n_bytes: 0,
        config,
    }
}

fn layer(like: &LayerWeights) -> LayerWeights {
    let linear = |like: &Linear| Linear {
        weight: matrix(like.weight.dtype, [like.weight.n_out, like.weight.n_in]),
        bias: like.bias.clone(),
    };
    let dense = |like: &DenseWeights| DenseWeights {
        gate: like.gate.as_ref().map(linear),
        up: linear(&like.up),
        down: linear(&like.down),
    };
    LayerWeights {
        attn_norm: like.attn_norm.clone(),
        qkv: match &like.qkv {
            QkvWeights::Heads(like) => QkvWeights::Heads(HeadWeights {
                attn_q: linear(&like.attn_q),
                attn_k: linear(&like.attn_k),
                attn_v: linear(&like.attn_v),
                attn_q_norm: like.attn_q_norm.clone(),
                attn_k_norm: like.attn_k_norm.clone(),
                attn_sinks: like.attn_sinks.clone(),
            }),
            QkvWeights::Latent(like) => QkvWeights::Latent(LatentWeights {
                query: like.query.as_ref().map(|like| LatentQuery {
                    linear: linear(&like.linear),
                    norm: like.norm.clone(),
                }),
                attn_q: linear(&like.attn_q),
                attn_kv_a: linear(&like.attn_kv_a),
                attn_kv_a_norm: like.attn_kv_a_norm.clone(),
                attn_k_b: like.attn_k_b.iter().map(linear).collect(),
                attn_v_b: like.attn_v_b.iter().map(linear).collect(),
            }),
        },
        attn_output: linear(&like.attn_output),
        post_attention_norm: like.post_attention_norm.clone(),
        ffn_norm: like.ffn_norm.clone(),
        cross: None,
        feed_forward: match &like.feed_forward {
            FeedForwardWeights::Dense(like) => FeedForwardWeights::Dense(dense(like)),
            FeedForwardWeights::Experts(like) => FeedForwardWeights::Experts(ExpertWeights {
                router: linear(&like.router),
                selection_bias: like.selection_bias.clone(),
                experts: like.experts.iter().map(dense).collect(),
                shared: like.shared.as_ref().map(|like| SharedExpert {
                    weights: dense(&like.weights),
                    gate: like.gate.clone(),
                }),
            }),
        },
        post_ffw_norm: like.post_ffw_norm.clone(),
    }
}

/// One row of noise, again and again: kernels take as long for any numbers.
fn matrix(dtype: DType, [n_out, n_in]: [usize; 2]) -> WeightMatrix {
    let mut row = vec![0; dtype.row_bytes(n_in).expect("a matrix like one of a file")];
    block::made_up_row(dtype, 1, 0.0625, &mut row);
    WeightMatrix::new(String::new(), dtype, [n_out, n_in], Bytes::from(row.repeat(n_out)))
}
