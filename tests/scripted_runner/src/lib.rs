//! A runner without a model: a script says which logits follow which tokens.

#![forbid(unsafe_code)]

mod vocabulary;

use std::ops::Range;

use engine::Runner;
use model::kv::{Fingerprint, KvShape, LayerShape, ValuePlace};
use model::{Batch, KvCache, KvType};

pub use vocabulary::Vocabulary;

/// Plays a script: a function from the tokens of a sequence, `[n_tokens]`, to the logits of the
/// next one, `[n_vocab]`. Like a model, it knows nothing of batches and steps; unlike a model, it
/// checks that every token comes at its position and within what was reserved.
pub struct ScriptedRunner {
    script: Box<Script>,
    limits: Limits,
    /// Holds the tokens of sequences; no key is ever written to it.
    kv: KvCache,
    /// `[n_logit_rows, n_vocab]`, of the last batch.
    logits: Vec<f32>,
}

type Script = dyn Fn(&[u32]) -> Vec<f32> + Send;

/// What a [`ScriptedRunner`] can hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub n_vocab: usize,
    pub n_ctx: usize,
    /// Positions of all sequences together.
    pub n_positions_max: usize,
    /// Rows of a batch.
    pub n_tokens_max: usize,
}

/// Logits that leave no choice but `id`.
///
/// # Shapes
/// - result: `[n_vocab]`
pub fn only(id: u32, n_vocab: usize) -> Vec<f32> {
    let mut logits = vec![f32::NEG_INFINITY; n_vocab];
    logits[id as usize] = 0.0;
    logits
}

/// The script that gives each prompt its answer, both token ids, and then ends the turn.
pub fn answers(
    n_vocab: usize,
    lines: Vec<(Vec<u32>, Vec<u32>)>,
) -> impl Fn(&[u32]) -> Vec<f32> + Send {
    move |tokens| {
        let lines = lines.iter().filter(|(prompt, _)| tokens.starts_with(prompt));
        let line = lines.max_by_key(|(prompt, _)| prompt.len());
        let (prompt, answer) = line.expect("a prompt of the script");
        let id = answer.get(tokens.len() - prompt.len());
        only(*id.unwrap_or(&Vocabulary::EOS), n_vocab)
    }
}

impl ScriptedRunner {
    pub fn new(limits: Limits, script: impl Fn(&[u32]) -> Vec<f32> + Send + 'static) -> Self {
        let layer = LayerShape { k_type: KvType::F16, v_type: KvType::F16, window: None };
        let shape =
            KvShape { n_kv_heads: 1, head_dim: 1, values: ValuePlace::Own, layers: vec![layer] };
        let n_bytes_max = shape.bytes(limits.n_positions_max, limits.n_tokens_max);
        Self {
            script: Box::new(script),
            limits,
            kv: KvCache::new(shape, n_bytes_max),
            logits: Vec::new(),
        }
    }
}

impl Runner for ScriptedRunner {
    fn n_vocab(&self) -> usize {
        self.limits.n_vocab
    }

    fn n_ctx(&self) -> usize {
        self.limits.n_ctx
    }

    fn n_tokens_max(&self) -> usize {
        self.limits.n_tokens_max
    }

    fn n_logit_rows_max(&self) -> usize {
        self.limits.n_tokens_max
    }

    fn kv(&self) -> &KvCache {
        &self.kv
    }

    fn kv_mut(&mut self) -> &mut KvCache {
        &mut self.kv
    }

    fn forward(&mut self, batch: &Batch) {
        assert!(batch.n_tokens() <= self.limits.n_tokens_max);
        self.logits.clear();
        let mut logit_rows = batch.logit_rows.iter().peekable();
        for chunk in &batch.sequences {
            for row in chunk.rows.clone() {
                assert_eq!(batch.positions[row] as usize, self.kv.n_keys(chunk.id));
                let (token, position) = (batch.token_ids[row], batch.positions[row]);
                self.kv.append(chunk.id, &[token], &[position]);
                if logit_rows.next_if_eq(&&row).is_some() {
                    let logits = (self.script)(self.kv.tokens(chunk.id));
                    assert_eq!(logits.len(), self.limits.n_vocab);
                    self.logits.extend(logits);
                }
            }
        }
    }

    fn logits(&mut self, rows: Range<usize>) -> &mut [f32] {
        let n_vocab = self.limits.n_vocab;
        &mut self.logits[rows.start * n_vocab..rows.end * n_vocab]
    }

    fn fingerprint(&self) -> Fingerprint {
        [0; 32]
    }

    fn find_non_finite(&self) -> Option<String> {
        Some("script".into())
    }
}
