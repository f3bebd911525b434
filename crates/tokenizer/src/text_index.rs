//! From a token's bytes to its id: a hash table that stores only ids.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::vocab::{TokenKind, Vocab};

const EMPTY: u32 = u32::MAX;

/// Finds the ordinary tokens of a [`Vocab`] by their bytes, which stay in the vocabulary.
///
/// The hash is keyed at random, so a file cannot be made whose tokens all collide.
#[derive(Debug)]
pub(crate) struct TextIndex {
    /// Open addressing; the length is a power of two.
    slots: Vec<u32>,
    n_bytes_max: usize,
    hasher: RandomState,
}

impl TextIndex {
    /// Ordinary tokens win over user-defined ones with the same text, low ids over high ones.
    pub(crate) fn new(vocab: &Vocab) -> Self {
        let n_slots = (2 * vocab.len()).next_power_of_two();
        let mut index =
            Self { slots: vec![EMPTY; n_slots], n_bytes_max: 0, hasher: RandomState::new() };
        for kind in [TokenKind::Text, TokenKind::UserDefined] {
            for id in vocab.ids_of(kind) {
                index.insert(vocab, id);
            }
        }
        index
    }

    pub(crate) fn find(&self, vocab: &Vocab, text: &[u8]) -> Option<u32> {
        if text.len() > self.n_bytes_max {
            return None;
        }
        match self.slots[self.slot_of(vocab, text)] {
            EMPTY => None,
            id => Some(id),
        }
    }

    fn insert(&mut self, vocab: &Vocab, id: u32) {
        let text = vocab.bytes(id);
        let slot = self.slot_of(vocab, text);
        if self.slots[slot] == EMPTY {
            self.slots[slot] = id;
            self.n_bytes_max = self.n_bytes_max.max(text.len());
        }
    }

    /// The slot that holds the text, or the free one where it belongs.
    fn slot_of(&self, vocab: &Vocab, text: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut slot = self.hasher.hash_one(text) as usize & mask;
        while self.slots[slot] != EMPTY && vocab.bytes(self.slots[slot]) != text {
            slot = (slot + 1) & mask;
        }
        slot
    }
}
