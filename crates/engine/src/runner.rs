//! What the engine drives: a loaded model with its cache and buffers, or a script in tests.

use std::ops::Range;
use std::sync::Arc;

use model::kv::{Fingerprint, KvPolicy, KvShape, LayerShape};
use model::shape::Rows;
use model::{Batch, KvCache, Model, Probe, SequenceId, ThreadPool, Workspace, WorkspaceSize};

use crate::error::Error;
use crate::watch::Watchers;

/// One step at a time: a batch in, logits out. The seam that lets engine tests script a model.
pub trait Runner: Send {
    fn n_vocab(&self) -> usize;
    /// Longest sequence, in tokens.
    fn n_ctx(&self) -> usize;
    /// Positions that the model knows, whatever is forgotten.
    fn n_positions_max(&self) -> usize {
        N_POSITIONS_MAX
    }
    /// Most rows of one batch.
    fn n_tokens_max(&self) -> usize;
    /// Of a model whose prompts are read by an encoder.
    fn encoder(&self) -> Option<EncoderLimits> {
        None
    }
    /// Most rows of one call of [`Runner::logits`].
    fn n_logit_rows_max(&self) -> usize;

    fn kv(&self) -> &KvCache;
    fn kv_mut(&mut self) -> &mut KvCache;

    /// Computes a batch; the cache has room for it.
    fn forward(&mut self, batch: &Batch);
    /// The same, and shows it to those who watch, if there is attention to be seen.
    fn forward_watched(&mut self, batch: &Batch, _watchers: &mut Watchers<'_>) {
        self.forward(batch);
    }
    /// Lets the encoder read a prompt: its keys are those of `source`, for which the cache has
    /// room. Only where there is [`Runner::encoder`].
    fn encode(&mut self, _ids: &[u32], _source: SequenceId) {
        unreachable!("a runner with an encoder reads with it");
    }
    /// Logits of some of the last batch's logit rows: `[rows.len(), n_vocab]`.
    fn logits(&mut self, rows: Range<usize>) -> &mut [f32];

    /// What binds a saved cache to a model.
    fn fingerprint(&self) -> Fingerprint;
    /// Names a tensor that explains logits which are not numbers.
    fn find_non_finite(&self) -> Option<String>;
}

/// What an encoder reads, and what the decoder that looks at it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncoderLimits {
    /// Longest prompt, in tokens.
    pub n_tokens_max: usize,
    pub start_id: u32,
}

/// Positions are 32-bit, and rotary angles of more are less exact than the differences that count.
const N_POSITIONS_MAX: usize = 1 << 30;

/// The longest text, in tokens: under a policy that forgets there is no end.
pub fn n_positions_max(policy: KvPolicy, n_ctx: usize) -> usize {
    if policy.n_keys_max().is_some() { N_POSITIONS_MAX } else { n_ctx }
}

/// The same, if what the policy keeps has room.
///
/// # Errors
/// [`Error::PolicyTooLarge`].
pub(crate) fn longest_text(runner: &dyn Runner, policy: KvPolicy) -> Result<usize, Error> {
    let n_ctx = runner.n_ctx();
    let n_positions = n_positions_max(policy, n_ctx).min(runner.n_positions_max());
    let Some(n_kept) = policy.n_keys_max() else { return Ok(n_positions) };
    let kv = runner.kv();
    let n_bytes = kv.shape().bytes_under(policy, n_positions, runner.n_tokens_max());
    if n_kept > n_ctx || n_bytes > kv.n_bytes_max() {
        return Err(Error::PolicyTooLarge { n_kept, n_ctx });
    }
    Ok(n_positions)
}

/// How a model runs.
#[derive(Clone)]
pub struct RunnerOptions {
    pub kv_shape: KvShape,
    /// Of keys and values, for all sequences together.
    pub kv_bytes_max: usize,
    pub n_threads: usize,
    pub size: WorkspaceSize,
    pub kernels: &'static kernels::Kernels,
}

/// A model, its cache, its buffers and its threads.
pub struct ModelRunner {
    model: Arc<Model>,
    kv: KvCache,
    /// Of an encoder's layers, while it reads.
    encoder_kv: Option<KvCache>,
    workspace: Workspace,
    n_tokens_max: usize,
}

impl ModelRunner {
    pub fn new(model: Arc<Model>, options: &RunnerOptions) -> Self {
        let pool = ThreadPool::new(options.n_threads);
        let mut size = options.size;
        let encoder_kv = model.encoder.as_ref().map(|encoder| {
            // Its texts are read as a whole.
            size.n_tokens_max = size.n_tokens_max.max(size.n_ctx);
            let LayerShape { k_type, v_type, .. } = options.kv_shape.layers[0];
            let shape = KvShape::of(&encoder.config, k_type, v_type);
            let n_bytes_max = shape.bytes(size.n_ctx, size.n_ctx);
            KvCache::new(shape, n_bytes_max)
        });
        let workspace = Workspace::new(&model, options.kernels, pool, size);
        let kv = KvCache::new(options.kv_shape.clone(), options.kv_bytes_max);
        Self { model, kv, encoder_kv, workspace, n_tokens_max: options.size.n_tokens_max }
    }
}

impl ModelRunner {
    fn forward_by(&mut self, batch: &Batch, probe: &mut impl Probe) {
        for sequence in &batch.sequences {
            model::evict(&self.model, &mut self.kv, sequence.id, &mut self.workspace);
        }
        model::forward(&self.model, batch, &mut self.kv, &mut self.workspace, probe);
    }

    /// Hidden states of some of the last batch's logit rows: `[rows.len(), d_model]`.
    pub fn hidden(&self, rows: Range<usize>) -> Rows<'_> {
        model::hidden(&self.model, rows, &self.workspace)
    }
}

impl Runner for ModelRunner {
    fn n_vocab(&self) -> usize {
        self.model.config.n_vocab
    }

    fn n_ctx(&self) -> usize {
        self.workspace.size().n_ctx
    }

    fn n_positions_max(&self) -> usize {
        self.model.n_positions_max().unwrap_or(N_POSITIONS_MAX)
    }

    fn n_tokens_max(&self) -> usize {
        self.n_tokens_max
    }

    fn encoder(&self) -> Option<EncoderLimits> {
        let start_id = self.model.config.decoder_start_id?;
        Some(EncoderLimits { n_tokens_max: self.n_ctx(), start_id })
    }

    fn n_logit_rows_max(&self) -> usize {
        self.workspace.size().n_logit_rows_max
    }

    fn kv(&self) -> &KvCache {
        &self.kv
    }

    fn kv_mut(&mut self) -> &mut KvCache {
        &mut self.kv
    }

    fn forward(&mut self, batch: &Batch) {
        self.forward_by(batch, &mut ());
    }

    fn forward_watched(&mut self, batch: &Batch, watchers: &mut Watchers<'_>) {
        self.forward_by(batch, watchers);
    }

    fn encode(&mut self, ids: &[u32], source: SequenceId) {
        let encoder_kv = self.encoder_kv.as_mut().expect("a model with an encoder");
        let kv = (&mut self.kv, source);
        model::encode(&self.model, ids, encoder_kv, kv, &mut self.workspace, &mut ());
    }

    fn logits(&mut self, rows: Range<usize>) -> &mut [f32] {
        model::unembed(&self.model, rows, &mut self.workspace)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.model.fingerprint(self.n_ctx())
    }

    fn find_non_finite(&self) -> Option<String> {
        self.model.find_non_finite().map(str::to_owned)
    }
}
