//! Keys and values of a batch on their way to their blocks, which threads share.

use std::ops::Range;

use kernels::{KEY_BLOCK, Kernels};

use super::block_pool::BlockId;
use super::blocks::Block;
use super::cache::KvCache;
use super::key_means::{KeyMotion, MeanScratch};
use super::keys::{KeyForm, KeyPlane};
use super::sequences::SequenceId;
use super::values::ValuePlane;
use crate::batch::BatchSequence;
use crate::pool::{ThreadPool, TileRows, Tiled};

/// Which rows of a batch go to which block.
pub struct KvWrites {
    /// First the blocks that need no mean, then the others; ascending by block. A block that is
    /// written belongs to one sequence.
    targets: Vec<Target>,
    /// The blocks of the targets.
    bands: Vec<Range<usize>>,
    /// Blocks that are begun and need a mean, in the order of their text.
    begun: Vec<(SequenceId, usize)>,
    means: MeanScratch,
    /// `[head_dim]`
    head: Vec<f32>,
}

struct Target {
    block: BlockId,
    needs_mean: bool,
    /// Of the first row.
    slot: usize,
    rows: Range<usize>,
}

/// New keys of a batch in one layer.
#[derive(Clone, Copy)]
pub(crate) struct NewKeys<'a> {
    pub(crate) sequences: &'a [BatchSequence],
    /// `[n_sequences]`: where each sequence's rows go.
    pub(crate) first_keys: &'a [usize],
    /// `[n_tokens, n_kv_heads, head_dim]`
    pub(crate) keys: &'a [f32],
    /// The same of what is stored beside keys, or empty.
    pub(crate) values: &'a [f32],
}

/// For fewer rows, waking threads takes longer than writing.
const N_ROWS_SHARED: usize = 16;

impl KvWrites {
    /// For batches of up to `n_tokens_max` rows.
    pub fn new((n_kv_heads, head_dim): (usize, usize), n_tokens_max: usize) -> Self {
        Self {
            targets: Vec::with_capacity(n_tokens_max),
            bands: Vec::with_capacity(n_tokens_max),
            begun: Vec::with_capacity(n_tokens_max),
            means: MeanScratch::new(n_kv_heads, head_dim),
            head: vec![0.0; head_dim],
        }
    }

    /// Bytes that [`Self::new`] allocates.
    pub fn n_bytes((n_kv_heads, head_dim): (usize, usize), n_tokens_max: usize) -> usize {
        let row_bytes = size_of::<Target>() + size_of::<Range<usize>>();
        n_tokens_max * (row_bytes + size_of::<(SequenceId, usize)>())
            + MeanScratch::n_bytes(n_kv_heads, head_dim)
            + head_dim * size_of::<f32>()
    }

    fn plan(&mut self, kv: &KvCache, layer_idx: usize, new: &NewKeys<'_>) {
        self.targets.clear();
        self.bands.clear();
        self.begun.clear();
        for (sequence, &first_key) in new.sequences.iter().zip(new.first_keys) {
            let view = kv.view(layer_idx, sequence.id);
            let (mut row, mut key_idx) = (sequence.rows.start, first_key);
            while row < sequence.rows.end {
                let (block_idx, slot) = (key_idx / KEY_BLOCK, key_idx % KEY_BLOCK);
                let block = view.blocks[block_idx].expect("a block that is written is held");
                let needs_mean = view.key_form() == KeyForm::Ints && block_idx > 0;
                if needs_mean && slot == 0 {
                    self.begun.push((sequence.id, block_idx));
                }
                let end = sequence.rows.end.min(row + KEY_BLOCK - slot);
                self.targets.push(Target { block, needs_mean, slot, rows: row..end });
                (row, key_idx) = (end, key_idx + (end - row));
            }
        }
        self.targets.sort_unstable_by_key(|target| (target.needs_mean, target.block.0));
        let blocks = self.targets.iter().map(|target| target.block.0 as usize);
        self.bands.extend(blocks.map(|block| block..block + 1));
    }
}

impl NewKeys<'_> {
    /// Stores the rows of one block.
    fn write(
        &self,
        kernels: &Kernels,
        target: &Target,
        (n_kv_heads, widths): (usize, [usize; 2]),
        [keys, values]: [&mut Block; 2],
    ) {
        for head_idx in 0..n_kv_heads {
            for (slot, row) in (target.slot..).zip(target.rows.clone()) {
                let head = |width: usize| {
                    let first = (row * n_kv_heads + head_idx) * width;
                    first..first + width
                };
                let key = &self.keys[head(widths[0])];
                let value = &self.values[head(widths[1])];
                KeyPlane::write_to(kernels, (&mut *keys, slot), head_idx, key);
                ValuePlane::write_to(kernels, (&mut *values, slot), head_idx, value);
            }
        }
    }
}

impl KvCache {
    /// Stores the keys and values of a batch.
    pub(crate) fn write_batch<S: Send>(
        &mut self,
        motion: KeyMotion<'_>,
        layer_idx: usize,
        new: NewKeys<'_>,
        writes: &mut KvWrites,
        (pool, scratch): (&mut ThreadPool, &mut [S]),
    ) {
        writes.plan(self, layer_idx, &new);
        let n_before = writes.targets.partition_point(|target| !target.needs_mean);
        let mut threads = (pool, scratch);
        self.write_targets(motion.kernels, layer_idx, new, (writes, 0..n_before), &mut threads);
        for &(id, block_idx) in &writes.begun {
            self.start_block(motion, (layer_idx, id, block_idx), &mut writes.means);
        }
        let rest = n_before..writes.targets.len();
        self.write_targets(motion.kernels, layer_idx, new, (writes, rest), &mut threads);
        for sequence in new.sequences {
            self.bound_blocks(layer_idx, sequence.id, &mut writes.head);
        }
    }

    fn write_targets<S: Send>(
        &mut self,
        kernels: &Kernels,
        layer_idx: usize,
        new: NewKeys<'_>,
        (writes, range): (&KvWrites, Range<usize>),
        (pool, scratch): &mut (&mut ThreadPool, &mut [S]),
    ) {
        let widths = [self.shape().head_dim, self.shape().stored_value_dim()];
        let heads = (self.shape().n_kv_heads, widths);
        let (targets, bands) = (&writes.targets[range.clone()], &writes.bands[range]);
        let layer = &mut self.store.layers[layer_idx];
        let n_rows: usize = targets.iter().map(|target| target.rows.len()).sum();
        if n_rows < N_ROWS_SHARED {
            for target in targets {
                let blocks = [&mut layer.keys.blocks, &mut layer.values.blocks];
                let blocks = blocks.map(|blocks| blocks.get_mut(target.block));
                new.write(kernels, target, heads, blocks);
            }
            return;
        }
        let tile_rows = TileRows::Bands(bands);
        let blocks = [layer.keys.blocks.all_mut(), layer.values.blocks.all_mut()];
        let blocks = blocks.map(|data| Tiled { data, n_cols: 1, tile_rows, tile_cols: 1 });
        pool.for_each_tile(scratch, blocks, |_, idx, mut blocks| {
            let blocks = blocks
                .each_mut()
                .map(|block| block.row_mut(0)[0].as_mut().expect("a block in use has memory"));
            new.write(kernels, &targets[idx], heads, blocks);
        });
    }

    /// Stores keys and values of tokens that follow each other, with keys that do not turn with
    /// their position.
    #[cfg(test)]
    pub(crate) fn write_rows(
        &mut self,
        kernels: &Kernels,
        layer_idx: usize,
        (id, first_key): (SequenceId, usize),
        (keys, values): (&[f32], &[f32]),
    ) {
        let n_rows = self.n_keys(id) - first_key;
        let sequences = &[BatchSequence { id, rows: 0..n_rows, source: None }];
        let new = NewKeys { sequences, first_keys: &[first_key], keys, values };
        let heads = (self.shape().n_kv_heads, self.shape().head_dim);
        let mut writes = KvWrites::new(heads, n_rows);
        let rope = crate::attention::RopeTable::none();
        let pairing = crate::spec::RopePairing::HalfSplit;
        let motion = KeyMotion { kernels, rope: &rope, pairing, is_spread: false, first_value: 0 };
        let threads = (&mut ThreadPool::new(1), &mut [()][..]);
        self.write_batch(motion, layer_idx, new, &mut writes, threads);
    }
}

#[cfg(test)]
mod tests {
    use tiny_random::uniform;

    use super::*;
    use crate::attention::RopeTable;
    use crate::kv::{KvShape, KvType, LayerShape, ValuePlace};
    use crate::rope_config::RopeConfig;
    use crate::spec::RopePairing;

    const N_KV_HEADS: usize = 2;
    const HEAD_DIM: usize = 40;
    const N_KEYS: [usize; 2] = [230, 50];

    /// All bytes of two sequences whose keys come some at a time, of both in a batch.
    fn written(k_type: KvType, v_type: KvType, n_together: usize) -> Vec<u8> {
        let layers = vec![LayerShape { k_type, v_type, window: None }];
        let shape =
            KvShape { n_kv_heads: N_KV_HEADS, head_dim: HEAD_DIM, values: ValuePlace::Own, layers };
        let mut writes = KvWrites::new((N_KV_HEADS, HEAD_DIM), 2 * n_together);
        let mut kv = KvCache::new(shape, usize::MAX);
        let (mut pool, mut scratch) = (ThreadPool::new(3), [(); 3]);
        let rope = RopeTable::new(&RopeConfig::new(HEAD_DIM, 1e4), 1);
        let (pairing, is_spread) = (RopePairing::HalfSplit, k_type.is_rotated());
        let kernels = kernels::scalar();
        let motion = KeyMotion { kernels, rope: &rope, pairing, is_spread, first_value: 0 };
        let ids = [kv.admit(), kv.admit()];
        let width = N_KV_HEADS * HEAD_DIM;
        let texts = [0, 1].map(|i| [2 * i, 2 * i + 1].map(|i| uniform(N_KEYS[0] * width, i)));
        for start in (0..N_KEYS[0]).step_by(n_together) {
            let (mut sequences, mut first_keys) = (Vec::new(), Vec::new());
            let (mut keys, mut values) = (Vec::new(), Vec::new());
            for ((id, n_keys), [all_keys, all_values]) in ids.into_iter().zip(N_KEYS).zip(&texts) {
                let end = n_keys.min(start + n_together);
                if start >= end {
                    continue;
                }
                kv.reserve(id, end).expect("room");
                let positions: Vec<u32> = (start as u32..end as u32).collect();
                first_keys.push(kv.append(id, &positions, &positions));
                let first_row = keys.len() / width;
                sequences.push(BatchSequence {
                    id,
                    rows: first_row..first_row + end - start,
                    source: None,
                });
                keys.extend_from_slice(&all_keys[start * width..end * width]);
                values.extend_from_slice(&all_values[start * width..end * width]);
            }
            let (sequences, first_keys) = (&*sequences, &*first_keys);
            let new = NewKeys { sequences, first_keys, keys: &keys, values: &values };
            let threads = (&mut pool, &mut scratch[..]);
            kv.write_batch(motion, 0, new, &mut writes, threads);
        }
        let layer = &kv.store.layers[0];
        let held = ids.into_iter().flat_map(|id| kv.view(0, id).blocks.iter().flatten());
        let bytes = held.flat_map(|&b| {
            [&layer.keys.blocks, &layer.values.blocks].map(|blocks| blocks.get(b).bytes())
        });
        bytes.flatten().flatten().copied().collect()
    }

    #[test]
    fn threads_write_what_one_does() {
        for k_type in KvType::ALL {
            for v_type in [k_type, KvType::F16] {
                let one_by_one = written(k_type, v_type, 1);
                assert!(one_by_one.iter().any(|&byte| byte != 0));
                for n_together in [5, 64, 100, N_KEYS[0]] {
                    let together = written(k_type, v_type, n_together);
                    assert!(together == one_by_one, "{k_type:?}, {v_type:?}, {n_together}");
                }
            }
        }
    }
}
