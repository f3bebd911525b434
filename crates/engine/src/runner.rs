//! What the engine drives: a loaded model with its cache and buffers, or a script in tests.

use std::ops::Range;
use std::sync::Arc;

use model::kv::{CacheFull, KvShape};
use model::{Batch, KvCache, KvType, Model, SequenceId, ThreadPool, Workspace, WorkspaceSize};

/// One step at a time: a batch in, logits out. The seam that lets engine tests script a model.
pub trait Runner: Send {
    fn n_vocab(&self) -> usize;
    /// Longest sequence, in tokens.
    fn n_ctx(&self) -> usize;
    /// Most rows of one batch.
    fn n_tokens_max(&self) -> usize;
    /// Most rows of one call of [`Runner::logits`].
    fn n_logit_rows_max(&self) -> usize;

    /// Reserves room for a sequence.
    ///
    /// # Errors
    /// [`CacheFull`] when the cache has none.
    fn admit(&mut self, n_positions_max: usize) -> Result<SequenceId, CacheFull>;
    /// Gives an admitted sequence room for more.
    ///
    /// # Errors
    /// [`CacheFull`] when the cache has none; the sequence stays as it was.
    fn reserve(&mut self, id: SequenceId, n_positions_max: usize) -> Result<(), CacheFull>;
    fn release(&mut self, id: SequenceId);
    /// Keeps the first `n_keys` positions of a sequence.
    fn truncate(&mut self, id: SequenceId, n_keys: usize);

    fn forward(&mut self, batch: &Batch);
    /// Logits of some of the last batch's logit rows: `[rows.len(), n_vocab]`.
    fn logits(&mut self, rows: Range<usize>) -> &mut [f32];

    /// Bytes of cached keys and values.
    fn kv_bytes(&self) -> usize;
    /// Names a tensor that explains logits which are not numbers.
    fn find_non_finite(&self) -> Option<String>;
}

/// How a model runs.
#[derive(Clone, Copy)]
pub struct RunnerOptions {
    pub n_ctx: usize,
    /// Positions of all sequences together.
    pub n_positions_max: usize,
    pub k_type: KvType,
    pub v_type: KvType,
    pub n_threads: usize,
    pub size: WorkspaceSize,
    pub kernels: &'static kernels::Kernels,
}

/// A model, its cache, its buffers and its threads.
pub struct ModelRunner {
    model: Arc<Model>,
    kv: KvCache,
    workspace: Workspace,
    n_ctx: usize,
}

impl ModelRunner {
    pub fn new(model: Arc<Model>, options: &RunnerOptions) -> Self {
        let shape = KvShape::of(&model.config, options.k_type, options.v_type);
        let pool = ThreadPool::new(options.n_threads);
        let workspace = Workspace::new(&model, options.kernels, pool, options.size);
        let kv = KvCache::new(shape, options.n_positions_max);
        Self { model, kv, workspace, n_ctx: options.n_ctx }
    }
}

impl Runner for ModelRunner {
    fn n_vocab(&self) -> usize {
        self.model.config.n_vocab
    }

    fn n_ctx(&self) -> usize {
        self.n_ctx
    }

    fn n_tokens_max(&self) -> usize {
        self.workspace.size().n_tokens_max
    }

    fn n_logit_rows_max(&self) -> usize {
        self.workspace.size().n_logit_rows_max
    }

    fn admit(&mut self, n_positions_max: usize) -> Result<SequenceId, CacheFull> {
        self.kv.admit(n_positions_max)
    }

    fn reserve(&mut self, id: SequenceId, n_positions_max: usize) -> Result<(), CacheFull> {
        self.kv.reserve(id, n_positions_max)
    }

    fn release(&mut self, id: SequenceId) {
        self.kv.release(id);
    }

    fn truncate(&mut self, id: SequenceId, n_keys: usize) {
        self.kv.truncate(id, n_keys);
    }

    fn forward(&mut self, batch: &Batch) {
        model::forward(&self.model, batch, &mut self.kv, &mut self.workspace, &mut ());
    }

    fn logits(&mut self, rows: Range<usize>) -> &mut [f32] {
        model::unembed(&self.model, rows, &mut self.workspace)
    }

    fn kv_bytes(&self) -> usize {
        self.kv.used_bytes()
    }

    fn find_non_finite(&self) -> Option<String> {
        self.model.find_non_finite().map(str::to_owned)
    }
}
