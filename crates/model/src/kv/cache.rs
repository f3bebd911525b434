//! Keys and values of many sequences in all layers, and of texts that may come again.

use kernels::KEY_BLOCK;

use super::block_pool::BlockId;
use super::block_store::BlockStore;
use super::bounds::KeyBounds;
use super::eviction::Judgement;
use super::key_means::{KeyMotion, MeanScratch};
use super::policy::KvPolicy;
use super::prefix_tree::{Found, NodeId, PrefixTree};
use super::reuse::{Miss, Reuse};
use super::sequences::{SequenceId, SequenceKv, Sequences, Table};
use super::shape::KvShape;
use super::view::KvView;

/// The cache of one model: blocks of 64 positions, shared by the sequences that begin alike and
/// kept for those to come while there is room.
///
/// A sequence is admitted with the tokens of its text that are cached already, gets room by
/// [`reserve`](Self::reserve) before each forward pass, which then allocates nothing (M5), and is
/// remembered when others may begin like it.
pub struct KvCache {
    pub(super) shape: KvShape,
    pub(super) store: BlockStore,
    n_bytes_max: usize,
    pub(super) sequences: Sequences,
    tree: PrefixTree,
}

/// The budget does not hold a sequence of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the KV cache has room for {n_free} positions, the sequence needs {n_wanted}: use a shorter \
     context or a larger cache"
)]
pub struct CacheFull {
    pub n_free: usize,
    pub n_wanted: usize,
}

impl KvCache {
    /// A cache of at most `n_bytes_max` bytes of keys and values.
    pub fn new(shape: KvShape, n_bytes_max: usize) -> Self {
        let store = BlockStore::new(&shape);
        Self { shape, store, n_bytes_max, sequences: Sequences::default(), tree: PrefixTree::new() }
    }

    pub fn shape(&self) -> &KvShape {
        &self.shape
    }

    /// The most bytes of keys and values.
    pub fn n_bytes_max(&self) -> usize {
        self.n_bytes_max
    }

    /// Bytes of the blocks that hold keys and values now, for sequences and for texts to come.
    pub fn used_bytes(&self) -> usize {
        let bounds = self.sequences.iter().flat_map(|sequence| &sequence.bounds);
        self.store.n_bytes() + bounds.map(KeyBounds::n_bytes).sum::<usize>()
    }

    /// Bytes that sequences may still take: what is free, or held for texts to come only.
    pub fn free_bytes(&self) -> usize {
        let held = self.used_bytes() - self.tree.evictable_bytes(&self.store);
        self.n_bytes_max.saturating_sub(held)
    }

    /// A place for a sequence without keys, which keeps all.
    pub fn admit(&mut self) -> SequenceId {
        self.admit_empty(KvPolicy::KeepAll)
    }

    /// A place for a sequence without keys.
    pub fn admit_empty(&mut self, policy: KvPolicy) -> SequenceId {
        let (tokens, positions) = (Vec::new(), Vec::new());
        let tables = vec![Vec::new(); self.store.groups.len()];
        let n_bounds = policy.few().map_or(0, |_| self.shape.layers.len());
        let bounds = vec![KeyBounds::default(); n_bounds];
        self.sequences.add(SequenceKv {
            policy,
            tokens,
            positions,
            tables,
            bounds,
            judgement: Judgement::default(),
            hidden: None,
        })
    }

    /// A place for a sequence that begins with what is cached of `tokens` under the same policy.
    /// The last of them is left to compute, for its logits.
    pub fn admit_text(&mut self, tokens: &[u32], policy: KvPolicy) -> (SequenceId, Reuse) {
        self.admit_up_to(tokens, policy, usize::MAX)
    }

    /// The same with at most `n_reused_max` of them, since something is asked of those behind.
    pub fn admit_up_to(
        &mut self,
        tokens: &[u32],
        policy: KvPolicy,
        n_reused_max: usize,
    ) -> (SequenceId, Reuse) {
        let (found, reuse) = self.find(tokens, policy, n_reused_max);
        self.tree.touch(&found.path);
        let n_reused = reuse.n_reused;
        let id = self.admit_empty(policy);
        let nodes = &found.path[..n_reused.div_ceil(KEY_BLOCK)];
        for (block_idx, &node) in nodes.iter().enumerate() {
            for group_idx in 0..self.store.groups.len() {
                let kept = self.store.groups[group_idx].kept_blocks(policy, n_reused);
                let is_kept = kept.contains(block_idx);
                let block = self.tree.blocks(node)[group_idx].filter(|_| is_kept);
                block.into_iter().for_each(|block| self.store.hold(group_idx, block));
                self.sequences.get_mut(id).tables[group_idx].push(block);
            }
        }
        let sequence = self.sequences.get_mut(id);
        sequence.tokens.extend_from_slice(&tokens[..n_reused]);
        sequence.positions.extend(0..n_reused as u32);
        (id, reuse)
    }

    /// What a sequence would begin with if it were admitted now. Nothing counts as used by that.
    pub fn reusable(&self, tokens: &[u32], policy: KvPolicy) -> Reuse {
        self.find(tokens, policy, usize::MAX).1
    }

    fn find(&self, tokens: &[u32], policy: KvPolicy, n_reused_max: usize) -> (Found, Reuse) {
        let (shared, n_shared) = policy.shared();
        let found = self.tree.find(tokens, shared);
        let n_cached = found.n_tokens.min(tokens.len().saturating_sub(1));
        let n_kept = n_cached.min(n_shared);
        let n_wanted = n_kept.min(n_reused_max);
        let n_reused = self.whole_windows(&found.path, policy, n_wanted);
        let miss = match () {
            () if n_reused < n_wanted => Miss::BehindWindow,
            () if n_wanted < n_kept => Miss::Asked,
            () if n_kept < n_cached => Miss::Policy,
            () => Miss::of(&found, tokens.len()),
        };
        let reuse = Reuse { n_reused, n_matched: found.n_tokens, miss };
        (found, reuse)
    }

    /// The most of the first `n` tokens along a path behind which every window is whole.
    fn whole_windows(&self, path: &[NodeId], policy: KvPolicy, mut n: usize) -> usize {
        let gap = |n: usize| {
            let groups = self.store.groups.iter().enumerate();
            let gaps = groups.filter_map(|(group_idx, group)| {
                let seen = group.seen_blocks(policy, n).clip(&(0..n.div_ceil(KEY_BLOCK)));
                let is_gap =
                    |&block_idx: &usize| self.tree.blocks(path[block_idx])[group_idx].is_none();
                seen.iter().filter(is_gap).last()
            });
            gaps.min()
        };
        while let Some(block_idx) = gap(n) {
            n = block_idx * KEY_BLOCK;
        }
        n
    }

    /// A second sequence with the first `n_keys` keys of another, sharing its blocks. Windowed
    /// layers must not have dropped what a query there sees.
    pub fn fork(&mut self, from: SequenceId, n_keys: usize) -> SequenceId {
        self.fork_under(from, n_keys, self.policy(from))
    }

    /// The same under a policy of its own: with no more keys than those that are the same under
    /// both ([`KvPolicy::shared`]).
    pub fn fork_under(&mut self, from: SequenceId, n_keys: usize, policy: KvPolicy) -> SequenceId {
        let id = self.admit_empty(policy);
        let source = self.sequences.get(from);
        let n_keys = match policy == source.policy {
            true => n_keys,
            false => n_keys.min(policy.shared().1),
        };
        let tables: Vec<Vec<_>> = source
            .tables
            .iter()
            .map(|table| table[..n_keys.div_ceil(KEY_BLOCK)].to_vec())
            .collect();
        let tokens = source.tokens[..n_keys].to_vec();
        let positions = source.positions[..n_keys].to_vec();
        let judgement = (policy == source.policy).then(|| source.judgement.clone());
        for (group_idx, table) in tables.iter().enumerate() {
            table.iter().flatten().for_each(|&block| self.store.hold(group_idx, block));
        }
        let sequence = self.sequences.get_mut(id);
        (sequence.tokens, sequence.positions, sequence.tables) = (tokens, positions, tables);
        sequence.judgement = judgement.unwrap_or_default();
        self.check_windows(id);
        id
    }

    /// Gives a sequence room for `n_positions` tokens in all and for the buffers of its text. Texts
    /// that are not in use make room where there is none.
    ///
    /// # Errors
    /// [`CacheFull`] when the budget does not hold it; the sequence keeps its keys.
    pub fn reserve(&mut self, id: SequenceId, n_positions: usize) -> Result<(), CacheFull> {
        self.drop_unseen(id);
        // What is evicted may have been shared, and then need not be copied.
        self.make_room(|kv| kv.missing_bytes(id, n_positions))
            .map_err(|n_free| self.full(id, n_positions, n_free))?;
        for group_idx in 0..self.store.groups.len() {
            let n_keys = self.n_keys(id);
            if let Some(tail) = self.shared_tail(id, group_idx) {
                let copy = self.store.copy_of(group_idx, tail, n_keys % KEY_BLOCK);
                self.store.give_back(group_idx, tail);
                self.sequences.get_mut(id).tables[group_idx][n_keys / KEY_BLOCK] = Some(copy);
            }
            let n_held = self.sequences.get(id).tables[group_idx].len();
            for block_idx in n_held..n_positions.div_ceil(KEY_BLOCK) {
                let block = self.store.take(group_idx, block_idx == 0);
                self.sequences.get_mut(id).tables[group_idx].push(Some(block));
            }
        }
        let heads = (self.shape.n_kv_heads, self.shape.head_dim);
        let sequence = self.sequences.get_mut(id);
        for (bounds, layer) in sequence.bounds.iter_mut().zip(&self.shape.layers) {
            if layer.window.is_none() {
                bounds.reserve(n_positions, heads);
            }
        }
        let n_more = n_positions.saturating_sub(sequence.positions.len());
        sequence.positions.reserve(n_more);
        sequence.tokens.reserve(n_more);
        Ok(())
    }

    /// Bytes of the blocks that `reserve` would take.
    fn missing_bytes(&self, id: SequenceId, n_positions: usize) -> usize {
        let groups = self.store.groups.iter().enumerate();
        let missing = groups.map(|(group_idx, group)| {
            let n_held = self.sequences.get(id).tables[group_idx].len();
            let new = n_held..n_positions.div_ceil(KEY_BLOCK);
            let new = new.map(|block_idx| group.bytes_of_new(block_idx == 0));
            let copied = self.shared_tail(id, group_idx).map(|tail| group.bytes_of(tail));
            new.chain(copied).sum::<usize>()
        });
        let SequenceKv { policy, bounds, .. } = self.sequences.get(id);
        let n_bounds = bounds.iter().map(KeyBounds::n_bytes).sum();
        let n_wanted = self.shape.bounds_bytes(*policy, n_positions);
        missing.sum::<usize>() + n_wanted.saturating_sub(n_bounds)
    }

    /// The block that the next key goes to, if it has keys already and others hold it too.
    fn shared_tail(&self, id: SequenceId, group_idx: usize) -> Option<BlockId> {
        let sequence = self.sequences.get(id);
        let n_keys = sequence.positions.len();
        let tail = (*sequence.tables[group_idx].get(n_keys / KEY_BLOCK)?)?;
        let is_begun = !n_keys.is_multiple_of(KEY_BLOCK);
        (is_begun && self.store.groups[group_idx].n_holders(tail) > 1).then_some(tail)
    }

    fn full(&self, id: SequenceId, n_wanted: usize, n_bytes_free: usize) -> CacheFull {
        let n_more = n_bytes_free / (self.shape.position_bytes().max(1) * KEY_BLOCK) * KEY_BLOCK;
        let n_blocks = self.sequences.get(id).tables.iter().map(Vec::len).max().unwrap_or(0);
        CacheFull { n_free: n_blocks * KEY_BLOCK + n_more, n_wanted }
    }

    /// Lets go of blocks that no query to come sees.
    fn drop_unseen(&mut self, id: SequenceId) {
        let n_keys = self.n_keys(id);
        let policy = self.sequences.get(id).policy;
        for group_idx in 0..self.store.groups.len() {
            let kept = self.store.groups[group_idx].kept_blocks(policy, n_keys);
            let table = &mut self.sequences.get_mut(id).tables[group_idx];
            for unseen in kept.gaps() {
                let end = unseen.end.min(table.len());
                let unseen = table[unseen.start.min(end)..end].iter_mut().filter_map(Option::take);
                unseen.for_each(|block| self.store.give_back(group_idx, block));
            }
        }
    }

    /// Keeps a sequence's keys for texts that begin like it, while there is room.
    pub fn remember(&mut self, id: SequenceId) {
        self.remember_beginning(id, usize::MAX);
    }

    /// The same of its first `n_tokens` alone, or all where it has fewer. Windowed layers must not
    /// have dropped what a query there sees.
    pub fn remember_beginning(&mut self, id: SequenceId, n_tokens: usize) {
        let sequence = self.sequences.get(id);
        if sequence.judgement.is_done() {
            // What was let go of leaves holes, and the rest was remembered before.
            return;
        }
        let (shared, n_shared) = sequence.policy.shared();
        let n_tokens = n_tokens.min(n_shared).min(sequence.tokens.len());
        let from = sequence.hidden.as_ref().map_or(usize::MAX, |hidden| hidden.from as usize);
        let n_tokens = n_tokens.min(from);
        let text = (&sequence.tokens[..n_tokens], shared);
        self.tree.insert(text, &sequence.tables, &mut self.store);
    }

    /// How many of the tokens of a text are cached whole, and where.
    pub(super) fn cached_text(&mut self, tokens: &[u32]) -> (usize, Vec<Table>) {
        let found = self.tree.find(tokens, KvPolicy::KeepAll);
        self.tree.touch(&found.path);
        let block = |group_idx: usize| {
            let tree = &self.tree;
            found.path.iter().map(move |&node| tree.blocks(node)[group_idx]).collect()
        };
        (found.n_tokens, (0..self.store.groups.len()).map(block).collect())
    }

    /// Keeps a text whose blocks were computed elsewhere, while there is room.
    pub(super) fn remember_text(&mut self, tokens: &[u32], tables: &[Table]) {
        self.tree.insert((tokens, KvPolicy::KeepAll), tables, &mut self.store);
    }

    /// Evicts until as many bytes are free as are wanted then.
    ///
    /// # Errors
    /// The bytes that are free when nothing more can go.
    pub(super) fn make_room(&mut self, n_wanted: impl Fn(&Self) -> usize) -> Result<(), usize> {
        loop {
            let n_free = self.n_bytes_max - self.used_bytes();
            if n_wanted(self) <= n_free {
                return Ok(());
            }
            if !self.tree.evict(&mut self.store) {
                return Err(n_free);
            }
        }
    }

    /// Fresh blocks, by group of layers, where a flag is not zero.
    pub(super) fn take_blocks(&mut self, is_there: &[Vec<u8>]) -> Vec<Table> {
        let store = &mut self.store;
        let tables = is_there.iter().enumerate().map(|(group_idx, flags)| {
            let flags = flags.iter().enumerate();
            let taken = |(block_idx, &flag): (usize, &u8)| {
                (flag != 0).then(|| store.take(group_idx, block_idx == 0))
            };
            flags.map(taken).collect()
        });
        tables.collect()
    }

    pub(super) fn give_back_blocks(&mut self, tables: &[Table]) {
        for (group_idx, table) in tables.iter().enumerate() {
            let blocks = table.iter().flatten();
            blocks.for_each(|&block| self.store.give_back(group_idx, block));
        }
    }

    /// Gives all keys and values of a sequence small numbers, for speeds to be measured on.
    pub(crate) fn fill(&mut self, id: SequenceId) {
        /// As f16, twice of which make an f32: 0.066; as an integer: 44.
        const BYTE: u8 = 0x2C;
        let tables = &self.sequences.get(id).tables;
        for layer in &mut self.store.layers {
            for &block in tables[layer.group_idx].iter().flatten() {
                for blocks in [&mut layer.keys.blocks, &mut layer.values.blocks] {
                    blocks.get_mut(block).bytes_mut().into_iter().for_each(|part| part.fill(BYTE));
                }
            }
        }
    }

    /// Forgets a sequence; its id may be given to another.
    pub fn release(&mut self, id: SequenceId) {
        let sequence = self.sequences.take(id);
        self.give_back_blocks(&sequence.tables);
    }

    /// Keys of a sequence's text, whether they are still held or not.
    pub fn n_keys(&self, id: SequenceId) -> usize {
        self.sequences.get(id).positions.len()
    }

    pub fn policy(&self, id: SequenceId) -> KvPolicy {
        self.sequences.get(id).policy
    }

    /// `[n_tokens]`: the text whose keys and values were computed.
    pub fn tokens(&self, id: SequenceId) -> &[u32] {
        &self.sequences.get(id).tokens
    }

    /// Keeps the first `n_keys` keys: a rejected draft. Windowed layers must not have dropped what
    /// a query there sees; [`reserve`](Self::reserve) keeps that of the queries to come then.
    pub fn truncate(&mut self, id: SequenceId, n_keys: usize) {
        let sequence = self.sequences.get_mut(id);
        sequence.tokens.truncate(n_keys);
        sequence.positions.truncate(n_keys);
        sequence.bounds.iter_mut().for_each(|bounds| bounds.truncate(n_keys / KEY_BLOCK));
        let n_blocks = n_keys.div_ceil(KEY_BLOCK);
        for group_idx in 0..self.store.groups.len() {
            let table = &mut self.sequences.get_mut(id).tables[group_idx];
            let dropped = table.split_off(n_blocks.min(table.len()));
            let dropped = dropped.into_iter().flatten();
            dropped.for_each(|block| self.store.give_back(group_idx, block));
        }
        self.check_windows(id);
    }

    fn check_windows(&self, id: SequenceId) {
        let n_keys = self.n_keys(id);
        let SequenceKv { policy, tables, judgement, .. } = self.sequences.get(id);
        if judgement.is_done() {
            let n_prompt = policy.eviction().map_or(0, |eviction| eviction.n_prompt);
            return assert!(n_keys >= n_prompt, "a prompt with holes is not cut");
        }
        for (group, table) in self.store.groups.iter().zip(tables) {
            let seen = group.seen_blocks(*policy, n_keys).clip(&(0..table.len()));
            let is_whole = seen.iter().all(|block_idx| table[block_idx].is_some());
            assert!(is_whole, "the window before key {n_keys} is whole");
        }
    }

    /// Makes room for new keys; every layer then writes them from the index returned on. What
    /// `reserve` gave must be enough.
    pub fn append(&mut self, id: SequenceId, tokens: &[u32], positions: &[u32]) -> usize {
        assert_eq!(tokens.len(), positions.len());
        let n_keys = self.n_keys(id);
        let ends_within = |n_prompt: usize| n_keys < n_prompt && n_prompt < n_keys + tokens.len();
        let eviction = self.policy(id).eviction();
        assert!(
            !eviction.is_some_and(|eviction| ends_within(eviction.n_prompt))
                && self.due_eviction(id).is_none(),
            "a prompt is judged before its text goes on"
        );
        let sequence = self.sequences.get_mut(id);
        let first = sequence.positions.len();
        let last = sequence.positions.last().copied();
        let next = positions.first().copied();
        assert!(last.is_none_or(|last| next.is_none_or(|next| last < next)));
        sequence.tokens.extend_from_slice(tokens);
        sequence.positions.extend_from_slice(positions);
        let n_blocks = sequence.positions.len().div_ceil(KEY_BLOCK);
        let is_reserved = sequence.tables.iter().all(|table| table.len() >= n_blocks);
        assert!(is_reserved, "beyond what is reserved");
        first
    }

    pub fn view(&self, layer_idx: usize, id: SequenceId) -> KvView<'_> {
        let layer = &self.store.layers[layer_idx];
        let SequenceKv { policy, positions, tables, bounds, hidden, .. } = self.sequences.get(id);
        KvView {
            keys: &layer.keys,
            values: &layer.values,
            value_place: self.shape.values,
            policy: *policy,
            hidden: hidden.as_ref(),
            bounds: bounds.get(layer_idx),
            blocks: &tables[layer.group_idx],
            positions,
        }
    }
}

impl KvCache {
    /// Gives a block of integers, the keys before which are there, the mean of its keys.
    pub(super) fn start_block(
        &mut self,
        motion: KeyMotion<'_>,
        (layer_idx, id, block_idx): (usize, SequenceId, usize),
        scratch: &mut MeanScratch,
    ) {
        let SequenceKv { positions, tables, .. } = self.sequences.get(id);
        let layer = &mut self.store.layers[layer_idx];
        let table = &tables[layer.group_idx];
        let before_idx = table[..block_idx].iter().rposition(Option::is_some);
        let before_idx = before_idx.expect("the block before one that is written is held");
        let [before, block] = [before_idx, block_idx].map(|block_idx| table[block_idx]);
        let [before, block] = [before, block].map(|block| block.expect("it is held"));
        let before = (before, &positions[before_idx * KEY_BLOCK..][..KEY_BLOCK]);
        let block = (block, positions[block_idx * KEY_BLOCK]);
        layer.keys.start_block(motion, before, block, scratch);
    }
}
