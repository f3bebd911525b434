//! What a smaller cache costs: speed, and how far answers are from those of an f32 cache.
//!
//! A text is read up to a depth, and from there on decoded token by token, each time with the
//! text's own next token. Every distribution on the way is compared with the one that an f32 cache
//! gives at the same place, so what the rounded keys and values of the whole text do to it counts.

mod divergence;
mod needle;
mod passage;
mod sample_text;
mod setting;

use std::ops::ControlFlow;
use std::sync::Arc;

use model::Model;
use model::kv::KvPolicy;
use tokenizer::Tokenizer;

use crate::error::Error;
use crate::runner::{ModelRunner, RunnerOptions};
pub use divergence::Divergence;
use divergence::{Comparison, Reference};
pub use needle::{Answer, N_NEEDLES_MAX, Needles};
pub use passage::{Passage, Speed, TextTooShort};
pub use sample_text::sample_text;
pub use setting::{KvSetting, settings};

/// Called with the tokens computed so far; may stop the work.
pub type Progress<'a> = &'a mut dyn FnMut(usize) -> ControlFlow<()>;

/// A model and a text whose settings are compared.
pub struct KvCompare {
    model: Arc<Model>,
    tokenizer: Tokenizer,
    passage: Passage,
    needles: Needles,
    /// Its shape is replaced by that of each setting.
    options: RunnerOptions,
    reference: Reference,
}

impl Measured {
    /// Of the cache at the largest depth, for each token before it: less than `position_bytes`
    /// where a policy let go of some.
    pub fn bytes_a_token(&self) -> f64 {
        match (self.setting.policy, self.depths.last()) {
            (KvPolicy::KeepAll, _) | (_, None) => self.position_bytes as f64,
            (_, Some(at)) => at.bytes_a_token(),
        }
    }
}

impl AtDepth {
    /// Bytes of the cache for each token before the depth.
    pub fn bytes_a_token(&self) -> f64 {
        self.kv_bytes as f64 / self.depth.max(1) as f64
    }
}

/// What one setting costs.
#[derive(Clone, Debug)]
pub struct Measured {
    pub setting: KvSetting,
    /// Of one position while every layer keeps it.
    pub position_bytes: usize,
    /// Over all depths together.
    pub divergence: Divergence,
    /// By depth.
    pub depths: Vec<AtDepth>,
    pub answers: Vec<Answer>,
}

#[derive(Clone, Copy, Debug)]
pub struct AtDepth {
    pub depth: usize,
    /// Bytes that the cache holds there.
    pub kv_bytes: usize,
    pub speed: Speed,
    pub divergence: Divergence,
}

impl KvCompare {
    /// Computes what all settings are compared with: the text with an f32 cache. `options` say how
    /// the model runs; each pass has a cache of its own.
    ///
    /// # Errors
    /// Ids that the model does not have, logits that are not numbers; [`Error::Stopped`].
    pub fn new(
        model: Arc<Model>,
        tokenizer: Tokenizer,
        passage: Passage,
        needles: Needles,
        options: RunnerOptions,
        progress: Progress<'_>,
    ) -> Result<Self, Error> {
        crate::error::check_ids(passage.ids(), model.config.n_vocab)?;
        let n_rows = passage.depths().len() * passage.n_decoded();
        let reference = Reference::new(n_rows, model.config.n_vocab);
        let mut compare = Self { model, tokenizer, passage, needles, options, reference };
        let mut runner = compare.runner(KvSetting::REFERENCE);
        let reference = &mut compare.reference;
        compare.passage.decode(
            &mut runner,
            (KvPolicy::KeepAll, progress),
            &mut |_, logits, _| {
                reference.push(logits);
            },
        )?;
        Ok(compare)
    }

    /// Tokens of one [`Self::measure`], for its progress; [`Self::new`] computes no needles.
    pub fn n_tokens(&self) -> usize {
        self.passage.n_tokens() + self.needles.n_tokens()
    }

    /// Measures one setting.
    ///
    /// # Errors
    /// Logits that are not numbers; [`Error::Stopped`].
    pub fn measure(&self, setting: KvSetting, progress: Progress<'_>) -> Result<Measured, Error> {
        let mut runner = self.runner(setting);
        let n_depths = self.passage.depths().len();
        let mut comparisons = vec![Comparison::default(); n_depths];
        let mut row_idx = 0;
        let speeds = self.passage.decode(
            &mut runner,
            (setting.policy, progress),
            &mut |depth_idx, logits, next| {
                comparisons[depth_idx].push(self.reference.row(row_idx), logits, next);
                row_idx += 1;
            },
        )?;
        let n_before = self.passage.n_tokens();
        let progress = &mut |n| progress(n_before + n);
        let answers = self.needles.ask(&mut runner, &self.tokenizer, (setting.policy, progress))?;
        let shape = setting.shape(&self.model.config);
        let n_together = self.options.size.n_tokens_max;
        let depths = self.passage.depths().iter().zip(speeds).zip(&comparisons);
        let depths = depths.map(|((&depth, speed), comparison)| AtDepth {
            depth,
            kv_bytes: shape.bytes_after_prompt(setting.policy, depth, n_together),
            speed,
            divergence: comparison.divergence(),
        });
        Ok(Measured {
            setting,
            position_bytes: shape.position_bytes(),
            depths: depths.collect(),
            divergence: Comparison::together(&comparisons).divergence(),
            answers,
        })
    }

    fn runner(&self, setting: KvSetting) -> ModelRunner {
        let kv_shape = setting.shape(&self.model.config);
        let options = RunnerOptions { kv_shape, ..self.options.clone() };
        ModelRunner::new(Arc::clone(&self.model), &options)
    }
}
