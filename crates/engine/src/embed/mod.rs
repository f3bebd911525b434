//! Texts become vectors: the hidden states of a text's tokens, pooled into one.

mod pooling;
mod recipe;

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use kernels::Kernels;
use model::batch::LogitRows;
use model::kv::KvShape;
use model::spec::Direction;
use model::{Batch, KvType, Model, SequenceId, WorkspaceSize};

pub use self::pooling::{Pooling, cosine, normalize};
pub use self::recipe::Recipe;

use self::pooling::Pool;
use crate::error::{Error, check_ids};
use crate::runner::{ModelRunner, Runner, RunnerOptions};

/// Most texts of one pass: each takes a block of the cache at the least.
const N_TEXTS_MAX: usize = 16;

/// A model that reads texts as a whole. What it caches of them is forgotten with each pass.
pub struct Embedder {
    runner: ModelRunner,
}

impl Embedder {
    /// For texts of up to `n_longest` tokens, which the model knows the positions of;
    /// `n_tokens_max` of them are computed together, or a whole text where its tokens see all.
    pub fn new(
        model: Arc<Model>,
        (n_longest, n_tokens_max): (usize, usize),
        n_threads: usize,
        kernels: &'static Kernels,
    ) -> Self {
        let config = &model.config;
        let n_tokens_max = match config.direction {
            Direction::Causal => n_tokens_max,
            Direction::Bidirectional => n_tokens_max.max(n_longest),
        };
        // Keys and values are not rounded: they are there for one pass.
        let kv_shape = KvShape::of(config, KvType::F32, KvType::F32);
        let n_positions = n_longest.max(n_tokens_max);
        let size = WorkspaceSize { n_ctx: config.n_ctx, n_tokens_max, n_logit_rows_max: 1 };
        let options = RunnerOptions {
            kv_bytes_max: kv_shape.bytes(n_positions, n_tokens_max).saturating_mul(N_TEXTS_MAX),
            kv_shape,
            n_threads,
            size,
            kernels,
        };
        Self { runner: ModelRunner::new(model, &options) }
    }

    /// Hands `show` the vector of each text in order; it may stop the work. A vector does not
    /// depend on the texts around it.
    ///
    /// # Shapes
    /// - each vector: `[d_model]`
    ///
    /// # Errors
    /// A text without tokens, with unknown ones, or longer than the model's context; hidden states
    /// that are not numbers; [`Error::Stopped`].
    pub fn embed(
        &mut self,
        texts: &[Vec<u32>],
        pooling: Pooling,
        show: &mut dyn FnMut(Vec<f32>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let (n_vocab, n_ctx) = (self.runner.n_vocab(), self.runner.n_ctx());
        for ids in texts {
            check_ids(ids, n_vocab)?;
            match ids.len() {
                0 => return Err(Error::EmptyPrompt),
                n_prompt if n_prompt > n_ctx => {
                    return Err(Error::PromptTooLong { n_prompt, n_ctx });
                }
                _ => (),
            }
        }
        let mut rest = texts;
        while !rest.is_empty() {
            let (together, later) = rest.split_at(n_together(rest, self.runner.n_tokens_max()));
            for vector in self.pass(together, pooling)? {
                if show(vector).is_break() {
                    return Err(Error::Stopped);
                }
            }
            rest = later;
        }
        Ok(())
    }

    fn pass(&mut self, texts: &[Vec<u32>], pooling: Pooling) -> Result<Vec<Vec<f32>>, Error> {
        let ids: Vec<SequenceId> = texts.iter().map(|_| self.runner.kv_mut().admit()).collect();
        let result = self.pooled(texts, &ids, pooling);
        ids.into_iter().for_each(|id| self.runner.kv_mut().release(id));
        result
    }

    fn pooled(
        &mut self,
        texts: &[Vec<u32>],
        ids: &[SequenceId],
        pooling: Pooling,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let n_tokens_max = self.runner.n_tokens_max();
        let n_longest = texts.iter().map(Vec::len).max().unwrap_or(0);
        let mut pools: Vec<Pool> = texts.iter().map(|_| Pool::new(pooling)).collect();
        let mut batch = Batch::default();
        // More than once only for a single text that is longer than a pass.
        for first in (0..n_longest).step_by(n_tokens_max) {
            batch.clear();
            for (text, &id) in texts.iter().zip(ids) {
                let end = text.len().min(first + n_tokens_max);
                self.runner.kv_mut().reserve(id, end)?;
                batch.push(id, &text[first..end], first as u32, LogitRows::All);
            }
            self.runner.forward(&batch);
            for (pool, sequence) in pools.iter_mut().zip(&batch.sequences) {
                self.add_rows(sequence.rows.clone(), pool)?;
            }
        }
        Ok(pools.into_iter().map(Pool::finish).collect())
    }

    fn add_rows(&self, rows: Range<usize>, pool: &mut Pool) -> Result<(), Error> {
        let hidden = self.runner.hidden(rows);
        if hidden.data().iter().any(|x| !x.is_finite()) {
            return Err(Error::NanHidden { tensor: self.runner.find_non_finite() });
        }
        (0..hidden.n_tokens()).for_each(|row_idx| pool.add(hidden.row(row_idx)));
        Ok(())
    }
}

/// How many of the first texts go through one pass: one at the least.
fn n_together(texts: &[Vec<u32>], n_tokens_max: usize) -> usize {
    let sums = texts.iter().scan(0, |n_tokens, text| {
        *n_tokens += text.len();
        Some(*n_tokens)
    });
    sums.take(N_TEXTS_MAX).take_while(|&n_tokens| n_tokens <= n_tokens_max).count().max(1)
}
