//! What one forward pass computes: rows of many sequences, no phases.

use std::ops::Range;

use crate::kv::SequenceId;

/// Tokens to compute, sequence after sequence. Prompt, decode, verification and scoring are all
/// the same: some rows of some sequences, and the rows whose logits are wanted.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// `[n_tokens]`
    pub token_ids: Vec<u32>,
    /// `[n_tokens]`: position of each token in its sequence's text.
    pub positions: Vec<u32>,
    /// Which rows belong to which sequence; ranges are in order and cover all rows.
    pub sequences: Vec<BatchSequence>,
    /// Rows whose final hidden state is kept for [`crate::unembed`] or [`crate::hidden`], ascending.
    pub logit_rows: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchSequence {
    pub id: SequenceId,
    pub rows: Range<usize>,
}

/// Which of a chunk's rows need logits, or are read as hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogitRows {
    None,
    Last,
    All,
}

impl Batch {
    pub fn clear(&mut self) {
        self.token_ids.clear();
        self.positions.clear();
        self.sequences.clear();
        self.logit_rows.clear();
    }

    /// Adds the next tokens of a sequence, the first of them at `first_pos`.
    pub fn push(
        &mut self,
        id: SequenceId,
        token_ids: &[u32],
        first_pos: u32,
        logit_rows: LogitRows,
    ) {
        let first_row = self.token_ids.len();
        self.token_ids.extend_from_slice(token_ids);
        self.positions.extend(first_pos..first_pos + token_ids.len() as u32);
        let rows = first_row..self.token_ids.len();
        match logit_rows {
            LogitRows::None => (),
            LogitRows::Last => self.logit_rows.extend(rows.clone().last()),
            LogitRows::All => self.logit_rows.extend(rows.clone()),
        }
        self.sequences.push(BatchSequence { id, rows });
    }

    pub fn n_tokens(&self) -> usize {
        self.token_ids.len()
    }
}
