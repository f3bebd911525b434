//! Keys and values of a batch on their way to their blocks, which threads share.

use std::ops::Range;

use kernels::{KEY_BLOCK, Kernels};

use super::block_pool::BlockId;
use super::blocks::Block;
use super::cache::KvCache;
use super::keys::KeyPlane;
use super::values::ValuePlane;
use crate::batch::BatchSequence;
use crate::pool::{ThreadPool, TileRows, Tiled};

/// Which rows of a batch go to which block.
pub struct KvWrites {
    /// Ascending by block; a block that is written belongs to one sequence.
    targets: Vec<Target>,
    /// The blocks of the targets.
    bands: Vec<Range<usize>>,
}

struct Target {
    block: BlockId,
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
    /// `[n_tokens, n_kv_heads, head_dim]`
    pub(crate) values: &'a [f32],
}

/// For fewer rows, waking threads takes longer than writing.
const N_ROWS_SHARED: usize = 16;

impl KvWrites {
    /// For batches of up to `n_tokens_max` rows.
    pub fn new(n_tokens_max: usize) -> Self {
        Self { targets: Vec::with_capacity(n_tokens_max), bands: Vec::with_capacity(n_tokens_max) }
    }

    fn plan(&mut self, kv: &KvCache, layer_idx: usize, new: &NewKeys<'_>) {
        self.targets.clear();
        self.bands.clear();
        for (sequence, &first_key) in new.sequences.iter().zip(new.first_keys) {
            let blocks = kv.view(layer_idx, sequence.id).blocks;
            let (mut row, mut key_idx) = (sequence.rows.start, first_key);
            while row < sequence.rows.end {
                let block = blocks[key_idx / KEY_BLOCK].expect("a block that is written is held");
                let slot = key_idx % KEY_BLOCK;
                let end = sequence.rows.end.min(row + KEY_BLOCK - slot);
                self.targets.push(Target { block, slot, rows: row..end });
                (row, key_idx) = (end, key_idx + (end - row));
            }
        }
        self.targets.sort_unstable_by_key(|target| target.block.0);
        let blocks = self.targets.iter().map(|target| target.block.0 as usize);
        self.bands.extend(blocks.map(|block| block..block + 1));
    }
}

impl KvCache {
    /// Stores the keys and values of a batch, as `write` does those of one sequence.
    pub(crate) fn write_batch<S: Send>(
        &mut self,
        kernels: &Kernels,
        layer_idx: usize,
        new: NewKeys<'_>,
        writes: &mut KvWrites,
        (pool, scratch): (&mut ThreadPool, &mut [S]),
    ) {
        let (d, n_kv_heads) = (self.shape().head_dim, self.shape().n_kv_heads);
        let NewKeys { sequences, first_keys, keys, values } = new;
        if keys.len() < N_ROWS_SHARED * n_kv_heads * d {
            for (sequence, &first_key) in sequences.iter().zip(first_keys) {
                let Range { start, end } = sequence.rows;
                let rows = start * n_kv_heads * d..end * n_kv_heads * d;
                let at = (sequence.id, first_key);
                self.write(kernels, layer_idx, at, &keys[rows.clone()], &values[rows]);
            }
            return;
        }
        writes.plan(self, layer_idx, &new);
        let KvWrites { targets, bands } = &*writes;
        let layer = &mut self.store_mut().layers[layer_idx];
        let blocks = [layer.keys.blocks.all_mut(), layer.values.blocks.all_mut()];
        let tile_rows = TileRows::Bands(bands);
        let blocks = blocks.map(|data| Tiled { data, n_cols: 1, tile_rows, tile_cols: 1 });
        pool.for_each_tile(scratch, blocks, |_, idx, [mut key_block, mut value_block]| {
            let Target { slot, rows, .. } = &targets[idx];
            let keys_of_block = held(&mut key_block.row_mut(0)[0]);
            let values_of_block = held(&mut value_block.row_mut(0)[0]);
            for head_idx in 0..n_kv_heads {
                for (slot, row) in (*slot..).zip(rows.clone()) {
                    let head = (row * n_kv_heads + head_idx) * d;
                    let head = head..head + d;
                    let to = (&mut *keys_of_block, slot);
                    KeyPlane::write_to(kernels, to, head_idx, &keys[head.clone()]);
                    let to = (&mut *values_of_block, slot);
                    ValuePlane::write_to(kernels, to, head_idx, &values[head]);
                }
            }
        });
    }
}

fn held(block: &mut Option<Block>) -> &mut Block {
    block.as_mut().expect("a block in use has memory")
}

#[cfg(test)]
mod tests {
    use tiny_random::uniform;

    use super::*;
    use crate::kv::{KvShape, KvType, LayerShape};

    const N_KV_HEADS: usize = 2;
    const HEAD_DIM: usize = 40;

    /// All bytes of two sequences that get 100 and 50 keys, 30 and 7 of them before.
    fn written(k_type: KvType, v_type: KvType, is_shared: bool) -> Vec<u8> {
        let layers = vec![LayerShape { k_type, v_type, window: None }];
        let shape = KvShape { n_kv_heads: N_KV_HEADS, head_dim: HEAD_DIM, layers };
        let mut kv = KvCache::new(shape, usize::MAX);
        let (mut pool, mut scratch) = (ThreadPool::new(3), [(); 3]);
        let mut writes = KvWrites::new(150);
        let ids = [kv.admit(), kv.admit()];
        for (seed, counts) in [[30, 7], [70, 43]].into_iter().enumerate() {
            let (mut sequences, mut first_keys, mut n_rows) = (Vec::new(), Vec::new(), 0);
            for (id, n) in ids.into_iter().zip(counts) {
                let first_key = kv.n_keys(id);
                kv.reserve(id, first_key + n).expect("room");
                let positions: Vec<u32> = (first_key as u32..).take(n).collect();
                first_keys.push(kv.append(id, &positions, &positions));
                sequences.push(BatchSequence { id, rows: n_rows..n_rows + n });
                n_rows += n;
            }
            let width = N_KV_HEADS * HEAD_DIM;
            let [keys, values] = [0, 1].map(|i| uniform(n_rows * width, 2 * seed as u64 + i));
            let (sequences, first_keys) = (&*sequences, &*first_keys);
            if is_shared {
                let new = NewKeys { sequences, first_keys, keys: &keys, values: &values };
                let threads = (&mut pool, &mut scratch[..]);
                kv.write_batch(kernels::scalar(), 0, new, &mut writes, threads);
                continue;
            }
            for (sequence, &first_key) in sequences.iter().zip(first_keys) {
                let rows = sequence.rows.start * width..sequence.rows.end * width;
                let at = (sequence.id, first_key);
                kv.write(kernels::scalar(), 0, at, &keys[rows.clone()], &values[rows]);
            }
        }
        let layer = &kv.store().layers[0];
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
                let (one, many) = (written(k_type, v_type, false), written(k_type, v_type, true));
                assert!(one.iter().any(|&byte| byte != 0));
                assert!(one == many, "{k_type:?}, {v_type:?}");
            }
        }
    }
}
