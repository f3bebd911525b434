//! Heads that look a fixed way back: at the token before, at an earlier copy, and past it.

use std::ops::Range;

use engine::sampler::uniform;
use engine::{Special, SpecialText, Tokenizer};

use crate::capture::{OffsetWeights, OffsetsPlan};
use crate::inspector::{InspectError, Inspector};
use crate::planted::{Half, facts};

/// Weights of each head, `[n_layers * n_heads]`, in the mean over rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Positional {
    pub previous: Vec<f64>,
    pub duplicate: Vec<f64>,
    pub induction: Vec<f64>,
    /// What a key gets in the mean over rows that look at all keys alike.
    pub even_previous: f64,
    pub even_repeated: f64,
    /// Rows.
    pub n_previous: usize,
    pub n_repeated: usize,
}

/// Measured on `n_texts` planted texts, and on as many of random tokens, said twice.
///
/// # Errors
/// What becomes of requests.
pub fn positional(inspector: &mut Inspector<'_>, n_texts: u64) -> Result<Positional, InspectError> {
    const N_SENTENCES: usize = 16;
    /// Tokens that are said twice: few enough for a window of 128.
    const N_REPEATED: usize = 48;
    let (mut before, mut copies) = (Offsets::default(), Offsets::default());
    for seed in 0..n_texts {
        let text = facts(seed, Half::Calibration, N_SENTENCES).document;
        let ids = inspector.tokenizer.encode_prompt(&text, SpecialText::AsText);
        before.add(inspector, &ids, (1..ids.len() as u32, vec![1]))?;
        let ids = repeated(inspector.tokenizer, seed, N_REPEATED);
        let (end, t) = (ids.len() as u32, N_REPEATED as u32);
        // Past the copy of the last token the second copy itself begins.
        copies.add(inspector, &ids, (end - t..end - 1, vec![t, t - 1]))?;
    }
    Ok(Positional {
        previous: before.means(0),
        duplicate: copies.means(0),
        induction: copies.means(1),
        even_previous: before.even / before.n_rows as f64,
        even_repeated: copies.even / copies.n_rows as f64,
        n_previous: before.n_rows,
        n_repeated: copies.n_rows,
    })
}

/// Sums over texts.
#[derive(Default)]
struct Offsets {
    /// By head, then by offset.
    sums: Vec<Vec<f64>>,
    n_rows: usize,
    even: f64,
}

impl Offsets {
    fn add(
        &mut self,
        inspector: &mut Inspector<'_>,
        ids: &[u32],
        (rows, offsets): (Range<u32>, Vec<u32>),
    ) -> Result<(), InspectError> {
        let plan = OffsetsPlan { rows: rows.clone(), offsets };
        let weights = OffsetWeights::new(&inspector.model.config, plan);
        let found = inspector.watch(ids, weights)?;
        if self.sums.is_empty() {
            self.sums = found.sums().map(|sums| vec![0.0; sums.len()]).collect();
        }
        for (sums, of_text) in self.sums.iter_mut().zip(found.sums()) {
            sums.iter_mut().zip(of_text).for_each(|(sum, x)| *sum += x);
        }
        self.n_rows += found.n_rows();
        self.even += rows.map(|row| 1.0 / f64::from(row + 1)).sum::<f64>();
        Ok(())
    }

    fn means(&self, offset: usize) -> Vec<f64> {
        let n = self.n_rows.max(1) as f64;
        self.sums.iter().map(|sums| (sums[offset] / n).clamp(0.0, 1.0)).collect()
    }
}

/// `n` random tokens, said twice; nothing but their order tells what comes next.
fn repeated(tokenizer: &Tokenizer, seed: u64, n: usize) -> Vec<u32> {
    /// Of a vocabulary without any text each token does.
    const N_TRIES: u64 = 100_000;
    let n_vocab = tokenizer.n_vocab();
    let draw = |idx| (uniform(seed, idx) * n_vocab as f64) as u32;
    let is_text = |&id: &u32| {
        (id as usize) < n_vocab
            && !tokenizer.is_control(id)
            && !tokenizer.token_bytes(id, Special::Hide).is_empty()
    };
    let mut ids: Vec<u32> = (0..N_TRIES).map(draw).filter(is_text).take(n).collect();
    ids.extend((N_TRIES..).map(draw).take(n - ids.len()));
    let start = tokenizer.bos().filter(|_| tokenizer.adds_bos());
    start.into_iter().chain(ids.iter().copied()).chain(ids.iter().copied()).collect()
}
