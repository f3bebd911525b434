//! From a token's bytes to its id: a hash table that does not store the bytes.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use crate::vocab::{TokenKind, Vocab};

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The upper half of the text's hash: most other texts are told apart without reading them.
    tag: u32,
    id: u32,
}

const EMPTY: Slot = Slot { tag: 0, id: u32::MAX };

impl Slot {
    fn is_empty(self) -> bool {
        self.id == EMPTY.id
    }
}

/// Finds the ordinary tokens of a [`Vocab`] by their bytes, which stay in the vocabulary.
///
/// The hash is keyed at random, so a file cannot be made whose tokens all collide.
#[derive(Debug)]
pub(crate) struct TextIndex {
    /// Open addressing; the length is a power of two.
    slots: Vec<Slot>,
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
        let (slot_idx, _) = self.slot_of(vocab, text);
        let slot = self.slots[slot_idx];
        (!slot.is_empty()).then_some(slot.id)
    }

    fn insert(&mut self, vocab: &Vocab, id: u32) {
        let text = vocab.bytes(id);
        let (slot_idx, tag) = self.slot_of(vocab, text);
        let slot = &mut self.slots[slot_idx];
        if slot.is_empty() {
            *slot = Slot { tag, id };
            self.n_bytes_max = self.n_bytes_max.max(text.len());
        }
    }

    /// The slot that holds the text, or the free one where it belongs; and the text's tag.
    fn slot_of(&self, vocab: &Vocab, text: &[u8]) -> (usize, u32) {
        let hash = self.hasher.hash_one(text);
        let (tag, mask) = ((hash >> 32) as u32, self.slots.len() - 1);
        let mut slot_idx = hash as usize & mask;
        loop {
            let slot = self.slots[slot_idx];
            if slot.is_empty() || (slot.tag == tag && vocab.bytes(slot.id) == text) {
                return (slot_idx, tag);
            }
            slot_idx = (slot_idx + 1) & mask;
        }
    }
}
