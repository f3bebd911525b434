//! A runner without a model: a script says which logits follow which tokens.

#![forbid(unsafe_code)]

mod vocabulary;

use std::collections::HashMap;
use std::ops::Range;

use engine::Runner;
use model::kv::{CacheFull, KvShape};
use model::{Batch, KvCache, KvType, SequenceId};

pub use vocabulary::Vocabulary;

/// Plays a script: a function from the tokens of a sequence, `[n_tokens]`, to the logits of the
/// next one, `[n_vocab]`. Like a model, it knows nothing of batches and steps; unlike a model, it
/// checks that every token comes at its position and within what was reserved.
pub struct ScriptedRunner {
    script: Box<Script>,
    limits: Limits,
    /// Only counts blocks; nothing is ever written to it.
    kv: KvCache,
    sequences: HashMap<SequenceId, Cached>,
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

struct Cached {
    tokens: Vec<u32>,
    n_positions_max: usize,
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
        let (k_type, v_type) = (KvType::F16, KvType::F16);
        let shape = KvShape { n_layers: 1, n_kv_heads: 1, head_dim: 1, k_type, v_type };
        Self {
            script: Box::new(script),
            limits,
            kv: KvCache::new(shape, limits.n_positions_max),
            sequences: HashMap::new(),
            logits: Vec::new(),
        }
    }

    fn sequence(&mut self, id: SequenceId) -> &mut Cached {
        self.sequences.get_mut(&id).expect("an admitted sequence")
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

    fn admit(&mut self, n_positions_max: usize) -> Result<SequenceId, CacheFull> {
        let id = self.kv.admit(n_positions_max)?;
        let before = self.sequences.insert(id, Cached { tokens: Vec::new(), n_positions_max });
        assert!(before.is_none(), "a place is given to one sequence at a time");
        Ok(id)
    }

    fn reserve(&mut self, id: SequenceId, n_positions_max: usize) -> Result<(), CacheFull> {
        self.kv.reserve(id, n_positions_max)?;
        let sequence = self.sequence(id);
        sequence.n_positions_max = sequence.n_positions_max.max(n_positions_max);
        Ok(())
    }

    fn release(&mut self, id: SequenceId) {
        self.kv.release(id);
        self.sequences.remove(&id).expect("an admitted sequence");
    }

    fn truncate(&mut self, id: SequenceId, n_keys: usize) {
        self.sequence(id).tokens.truncate(n_keys);
    }

    fn forward(&mut self, batch: &Batch) {
        assert!(batch.n_tokens() <= self.limits.n_tokens_max);
        self.logits.clear();
        let mut logit_rows = batch.logit_rows.iter().peekable();
        for chunk in &batch.sequences {
            let sequence = self.sequences.get_mut(&chunk.id).expect("an admitted sequence");
            for row in chunk.rows.clone() {
                assert_eq!(batch.positions[row] as usize, sequence.tokens.len());
                assert!(
                    sequence.tokens.len() < sequence.n_positions_max,
                    "beyond what is reserved"
                );
                sequence.tokens.push(batch.token_ids[row]);
                if logit_rows.next_if_eq(&&row).is_some() {
                    let logits = (self.script)(&sequence.tokens);
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

    /// What it keeps of a sequence: the ids of its tokens.
    fn kv_bytes(&self) -> usize {
        let n_tokens: usize = self.sequences.values().map(|cached| cached.tokens.len()).sum();
        n_tokens * size_of::<u32>()
    }

    fn find_non_finite(&self) -> Option<String> {
        Some("script".into())
    }
}
