//! What a model takes, before it runs, and beside what it took.

use anyhow::Result;
use engine::Usage;
use model::Model;
use model::kv::{KvPolicy, KvShape};
use serde::Serialize;

use crate::args::RuntimeArgs;
use crate::kv_arg::KvArg;
use crate::open::{self, N_LOGIT_ROWS_MAX};
use crate::{calibration, machine};

/// Bytes of memory, without the program and its vocabulary.
#[derive(Clone, Copy, Serialize)]
pub(crate) struct Sizes {
    pub(crate) weights_bytes: usize,
    pub(crate) kv_bytes: usize,
    pub(crate) scratch_bytes: usize,
    pub(crate) total_bytes: usize,
}

/// Sequences of one length that run together, and how.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) n_ctx: usize,
    pub(crate) kv_policy: KvPolicy,
    pub(crate) n_parallel: usize,
    pub(crate) n_threads: usize,
}

impl Sizes {
    pub(crate) fn of(model: &Model, shape: &KvShape, load: Load) -> Self {
        let size = open::workspace_size(load.n_ctx, N_LOGIT_ROWS_MAX.max(load.n_parallel));
        let kv_bytes = shape.bytes_under(load.kv_policy, load.n_ctx, size.n_tokens_max);
        let kv_bytes = kv_bytes.saturating_mul(load.n_parallel);
        let weights_bytes = model.n_weight_bytes();
        let scratch_bytes = size.n_bytes(&model.config, load.n_threads);
        let total_bytes = weights_bytes.saturating_add(scratch_bytes).saturating_add(kv_bytes);
        Self { weights_bytes, kv_bytes, scratch_bytes, total_bytes }
    }
}

/// The `predicted` of an answer, for the tokens that it turned out to have.
#[derive(Serialize)]
pub(crate) struct Predicted {
    #[serde(flatten)]
    sizes: Sizes,
    prefill_s: f64,
    decode_s: f64,
}

/// The `measured` of an answer.
#[derive(Serialize)]
pub(crate) struct Measured {
    kv_bytes: usize,
    prefill_s: f64,
    decode_s: f64,
}

impl Predicted {
    /// `None` where no calibration is kept: an answer does not wait for one.
    ///
    /// # Errors
    /// Flags or variables that name no threads or kernels.
    pub(crate) fn of(
        model: &Model,
        (runtime, kv): (&RuntimeArgs, &KvArg),
        (n_ctx, kv_policy): (usize, KvPolicy),
        usage: &Usage,
    ) -> Result<Option<Self>> {
        let key = calibration::Key::of(model, runtime, kv)?;
        let Some(speeds) = calibration::kept(&key) else { return Ok(None) };
        let config = &model.config;
        let shape = kv.shape(config)?;
        let n_threads = machine::n_threads(runtime.threads)?;
        let kv_policy = kv_policy.after_prompt(usage.n_prompt);
        let load = Load { n_ctx, kv_policy, n_parallel: 1, n_threads };
        let sizes = Sizes::of(model, &shape, load);
        let n_tokens_max = open::workspace_size(n_ctx, N_LOGIT_ROWS_MAX).n_tokens_max;
        // The last token is shown, not computed.
        let n_decoded = usage.n_generated.saturating_sub(1);
        let n_reused = usage.reuse.n_reused;
        let kv_bytes = shape.bytes_under(kv_policy, usage.n_prompt + n_decoded, n_tokens_max);
        let total_bytes = sizes.total_bytes - sizes.kv_bytes + kv_bytes;
        Ok(Some(Self {
            sizes: Sizes { kv_bytes, total_bytes, ..sizes },
            prefill_s: speeds.prefill_s(
                (config, kv_policy),
                n_reused,
                usage.n_prefilled(),
                n_tokens_max,
            ),
            decode_s: speeds.decode_s((config, kv_policy), usage.n_prompt, n_decoded, 1),
        }))
    }
}

impl Measured {
    pub(crate) fn of(usage: &Usage) -> Self {
        Self {
            kv_bytes: usage.kv_bytes,
            prefill_s: usage.prefill.as_secs_f64(),
            decode_s: usage.decode.as_secs_f64(),
        }
    }
}
