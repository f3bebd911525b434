//! What the engine drives: a loaded model with its cache and buffers, or a script in tests.

use std::ops::Range;
use std::sync::Arc;

use model::kv::{Fingerprint, KvPolicy, KvShape};
use model::shape::Rows;
use model::{Batch, KvCache, Model, ThreadPool, Workspace, WorkspaceSize};

use crate::error::Error;

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
    /// Most rows of one call of [`Runner::logits`].
    fn n_logit_rows_max(&self) -> usize;

    fn kv(&self) -> &KvCache;
    fn kv_mut(&mut self) -> &mut KvCache;

    /// Computes a batch; the cache has room for it.
    fn forward(&mut self, batch: &Batch);
    /// Logits of some of the last batch's logit rows: `[rows.len(), n_vocab]`.
    fn logits(&mut self, rows: Range<usize>) -> &mut [f32];

    /// What binds a saved cache to a model.
    fn fingerprint(&self) -> Fingerprint;
    /// Names a tensor that explains logits which are not numbers.
    fn find_non_finite(&self) -> Option<String>;
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
    workspace: Workspace,
}

impl ModelRunner {
    pub fn new(model: Arc<Model>, options: &RunnerOptions) -> Self {
        let pool = ThreadPool::new(options.n_threads);
        let workspace = Workspace::new(&model, options.kernels, pool, options.size);
        let kv = KvCache::new(options.kv_shape.clone(), options.kv_bytes_max);
        Self { model, kv, workspace }
    }
}

impl ModelRunner {
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
        self.workspace.size().n_tokens_max
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
        for sequence in &batch.sequences {
            model::evict(&self.model, &mut self.kv, sequence.id, &mut self.workspace);
        }
        model::forward(&self.model, batch, &mut self.kv, &mut self.workspace, &mut ());
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
