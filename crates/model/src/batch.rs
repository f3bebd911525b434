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
    /// Rows whose final hidden state is kept, ascending: for [`crate::unembed`], [`crate::hidden`].
    pub logit_rows: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct BatchSequence {
    pub id: SequenceId,
    pub rows: Range<usize>,
    /// The text that an encoder has read for it, where there is one: [`crate::encode`].
    pub source: Option<SequenceId>,
}

/// Whose keys and values a query looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeysOf {
    /// Those of the text that it stands in.
    Own,
    /// Those of [`BatchSequence::source`].
    Source,
}

/// Which of a chunk's rows need logits, or are read as hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogitRows {
    None,
    Last,
    /// Those from one of them on.
    From(usize),
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
            LogitRows::From(n) => self.logit_rows.extend(rows.clone().skip(n)),
            LogitRows::All => self.logit_rows.extend(rows.clone()),
        }
        self.sequences.push(BatchSequence { id, rows, source: None });
    }

    /// Lets the rows that were added last look at what an encoder has read.
    pub fn set_source(&mut self, source: SequenceId) {
        self.sequences.last_mut().expect("rows were added").source = Some(source);
    }

    pub fn n_tokens(&self) -> usize {
        self.token_ids.len()
    }
}

impl BatchSequence {
    /// Where the keys lie that its queries look at.
    pub(crate) fn keys_of(&self, keys_of: KeysOf) -> SequenceId {
        match keys_of {
            KeysOf::Own => self.id,
            KeysOf::Source => self.source.expect("an encoder has read the text it looks at"),
        }
    }
}
