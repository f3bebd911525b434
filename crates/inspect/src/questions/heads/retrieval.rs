//! Heads that copy an answer from where it stands: retrieval heads (Wu et al. 2404.15574).

use std::ops::Range;

use model::ModelConfig;

use crate::capture::{RowPlan, Selection};
use crate::inspector::{InspectError, Inspector};
use crate::planted::{Half, NeedleDocument, needle};
use crate::prompts::{PromptError, Prompts};

/// How often heads copied.
#[derive(Clone, Debug, PartialEq)]
pub struct Retrieval {
    /// `[n_layers * n_heads]`: rows whose heaviest key lies in the needle and is the token that
    /// was written.
    pub n_copied: Vec<usize>,
    /// Rows that wrote an answer.
    pub n_rows: usize,
    /// Documents whose answer was written.
    pub n_found: usize,
    /// What `n_copied` of a head would be whose heaviest key is drawn by lot.
    pub n_by_lot: f64,
}

impl Retrieval {
    /// `|g_h & k| / |k|`, where `k` are the tokens of the answer that were written.
    pub fn share(&self, head: usize) -> Option<f64> {
        (self.n_rows > 0).then(|| self.n_copied[head] as f64 / self.n_rows as f64)
    }

    pub fn even(&self) -> Option<f64> {
        (self.n_rows > 0).then(|| self.n_by_lot / self.n_rows as f64)
    }
}

/// Measured while the model writes answers to questions about `n` documents of so many words. What
/// it gets wrong is not counted: nothing was retrieved there.
///
/// # Errors
/// What becomes of prompts and requests.
pub fn retrieval(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    (n, n_words): (u64, usize),
) -> Result<Retrieval, PromptError> {
    const N_ANSWER_MAX: usize = 32;
    let config = &inspector.model.config;
    let n_copied = vec![0; config.n_layers * config.n_heads];
    let mut found = Retrieval { n_copied, n_rows: 0, n_found: 0, n_by_lot: 0.0 };
    for seed in 0..n {
        let depth = (seed as f64 + 0.5) / n as f64;
        let case = needle(seed, Half::Calibration, n_words, depth);
        let prompt = prompts.turn(&[&case.document, &case.question])?;
        let answer = inspector.answer(&prompt.ids, N_ANSWER_MAX).map_err(InspectError::from)?;
        let ids = [&prompt.ids[..], &answer].concat();
        let written = inspector.text(&answer);
        let Ok(bytes) = written.find(&case.answer, 0) else { continue };
        let tokens = written.span(bytes).map_err(InspectError::from)?.tokens;
        let tokens = tokens.start + prompt.ids.len()..tokens.end + prompt.ids.len();
        let needle = needle_tokens(inspector, &prompt.ids, &case)?;
        found.add(inspector, &ids, (tokens, needle))?;
    }
    Ok(found)
}

/// The tokens of the needle in the prompt.
fn needle_tokens(
    inspector: &Inspector<'_>,
    ids: &[u32],
    case: &NeedleDocument,
) -> Result<Range<usize>, InspectError> {
    let text = inspector.text(ids);
    let bytes = text.find(&case.document[case.needle.clone()], 0)?;
    Ok(text.span(bytes)?.tokens)
}

impl Retrieval {
    /// Counts the rows that wrote the tokens `written` of a text.
    fn add(
        &mut self,
        inspector: &mut Inspector<'_>,
        ids: &[u32],
        (written, needle): (Range<usize>, Range<usize>),
    ) -> Result<(), InspectError> {
        let config: &ModelConfig = &inspector.model.config;
        let (n_heads, selection) = (config.n_heads, Selection::all(config));
        let rows = written.start as u32 - 1..written.end as u32 - 1;
        let rows = inspector.rows(ids, RowPlan { selection, rows, n_top: 1 })?;
        for row in &rows {
            let Some(&(key_pos, _)) = row.keys.first() else { continue };
            let is_in_needle = needle.contains(&(key_pos as usize));
            if is_in_needle && ids[key_pos as usize] == ids[row.query_pos as usize + 1] {
                self.n_copied[row.layer_idx * n_heads + row.head_idx] += 1;
            }
        }
        for token in written.clone() {
            let n_same = ids[needle.clone()].iter().filter(|&&id| id == ids[token]).count();
            self.n_by_lot += n_same as f64 / token as f64;
        }
        self.n_rows += written.len();
        self.n_found += 1;
        Ok(())
    }
}
