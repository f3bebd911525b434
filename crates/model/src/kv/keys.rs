//! Cached keys of one layer.
//!
//! Floats lie as `[head_dim, KEY_BLOCK]`: lanes of the score kernel are keys. Integers lie as the
//! panels of a matrix whose rows are keys, so that scores are int8 products of queries and keys;
//! they are differences from a mean, see [`super::key_means`].

use kernels::{ACT_GROUP, Cells, IntForm, IntPanel, KEY_BLOCK, Kernels, PANEL_ROWS, Quants};

use super::block_pool::BlockId;
use super::blocks::{Block, Blocks, Ints, Sizes};
use super::key_means::{KeyMotion, MeanScratch};
use super::kv_type::{Format, KvType, quantize};
use super::packed::STEP;
use super::values::ValueScratch;

/// Panels of a block.
pub const KEY_PANELS: usize = KEY_BLOCK / PANEL_ROWS;

/// Per block and kv head: floats, or `KEY_PANELS` panels of `[n_in / 4]` steps with scales
/// `[n_in / ACT_GROUP, PANEL_ROWS]`.
pub(crate) struct KeyPlane {
    kind: KvType,
    n_kv_heads: usize,
    head_dim: usize,
    pub(super) blocks: Blocks,
}

/// Keys of one kv head in one block.
#[derive(Clone, Copy)]
pub enum Keys<'a> {
    Floats(Cells<'a>),
    Ints(IntKeys<'a>),
}

/// What scores are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyForm {
    /// Products of floats.
    Floats,
    /// Products of int8.
    Ints,
}

/// Keys as integers, to be read panel after panel.
#[derive(Clone, Copy)]
pub struct IntKeys<'a> {
    ints: &'a Ints,
    head_idx: usize,
    head_dim: usize,
    /// Columns of a panel.
    n_in: usize,
}

impl IntKeys<'_> {
    /// What is to be added to each key: `[head_dim]`.
    pub fn read_mean(&self, kernels: &Kernels, out: &mut [f32]) {
        let first = self.head_idx * self.head_dim;
        (kernels.f16_to_f32)(&self.ints.means[first..][..self.head_dim], out);
    }

    /// Widens the scales of all keys: `[KEY_PANELS, n_in / ACT_GROUP, PANEL_ROWS]`.
    pub fn read_scales(&self, kernels: &Kernels, out: &mut [f32]) {
        let n = KEY_BLOCK * self.n_in / ACT_GROUP;
        let scales = &self.ints.scales[self.head_idx * n..][..n];
        (kernels.f16_to_f32)(scales, &mut out[..n]);
    }

    /// Dimensions `first..head_dim` of all keys, to `scratch.widened`.
    fn read_values(&self, kernels: &Kernels, first: usize, scratch: &mut ValueScratch) {
        let ValueScratch { quants: steps, scales, means, widened } = scratch;
        self.read_scales(kernels, scales);
        self.read_mean(kernels, means);
        let (n_steps, n_groups) = (self.n_in / 4, self.n_in / ACT_GROUP);
        // What is stored of fewer than eight bits has no sign.
        let bias = if self.ints.n_bits == 8 { 0 } else { 1u8 << (self.ints.n_bits - 1) };
        let width = self.head_dim - first;
        let panels = widened.chunks_exact_mut(PANEL_ROWS * width).enumerate();
        for (panel_idx, panel) in panels {
            let first_step = (self.head_idx * KEY_PANELS + panel_idx) * n_steps;
            self.ints.quants.read(first_step, &mut steps[..n_steps]);
            let scales = &scales[panel_idx * n_groups * PANEL_ROWS..][..n_groups * PANEL_ROWS];
            for (row, out) in panel.chunks_exact_mut(width).enumerate() {
                for group_idx in first / ACT_GROUP..n_groups {
                    let start = (group_idx * ACT_GROUP).max(first);
                    let cols = start..((group_idx + 1) * ACT_GROUP).min(self.head_dim);
                    let scale = scales[group_idx * PANEL_ROWS + row];
                    let out = &mut out[start - first..cols.end - first];
                    for ((out, mean), col) in out.iter_mut().zip(&means[cols.clone()]).zip(cols) {
                        let q = steps[col / 4].0[row][col % 4].wrapping_sub(bias) as i8;
                        *out = f32::from(q) * scale + mean;
                    }
                }
            }
        }
    }

    /// Fills a panel with 16 keys; `scales`: `[KEY_PANELS, n_in / ACT_GROUP, PANEL_ROWS]`.
    pub fn read(&self, panel_idx: usize, scales: &[f32], panel: &mut IntPanel) {
        let Ints { n_bits, quants, .. } = self.ints;
        let (n_steps, n_groups) = (self.n_in / 4, self.n_in / ACT_GROUP);
        let quants_of_bits = match n_bits {
            8 => Quants::I8,
            5 => Quants::U5,
            _ => Quants::U4,
        };
        let has_mins = *n_bits < 8;
        panel.form = IntForm { quants: quants_of_bits, group: ACT_GROUP, has_mins };
        panel.n_in = self.n_in;
        let first_step = (self.head_idx * KEY_PANELS + panel_idx) * n_steps;
        quants.read(first_step, &mut panel.quants[..n_steps]);
        let scales = &scales[panel_idx * n_groups * PANEL_ROWS..][..n_groups * PANEL_ROWS];
        for (scales, out) in scales.as_chunks::<PANEL_ROWS>().0.iter().zip(&mut panel.scales) {
            out.0 = *scales;
        }
        if has_mins {
            let bias = (1 << (n_bits - 1)) as f32;
            for (scales, mins) in panel.scales[..n_groups].iter().zip(&mut panel.mins) {
                mins.0 = scales.0.map(|scale| bias * scale);
            }
        }
    }
}

/// Dimensions that are turned around together: a cache line of each key.
const N_DIMS: usize = 16;

/// Dimensions `first..head_dim` of `[head_dim, KEY_BLOCK]` as `[KEY_BLOCK, head_dim - first]`.
fn transpose(
    kernels: &Kernels,
    cells: Cells<'_>,
    (first, head_dim): (usize, usize),
    out: &mut [f32],
) {
    let width = head_dim - first;
    let mut widened = [0.0; N_DIMS * KEY_BLOCK];
    for start in (0..width).step_by(N_DIMS) {
        let n = N_DIMS.min(width - start);
        let range = (first + start) * KEY_BLOCK..(first + start + n) * KEY_BLOCK;
        let widened = &mut widened[..n * KEY_BLOCK];
        match cells {
            Cells::F32(cells) => widened.copy_from_slice(&cells[range]),
            Cells::F16(cells) => (kernels.f16_to_f32)(&cells[range], widened),
            Cells::Bf16(cells) => {
                for (out, &bits) in widened.iter_mut().zip(&cells[range]) {
                    *out = f32::from_bits(u32::from(bits) << 16);
                }
            }
        }
        for (key_idx, out) in out.chunks_exact_mut(width).enumerate() {
            let column = widened[key_idx..].iter().step_by(KEY_BLOCK);
            out[start..start + n].iter_mut().zip(column).for_each(|(out, x)| *out = *x);
        }
    }
}

/// Columns of a panel of keys.
fn n_in(head_dim: usize) -> usize {
    head_dim.next_multiple_of(ACT_GROUP)
}

fn sizes(n_kv_heads: usize, head_dim: usize) -> Sizes {
    let n_heads = n_kv_heads * KEY_BLOCK;
    let n_in = n_in(head_dim);
    [n_heads * head_dim, n_heads * n_in, n_heads * n_in / ACT_GROUP, n_kv_heads * head_dim]
}

impl KvType {
    /// Bytes of the keys of one block, other than the first of a text.
    pub fn key_block_bytes(self, n_kv_heads: usize, head_dim: usize) -> usize {
        Block::n_bytes(self.format(), sizes(n_kv_heads, head_dim))
    }

    /// Bytes of the keys of the first block of a text.
    pub fn first_key_block_bytes(self, n_kv_heads: usize, head_dim: usize) -> usize {
        Block::n_bytes(self.first_keys(), sizes(n_kv_heads, head_dim))
    }

    /// How the keys of the first block are stored, see [`super::key_means`].
    fn first_keys(self) -> Format {
        if self.key_form() == KeyForm::Ints { Format::F16 } else { self.format() }
    }

    fn key_form(self) -> KeyForm {
        match self.format() {
            Format::Int(_) => KeyForm::Ints,
            Format::F32 | Format::F16 | Format::Bf16 => KeyForm::Floats,
        }
    }
}

impl KeyPlane {
    pub(crate) fn new(kind: KvType, n_kv_heads: usize, head_dim: usize) -> Self {
        Self { kind, n_kv_heads, head_dim, blocks: Blocks::default() }
    }

    pub(super) fn n_kv_heads(&self) -> usize {
        self.n_kv_heads
    }

    pub(super) fn form(&self) -> KeyForm {
        self.kind.key_form()
    }

    /// Gives a block memory, all zeros.
    pub(crate) fn allocate(&mut self, block: BlockId, is_first: bool) {
        let format = if is_first { self.kind.first_keys() } else { self.kind.format() };
        let fresh = Block::zeros(format, sizes(self.n_kv_heads, self.head_dim));
        self.blocks.allocate(block, fresh);
    }

    /// Copies the first `n_keys` keys of a block; the others become zeros, or the mean: where
    /// values are a part of keys, zero times a NaN would be NaN.
    pub(super) fn copy(&mut self, from: BlockId, to: BlockId, n_keys: usize) {
        let n_rows = self.n_kv_heads * self.head_dim;
        match self.blocks.copy(from, to) {
            Block::Floats(floats) => {
                for row in 0..n_rows {
                    floats.clear(row * KEY_BLOCK + n_keys..(row + 1) * KEY_BLOCK);
                }
            }
            Block::Ints(Ints { scales, .. }) => {
                let n_groups = n_in(self.head_dim) / ACT_GROUP;
                let panels = scales.chunks_exact_mut(n_groups * PANEL_ROWS).enumerate();
                for (panel_idx, scales) in panels {
                    let first = panel_idx % KEY_PANELS * PANEL_ROWS;
                    let n_kept = n_keys.saturating_sub(first).min(PANEL_ROWS);
                    let groups = scales.chunks_exact_mut(PANEL_ROWS);
                    groups.for_each(|scales| scales[n_kept..].fill(0));
                }
            }
        }
    }

    /// Gives a block, which begins at `pos`, the mean that its keys are stored without. `before`: a
    /// block of the text before it, and the positions of its keys.
    pub(super) fn start_block(
        &mut self,
        motion: KeyMotion<'_>,
        (before, positions): (BlockId, &[u32]),
        (block, pos): (BlockId, u32),
        scratch: &mut MeanScratch,
    ) {
        match self.blocks.get(before) {
            Block::Floats(keys) => scratch.follow_first(motion, (keys, positions), pos),
            Block::Ints(ints) => scratch.follow(motion, ints, pos - positions[0]),
        }
        scratch.store(motion.kernels, self.blocks.get_mut(block));
    }

    /// Stores one head of one position in a block of a plane; `head`: `[head_dim]`.
    pub(super) fn write_to(
        kernels: &Kernels,
        (block, slot): (&mut Block, usize),
        head_idx: usize,
        head: &[f32],
    ) {
        match block {
            Block::Floats(floats) => {
                let first = head_idx * KEY_BLOCK * head.len() + slot;
                floats.set(kernels, first, KEY_BLOCK, head);
            }
            Block::Ints(Ints { n_bits, quants, scales, means }) => {
                let n_in = n_in(head.len());
                let means = means[head_idx * head.len()..].chunks(ACT_GROUP);
                let (panel, row) = (head_idx * KEY_PANELS + slot / PANEL_ROWS, slot % PANEL_ROWS);
                for (group_idx, (group, means)) in head.chunks(ACT_GROUP).zip(means).enumerate() {
                    let (mut rest, mut ints) = ([0.0; ACT_GROUP], [0; ACT_GROUP]);
                    let rest = &mut rest[..group.len()];
                    (kernels.f16_to_f32)(&means[..group.len()], rest);
                    rest.iter_mut().zip(group).for_each(|(rest, x)| *rest = x - *rest);
                    let scale = quantize(rest, *n_bits, &mut ints[..group.len()]);
                    scales[(panel * n_in / ACT_GROUP + group_idx) * PANEL_ROWS + row] = scale;
                    for (i, &q) in ints.iter().enumerate() {
                        let col = group_idx * ACT_GROUP + i;
                        let step = panel * n_in / 4 + col / 4;
                        quants.set(step * STEP + row * 4 + col % 4, q);
                    }
                }
            }
        }
    }

    /// One key as it is scored: `[head_dim]`.
    pub(super) fn widen(&self, block: BlockId, slot: usize, head_idx: usize, out: &mut [f32]) {
        let d = self.head_dim;
        let Ints { quants, scales, means, .. } = match self.blocks.get(block) {
            Block::Ints(ints) => ints,
            Block::Floats(floats) => {
                return floats.get(head_idx * KEY_BLOCK * d + slot, KEY_BLOCK, out);
            }
        };
        let n_in = n_in(d);
        let (panel, row) = (head_idx * KEY_PANELS + slot / PANEL_ROWS, slot % PANEL_ROWS);
        let f16 = |bits: u16| half::f16::from_bits(bits).to_f32();
        for (col, out) in out.iter_mut().enumerate() {
            let scale = scales[(panel * n_in / ACT_GROUP + col / ACT_GROUP) * PANEL_ROWS + row];
            let q = quants.get((panel * n_in / 4 + col / 4) * STEP + row * 4 + col % 4);
            *out = f32::from(q).mul_add(f16(scale), f16(means[head_idx * d + col]));
        }
    }

    /// What the keys of a block hold from dimension `first` on, as they are scored, to
    /// `scratch.widened`: `[KEY_BLOCK, head_dim - first]`.
    pub(super) fn read_values(
        &self,
        kernels: &Kernels,
        (block, head_idx, first): (BlockId, usize, usize),
        scratch: &mut ValueScratch,
    ) {
        match self.read(block, head_idx) {
            Keys::Floats(cells) => {
                transpose(kernels, cells, (first, self.head_dim), &mut scratch.widened);
            }
            Keys::Ints(ints) => ints.read_values(kernels, first, scratch),
        }
    }

    pub(crate) fn read(&self, block: BlockId, head_idx: usize) -> Keys<'_> {
        assert!(head_idx < self.n_kv_heads);
        match self.blocks.get(block) {
            Block::Floats(floats) => {
                let n = KEY_BLOCK * self.head_dim;
                Keys::Floats(floats.cells(head_idx * n..(head_idx + 1) * n))
            }
            Block::Ints(ints) => {
                let head_dim = self.head_dim;
                Keys::Ints(IntKeys { ints, head_idx, head_dim, n_in: n_in(head_dim) })
            }
        }
    }
}
