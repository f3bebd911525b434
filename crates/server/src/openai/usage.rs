//! What answers cost, in OpenAI's form and in ours.

use engine::Usage;
use serde_json::{Value, json};

/// Of all answers to one prompt, which is counted once.
#[derive(Default)]
pub(super) struct Totals {
    n_prompt: usize,
    n_generated: usize,
    n_reasoning: usize,
    /// Of the answer that read the prompt.
    first: Option<Box<Usage>>,
}

impl Totals {
    pub(super) fn add(&mut self, choice: usize, usage: Box<Usage>, n_reasoning: usize) {
        self.n_reasoning += n_reasoning;
        self.n_generated += usage.n_generated;
        if choice == 0 {
            self.n_prompt = usage.n_prompt;
            self.first = Some(usage);
        }
    }

    /// Those of several prompts.
    pub(super) fn join(&mut self, other: Self) {
        self.n_prompt += other.n_prompt;
        self.n_generated += other.n_generated;
        self.n_reasoning += other.n_reasoning;
        self.first = self.first.take().or(other.first);
    }

    pub(super) fn usage(&self) -> Value {
        let n_cached = self.first.as_ref().map_or(0, |usage| usage.reuse.n_reused);
        json!({
            "prompt_tokens": self.n_prompt,
            "completion_tokens": self.n_generated,
            "total_tokens": self.n_prompt + self.n_generated,
            "prompt_tokens_details": {"cached_tokens": n_cached},
            "completion_tokens_details": {"reasoning_tokens": self.n_reasoning},
        })
    }

    /// Where the context of the first answer came from, and llama.cpp's `timings`.
    pub(super) fn extend(&self, object: &mut Value) {
        let Some(usage) = &self.first else { return };
        object["context"] = json!(usage.context());
        object["timings"] = json!({
            "prompt_n": usage.n_prefilled(),
            "prompt_ms": usage.prefill.as_secs_f64() * 1e3,
            "prompt_per_second": usage.prefill_tps(),
            "predicted_n": usage.n_generated,
            "predicted_ms": usage.decode.as_secs_f64() * 1e3,
            "predicted_per_second": usage.decode_tps(),
            "cache_n": usage.reuse.n_reused,
        });
    }
}
