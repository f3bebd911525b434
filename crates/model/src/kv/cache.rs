//! Keys and values of many sequences in all layers.

use kernels::{KEY_BLOCK, Kernels};

use super::block_pool::{BlockId, BlockPool};
use super::plane::{KvType, Layout, Plane};
use super::view::KvView;
use crate::config::ModelConfig;

/// The cache of one model. Sequences are admitted with the most positions they may reach; after
/// that nothing is allocated for them (M5).
pub struct KvCache {
    shape: KvShape,
    layers: Vec<LayerKv>,
    pool: BlockPool,
    n_blocks_max: usize,
    n_blocks: usize,
    /// By [`SequenceId`].
    sequences: Vec<Option<SequenceKv>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvShape {
    pub n_layers: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
    pub k_type: KvType,
    pub v_type: KvType,
}

/// A sequence's place in the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SequenceId(usize);

/// The budget does not hold another sequence of this length.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the KV cache has room for {n_free} positions, the sequence needs {n_wanted}: use a shorter \
     context or a larger cache"
)]
pub struct CacheFull {
    pub n_free: usize,
    pub n_wanted: usize,
}

struct LayerKv {
    keys: Plane,
    values: Plane,
}

struct SequenceKv {
    blocks: Vec<BlockId>,
    /// `[n_keys]`, ascending; every cached key carries its position (A2).
    positions: Vec<u32>,
}

impl KvShape {
    pub fn of(config: &ModelConfig, k_type: KvType, v_type: KvType) -> Self {
        let ModelConfig { n_layers, n_kv_heads, head_dim, .. } = *config;
        Self { n_layers, n_kv_heads, head_dim, k_type, v_type }
    }

    /// Bytes of one position in all layers.
    pub fn position_bytes(&self) -> usize {
        let head_bytes =
            self.k_type.head_bytes(self.head_dim) + self.v_type.head_bytes(self.head_dim);
        self.n_layers * self.n_kv_heads * head_bytes
    }

    /// Bytes that a sequence of `n_positions` occupies: whole blocks.
    pub fn bytes(&self, n_positions: usize) -> usize {
        self.position_bytes() * n_positions.next_multiple_of(KEY_BLOCK)
    }
}

impl KvCache {
    /// A cache that never grows beyond `n_positions_max`, rounded up to whole blocks.
    pub fn new(shape: KvShape, n_positions_max: usize) -> Self {
        let plane = |kind, layout| Plane::new(kind, layout, shape.n_kv_heads, shape.head_dim);
        let layer = || LayerKv {
            keys: plane(shape.k_type, Layout::Keys),
            values: plane(shape.v_type, Layout::Values),
        };
        Self {
            shape,
            layers: (0..shape.n_layers).map(|_| layer()).collect(),
            pool: BlockPool::default(),
            n_blocks_max: n_positions_max.div_ceil(KEY_BLOCK),
            n_blocks: 0,
            sequences: Vec::new(),
        }
    }

    /// Reserves room for a sequence of up to `n_positions_max` tokens.
    ///
    /// # Errors
    /// [`CacheFull`] when the budget does not hold it.
    pub fn admit(&mut self, n_positions_max: usize) -> Result<SequenceId, CacheFull> {
        let blocks = self.take_blocks(n_positions_max, 0)?;
        let positions = Vec::with_capacity(blocks.len() * KEY_BLOCK);
        let sequence = Some(SequenceKv { blocks, positions });
        let slot = self.sequences.iter().position(Option::is_none);
        let slot = slot.unwrap_or(self.sequences.len());
        if slot == self.sequences.len() {
            self.sequences.push(sequence);
        } else {
            self.sequences[slot] = sequence;
        }
        Ok(SequenceId(slot))
    }

    /// Gives an admitted sequence room for `n_positions_max` tokens in all.
    ///
    /// # Errors
    /// [`CacheFull`] when the budget does not hold it; the sequence stays as it was.
    pub fn reserve(&mut self, id: SequenceId, n_positions_max: usize) -> Result<(), CacheFull> {
        let n_held = self.sequence(id).blocks.len();
        let blocks = self.take_blocks(n_positions_max, n_held)?;
        let sequence = self.sequence_mut(id);
        sequence.blocks.extend(blocks);
        let n_more = n_positions_max.saturating_sub(sequence.positions.len());
        sequence.positions.reserve(n_more);
        Ok(())
    }

    /// Blocks for a sequence that holds `n_held` already.
    fn take_blocks(
        &mut self,
        n_positions_max: usize,
        n_held: usize,
    ) -> Result<Vec<BlockId>, CacheFull> {
        let n_wanted = n_positions_max.div_ceil(KEY_BLOCK).saturating_sub(n_held);
        let n_free = self.pool.n_free() + self.n_blocks_max - self.n_blocks;
        if n_wanted > n_free {
            let (n_free, n_wanted) = ((n_free + n_held) * KEY_BLOCK, n_positions_max);
            return Err(CacheFull { n_free, n_wanted });
        }
        let n_missing = n_wanted.saturating_sub(self.pool.n_free());
        if n_missing > 0 {
            for layer in &mut self.layers {
                layer.keys.grow(self.n_blocks as u32, n_missing);
                layer.values.grow(self.n_blocks as u32, n_missing);
            }
            self.n_blocks += n_missing;
            self.pool.grow(n_missing);
        }
        Ok(self.pool.take(n_wanted))
    }

    /// Forgets a sequence; its id may be given to another.
    pub fn release(&mut self, id: SequenceId) {
        let sequence = self.sequences[id.0].take().expect("a sequence is released once");
        self.pool.give_back(sequence.blocks);
    }

    /// Keys held for a sequence.
    pub fn n_keys(&self, id: SequenceId) -> usize {
        self.sequence(id).positions.len()
    }

    /// Keeps the first `n_keys` keys: an edited turn, a rejected draft.
    pub fn truncate(&mut self, id: SequenceId, n_keys: usize) {
        self.sequence_mut(id).positions.truncate(n_keys);
    }

    /// Bytes of the blocks that hold keys now.
    pub fn used_bytes(&self) -> usize {
        let n_positions =
            |sequence: &SequenceKv| sequence.positions.len().next_multiple_of(KEY_BLOCK);
        let n_positions: usize = self.sequences.iter().flatten().map(n_positions).sum();
        n_positions * self.shape.position_bytes()
    }

    /// Makes room for new keys; every layer then [`write`](Self::write)s them from the index
    /// returned on.
    pub(crate) fn append(&mut self, id: SequenceId, positions: &[u32]) -> usize {
        let sequence = self.sequence_mut(id);
        let first = sequence.positions.len();
        let last = sequence.positions.last().copied();
        let next = positions.first().copied();
        assert!(last.is_none_or(|last| next.is_none_or(|next| last < next)));
        let end = first + positions.len();
        assert!(end <= sequence.blocks.len() * KEY_BLOCK, "beyond admission");
        sequence.positions.extend_from_slice(positions);
        let fresh = first.div_ceil(KEY_BLOCK)..end.div_ceil(KEY_BLOCK);
        let sequence = self.sequences[id.0].as_ref().expect("the sequence is admitted");
        for &block in &sequence.blocks[fresh] {
            for layer in &mut self.layers {
                layer.values.clear(block);
            }
        }
        first
    }

    /// Stores keys and values of tokens that follow each other.
    ///
    /// # Shapes
    /// - `keys`, `values`: `[n_tokens, n_kv_heads, head_dim]`
    pub(crate) fn write(
        &mut self,
        kernels: &Kernels,
        layer_idx: usize,
        (id, first_key): (SequenceId, usize),
        keys: &[f32],
        values: &[f32],
    ) {
        let d = self.shape.head_dim;
        let n_kv_heads = self.shape.n_kv_heads;
        let sequence = self.sequences[id.0].as_ref().expect("the sequence is admitted");
        let layer = &mut self.layers[layer_idx];
        let heads = keys.chunks_exact(d).zip(values.chunks_exact(d));
        for (i, (key, value)) in heads.enumerate() {
            let key_idx = first_key + i / n_kv_heads;
            let at = (sequence.blocks[key_idx / KEY_BLOCK], key_idx % KEY_BLOCK);
            layer.keys.write(kernels, at, i % n_kv_heads, key);
            layer.values.write(kernels, at, i % n_kv_heads, value);
        }
    }

    pub fn view(&self, layer_idx: usize, id: SequenceId) -> KvView<'_> {
        let LayerKv { keys, values } = &self.layers[layer_idx];
        let SequenceKv { blocks, positions } = self.sequence(id);
        KvView { keys, values, blocks, positions }
    }

    fn sequence(&self, id: SequenceId) -> &SequenceKv {
        self.sequences[id.0].as_ref().expect("the sequence is admitted")
    }

    fn sequence_mut(&mut self, id: SequenceId) -> &mut SequenceKv {
        self.sequences[id.0].as_mut().expect("the sequence is admitted")
    }
}
