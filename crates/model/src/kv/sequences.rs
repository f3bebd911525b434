//! The sequences of a cache, by number.

use super::block_pool::BlockId;
use super::bounds::KeyBounds;
use super::eviction::Judgement;
use super::hidden::Hidden;
use super::policy::KvPolicy;

/// A sequence's place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceId(usize);

/// By [`SequenceId`].
#[derive(Default)]
pub(super) struct Sequences(Vec<Option<SequenceKv>>);

pub(super) struct SequenceKv {
    pub(super) policy: KvPolicy,
    /// `[n_tokens]`: the text whose keys and values were computed.
    pub(super) tokens: Vec<u32>,
    /// `[n_keys]`, ascending; every cached key carries its position (A2).
    pub(super) positions: Vec<u32>,
    /// By group of layers.
    pub(super) tables: Vec<Table>,
    /// By layer, where the policy chooses among blocks; of layers with a window, nothing.
    pub(super) bounds: Vec<KeyBounds>,
    /// What the policy keeps of the prompt is judged once.
    pub(super) judgement: Judgement,
    pub(super) hidden: Option<Hidden>,
}

/// `[n_blocks]` of a text; `None`: dropped, no query to come sees it.
pub(super) type Table = Vec<Option<BlockId>>;

impl Sequences {
    pub(super) fn add(&mut self, sequence: SequenceKv) -> SequenceId {
        let slot = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if slot == self.0.len() {
            self.0.push(None);
        }
        self.0[slot] = Some(sequence);
        SequenceId(slot)
    }

    pub(super) fn take(&mut self, id: SequenceId) -> SequenceKv {
        self.0[id.0].take().expect("a sequence is released once")
    }

    pub(super) fn get(&self, id: SequenceId) -> &SequenceKv {
        self.0[id.0].as_ref().expect("the sequence is admitted")
    }

    pub(super) fn get_mut(&mut self, id: SequenceId) -> &mut SequenceKv {
        self.0[id.0].as_mut().expect("the sequence is admitted")
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SequenceKv> {
        self.0.iter().flatten()
    }
}
