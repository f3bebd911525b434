//! Cached values of one layer.
//!
//! Floats lie as `[KEY_BLOCK, head_dim]`: lanes of the weighted sum are dimensions. Integers lie
//! group of dimensions after group, `[KEY_BLOCK, dimensions]` each, so that a key's scale belongs
//! to its weight.

use kernels::{ACT_GROUP, Cells, IntValues, KEY_BLOCK, Kernels, Step, VALUE_GROUP};

use super::block_pool::BlockId;
use super::blocks::{Block, Blocks, Ints, Sizes};
use super::kv_type::{Format, KvType, quantize};
use super::shape::ValuePlace;

/// Per block and kv head: floats, or groups of integers with scales `[n_groups, KEY_BLOCK]`.
pub(crate) struct ValuePlane {
    format: Format,
    n_kv_heads: usize,
    head_dim: usize,
    pub(super) blocks: Blocks,
}

/// Values of one kv head in one block.
#[derive(Clone, Copy)]
pub enum Values<'a> {
    Floats(Cells<'a>),
    Ints(IntValues<'a>),
}

/// Room for the values of one head of one block as int8.
pub struct ValueScratch {
    /// `[head_dim]`, a step for each dimension of 64 keys; where values are a part of keys
    /// `[n_in / 4]`, a panel
    pub(super) quants: Vec<Step>,
    /// `[n_groups, KEY_BLOCK]`
    pub(super) scales: Vec<f32>,
    /// What is added to keys that values are a part of: `[head_dim]`, or empty
    pub(super) means: Vec<f32>,
    /// Values that are a part of keys: `[KEY_BLOCK, value_dim]`, or empty
    pub(super) widened: Vec<f32>,
}

impl Values<'_> {
    /// As f32; `out`: `[KEY_BLOCK, value_dim]`.
    pub fn widen(&self, kernels: &Kernels, value_dim: usize, out: &mut [f32]) {
        match self {
            Values::Floats(Cells::F32(values)) => out.copy_from_slice(values),
            Values::Floats(Cells::F16(values)) => (kernels.f16_to_f32)(values, out),
            Values::Floats(Cells::Bf16(values)) => {
                for (out, &bits) in out.iter_mut().zip(*values) {
                    *out = f32::from_bits(u32::from(bits) << 16);
                }
            }
            Values::Ints(IntValues { quants, scales, .. }) => {
                for (group_idx, scales) in scales.chunks_exact(KEY_BLOCK).enumerate() {
                    let first = group_idx * VALUE_GROUP;
                    let n_cols = VALUE_GROUP.min(value_dim - first);
                    let quants = &quants[first * KEY_BLOCK..][..n_cols * KEY_BLOCK];
                    let rows = out.chunks_exact_mut(value_dim).zip(scales);
                    for ((out, scale), quants) in rows.zip(quants.chunks_exact(n_cols)) {
                        for (out, &q) in out[first..].iter_mut().zip(quants) {
                            *out = scale * f32::from(q);
                        }
                    }
                }
            }
        }
    }
}

impl ValueScratch {
    /// For values beside, or in, keys of so many dimensions.
    pub fn new(head_dim: usize, values: ValuePlace) -> Self {
        let (n_steps, n_floats) = Self::sizes(head_dim, values);
        let [scales, means, widened] = n_floats.map(|n| vec![0.0; n]);
        Self { quants: vec![Step::ZERO; n_steps], scales, means, widened }
    }

    /// Bytes that [`Self::new`] allocates.
    pub fn n_bytes(head_dim: usize, values: ValuePlace) -> usize {
        let (n_steps, n_floats) = Self::sizes(head_dim, values);
        n_steps * size_of::<Step>() + n_floats.iter().sum::<usize>() * size_of::<f32>()
    }

    fn sizes(head_dim: usize, values: ValuePlace) -> (usize, [usize; 3]) {
        match values {
            ValuePlace::Own => (head_dim, [head_dim.div_ceil(VALUE_GROUP) * KEY_BLOCK, 0, 0]),
            ValuePlace::InKey { .. } => {
                let n_in = head_dim.next_multiple_of(ACT_GROUP);
                let n_widened = values.width(head_dim) * KEY_BLOCK;
                (n_in / 4, [n_in / ACT_GROUP * KEY_BLOCK, head_dim, n_widened])
            }
        }
    }
}

/// What a block holds: numbers, and scales if they are integers.
fn sizes(n_kv_heads: usize, head_dim: usize) -> Sizes {
    let n_heads = n_kv_heads * KEY_BLOCK;
    let n_cells = n_heads * head_dim;
    [n_cells, n_cells, n_heads * head_dim.div_ceil(VALUE_GROUP), 0]
}

impl KvType {
    /// Bytes of the values of one block.
    pub fn value_block_bytes(self, n_kv_heads: usize, head_dim: usize) -> usize {
        Block::n_bytes(self.format(), sizes(n_kv_heads, head_dim))
    }
}

impl ValuePlane {
    pub(crate) fn new(kind: KvType, n_kv_heads: usize, head_dim: usize) -> Self {
        Self { format: kind.format(), n_kv_heads, head_dim, blocks: Blocks::default() }
    }

    fn n_groups(&self) -> usize {
        self.head_dim.div_ceil(VALUE_GROUP)
    }

    /// Gives a block memory, all zeros.
    pub(crate) fn allocate(&mut self, block: BlockId) {
        let fresh = Block::zeros(self.format, sizes(self.n_kv_heads, self.head_dim));
        self.blocks.allocate(block, fresh);
    }

    /// Copies the first `n_keys` values of a block; the others become zeros: their weight is zero,
    /// and zero times a NaN would be NaN.
    pub(crate) fn copy(&mut self, from: BlockId, to: BlockId, n_keys: usize) {
        let n_rows = self.n_kv_heads * KEY_BLOCK;
        match self.blocks.copy(from, to) {
            Block::Floats(floats) => {
                for first in (0..n_rows).step_by(KEY_BLOCK) {
                    let unused = first + n_keys..first + KEY_BLOCK;
                    floats.clear(unused.start * self.head_dim..unused.end * self.head_dim);
                }
            }
            Block::Ints(Ints { scales, .. }) => {
                let groups = scales.chunks_exact_mut(KEY_BLOCK);
                groups.for_each(|scales| scales[n_keys..].fill(0));
            }
        }
    }

    /// Stores one head of one position in a block of a plane; `head`: `[head_dim]`.
    pub(super) fn write_to(
        kernels: &Kernels,
        (block, slot): (&mut Block, usize),
        head_idx: usize,
        head: &[f32],
    ) {
        let n_groups = head.len().div_ceil(VALUE_GROUP);
        let first = head_idx * KEY_BLOCK * head.len();
        match block {
            Block::Floats(floats) => floats.set(kernels, first + slot * head.len(), 1, head),
            Block::Ints(Ints { n_bits, quants, scales, .. }) => {
                for (group_idx, group) in head.chunks(VALUE_GROUP).enumerate() {
                    let mut ints = [0; VALUE_GROUP];
                    let scale = quantize(group, *n_bits, &mut ints[..group.len()]);
                    scales[(head_idx * n_groups + group_idx) * KEY_BLOCK + slot] = scale;
                    let first = first + group_idx * VALUE_GROUP * KEY_BLOCK + slot * group.len();
                    for (i, &q) in ints[..group.len()].iter().enumerate() {
                        quants.set(first + i, q);
                    }
                }
            }
        }
    }

    pub(crate) fn read<'a>(
        &'a self,
        kernels: &Kernels,
        block: BlockId,
        head_idx: usize,
        scratch: &'a mut ValueScratch,
    ) -> Values<'a> {
        assert!(head_idx < self.n_kv_heads);
        let d = self.head_dim;
        let Ints { n_bits, quants, scales, .. } = match self.blocks.get(block) {
            Block::Ints(ints) => ints,
            Block::Floats(floats) => {
                let n = KEY_BLOCK * d;
                return Values::Floats(floats.cells(head_idx * n..(head_idx + 1) * n));
            }
        };
        let n_scales = self.n_groups() * KEY_BLOCK;
        (kernels.f16_to_f32)(&scales[head_idx * n_scales..][..n_scales], &mut scratch.scales);
        let steps = if *n_bits == 8 {
            &quants.steps()[head_idx * d..][..d]
        } else {
            quants.read(head_idx * d, &mut scratch.quants);
            let bias = 1 << (n_bits - 1);
            for step in &mut scratch.quants {
                let quants = step.0.as_flattened_mut();
                quants.iter_mut().for_each(|q| *q = q.wrapping_sub(bias));
            }
            &scratch.quants
        };
        let quants = bytemuck::cast_slice(steps);
        Values::Ints(IntValues { quants, scales: &scratch.scales, next: &[] })
    }
}
