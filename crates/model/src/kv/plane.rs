//! Storage of one layer's keys or values: f32, f16 or int8 with a scale per 32 values.
//!
//! A block holds, per kv head, keys as `[head_dim, KEY_BLOCK]` (lanes of the score kernel are
//! keys) and values as `[KEY_BLOCK, head_dim]` (lanes of the sum are dimensions).

use kernels::{KEY_BLOCK, Kernels};

use super::block_pool::BlockId;

/// How keys or values are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum KvType {
    F32,
    #[default]
    F16,
    /// Int8, one f16 scale per 32 values of a head (fewer in the last group of an odd head).
    Q8_0,
}

/// Larger values are stored as this: an infinity, times the weight zero of a key that a query may
/// not see, would be NaN.
const F16_MAX: f32 = 65_504.0;
/// Values that share a scale in `Q8_0`.
const GROUP: usize = 32;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `[head_dim, KEY_BLOCK]`
    Keys,
    /// `[KEY_BLOCK, head_dim]`
    Values,
}

pub(crate) struct Plane {
    kind: KvType,
    layout: Layout,
    n_kv_heads: usize,
    head_dim: usize,
    /// By number; `None` where a block is free.
    blocks: Vec<Option<Cells>>,
}

/// One block, per kv head: `head_dim * KEY_BLOCK` cells; scales `n_groups * KEY_BLOCK`.
enum Cells {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Q8_0 { quants: Vec<i8>, scales: Vec<u16> },
}

impl KvType {
    pub const ALL: [KvType; 3] = [KvType::F32, KvType::F16, KvType::Q8_0];

    pub fn name(self) -> &'static str {
        match self {
            KvType::F32 => "f32",
            KvType::F16 => "f16",
            KvType::Q8_0 => "q8_0",
        }
    }

    /// Bytes of one head of one position.
    pub fn head_bytes(self, head_dim: usize) -> usize {
        match self {
            KvType::F32 => 4 * head_dim,
            KvType::F16 => 2 * head_dim,
            KvType::Q8_0 => head_dim + 2 * head_dim.div_ceil(GROUP),
        }
    }
}

impl Plane {
    pub(crate) fn new(kind: KvType, layout: Layout, n_kv_heads: usize, head_dim: usize) -> Self {
        Self { kind, layout, n_kv_heads, head_dim, blocks: Vec::new() }
    }

    /// Gives a block memory, all zeros.
    pub(crate) fn allocate(&mut self, block: BlockId) {
        let n_cells = self.n_kv_heads * self.head_dim * KEY_BLOCK;
        let cells = match self.kind {
            KvType::F32 => Cells::F32(vec![0.0; n_cells]),
            KvType::F16 => Cells::F16(vec![0; n_cells]),
            KvType::Q8_0 => {
                let n_scales = self.n_kv_heads * self.n_groups() * KEY_BLOCK;
                Cells::Q8_0 { quants: vec![0; n_cells], scales: vec![0; n_scales] }
            }
        };
        let idx = block.0 as usize;
        if self.blocks.len() <= idx {
            self.blocks.resize_with(idx + 1, || None);
        }
        assert!(self.blocks[idx].is_none(), "a block is allocated once");
        self.blocks[idx] = Some(cells);
    }

    /// Takes a block's memory back.
    pub(crate) fn free(&mut self, block: BlockId) {
        let cells = self.blocks[block.0 as usize].take();
        assert!(cells.is_some(), "a block is freed once");
    }

    /// Copies the first `n_keys` keys of a block.
    pub(crate) fn copy(&mut self, from: BlockId, to: BlockId, n_keys: usize) {
        let mut target = self.blocks[to.0 as usize].take().expect("the target has memory");
        let n_groups = self.n_groups();
        match (self.cells_of(from), &mut target) {
            (Cells::F32(from), Cells::F32(to)) => self.copy_cells(self.head_dim, n_keys, from, to),
            (Cells::F16(from), Cells::F16(to)) => self.copy_cells(self.head_dim, n_keys, from, to),
            (
                Cells::Q8_0 { quants, scales },
                Cells::Q8_0 { quants: to_quants, scales: to_scales },
            ) => {
                self.copy_cells(self.head_dim, n_keys, quants, to_quants);
                self.copy_cells(n_groups, n_keys, scales, to_scales);
            }
            _ => unreachable!("blocks of one plane have one type"),
        }
        self.blocks[to.0 as usize] = Some(target);
    }

    /// Appends a block's bytes, numbers little-endian.
    pub(crate) fn save(&self, block: BlockId, out: &mut Vec<u8>) {
        match self.cells_of(block) {
            Cells::F32(cells) => out.extend(cells.iter().flat_map(|x| x.to_le_bytes())),
            Cells::F16(cells) => out.extend(cells.iter().flat_map(|x| x.to_le_bytes())),
            Cells::Q8_0 { quants, scales } => {
                out.extend(quants.iter().flat_map(|x| x.to_le_bytes()));
                out.extend(scales.iter().flat_map(|x| x.to_le_bytes()));
            }
        }
    }

    /// Fills a block with what `save` gave.
    pub(crate) fn load(&mut self, block: BlockId, bytes: &[u8]) {
        let halves = |bytes: &[u8], cells: &mut [u16]| {
            let values = bytes.as_chunks().0.iter().map(|&bytes| u16::from_le_bytes(bytes));
            cells.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
        };
        match self.blocks[block.0 as usize].as_mut().expect("a block in use has memory") {
            Cells::F32(cells) => {
                let values = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
                cells.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
            }
            Cells::F16(cells) => halves(bytes, cells),
            Cells::Q8_0 { quants, scales } => {
                let (quant_bytes, scale_bytes) = bytes.split_at(quants.len());
                let values = quant_bytes.iter().map(|&byte| byte as i8);
                quants.iter_mut().zip(values).for_each(|(cell, value)| *cell = value);
                halves(scale_bytes, scales);
            }
        }
    }

    /// `n` cells of each key and head.
    fn copy_cells<T: Copy>(&self, n: usize, n_keys: usize, from: &[T], to: &mut [T]) {
        let heads = from.chunks_exact(n * KEY_BLOCK).zip(to.chunks_exact_mut(n * KEY_BLOCK));
        for (from, to) in heads {
            match self.layout {
                Layout::Keys => {
                    let rows = from.chunks_exact(KEY_BLOCK).zip(to.chunks_exact_mut(KEY_BLOCK));
                    rows.for_each(|(from, to)| to[..n_keys].copy_from_slice(&from[..n_keys]));
                }
                Layout::Values => to[..n_keys * n].copy_from_slice(&from[..n_keys * n]),
            }
        }
    }

    fn n_groups(&self) -> usize {
        self.head_dim.div_ceil(GROUP)
    }

    fn cells_of(&self, block: BlockId) -> &Cells {
        self.blocks[block.0 as usize].as_ref().expect("a block in use has memory")
    }

    /// Cell of dimension `i` at `slot` of a head's block: (first, step from one `i` to the next).
    fn cells(&self, n: usize, slot: usize) -> (usize, usize) {
        match self.layout {
            Layout::Keys => (slot, KEY_BLOCK),
            Layout::Values => (slot * n, 1),
        }
    }

    /// Stores one head of one position; `head`: `[head_dim]`.
    pub(crate) fn write(
        &mut self,
        kernels: &Kernels,
        (block, slot): (BlockId, usize),
        kv_head_idx: usize,
        head: &[f32],
    ) {
        assert_eq!(head.len(), self.head_dim);
        assert!(kv_head_idx < self.n_kv_heads);
        let (first, step) = self.cells(self.head_dim, slot);
        let first = kv_head_idx * self.head_dim * KEY_BLOCK + first;
        let n_groups = self.n_groups();
        let (first_scale, scale_step) = self.cells(n_groups, slot);
        let first_scale = kv_head_idx * n_groups * KEY_BLOCK + first_scale;
        match self.blocks[block.0 as usize].as_mut().expect("a block in use has memory") {
            Cells::F32(cells) => {
                for (i, &x) in head.iter().enumerate() {
                    cells[first + i * step] = x;
                }
            }
            Cells::F16(cells) => {
                for (group_idx, head) in head.chunks(GROUP).enumerate() {
                    let (mut finite, mut half) = ([0.0; GROUP], [0; GROUP]);
                    for (finite, x) in finite.iter_mut().zip(head) {
                        *finite = x.clamp(-F16_MAX, F16_MAX);
                    }
                    (kernels.f32_to_f16)(&finite[..head.len()], &mut half[..head.len()]);
                    for (i, &x) in half[..head.len()].iter().enumerate() {
                        cells[first + (group_idx * GROUP + i) * step] = x;
                    }
                }
            }
            Cells::Q8_0 { quants, scales } => {
                for (group_idx, head) in head.chunks(GROUP).enumerate() {
                    let (bits, inverse) = q8_scale(kernels, head);
                    scales[first_scale + group_idx * scale_step] = bits;
                    for (i, &x) in head.iter().enumerate() {
                        let q = (x * inverse).round_ties_even().clamp(-127.0, 127.0);
                        quants[first + (group_idx * GROUP + i) * step] = q as i8;
                    }
                }
            }
        }
    }

    /// One head of one block as f32, in the plane's layout; borrowed where it is stored so.
    pub(crate) fn read<'a>(
        &'a self,
        kernels: &Kernels,
        block: BlockId,
        kv_head_idx: usize,
        out: &'a mut [f32],
    ) -> &'a [f32] {
        let n_cells = self.head_dim * KEY_BLOCK;
        let range = kv_head_idx * n_cells..(kv_head_idx + 1) * n_cells;
        match self.cells_of(block) {
            Cells::F32(cells) => &cells[range],
            Cells::F16(cells) => {
                (kernels.f16_to_f32)(&cells[range], &mut out[..n_cells]);
                out
            }
            Cells::Q8_0 { quants, scales } => {
                let n_scales = self.n_groups() * KEY_BLOCK;
                let scales = &scales[kv_head_idx * n_scales..][..n_scales];
                self.read_q8(kernels, &quants[range], scales, out);
                out
            }
        }
    }

    fn read_q8(&self, kernels: &Kernels, quants: &[i8], scales: &[u16], out: &mut [f32]) {
        let n_groups = self.n_groups();
        match self.layout {
            Layout::Keys => {
                let mut row_scales = [0.0; KEY_BLOCK];
                let rows = quants.chunks_exact(KEY_BLOCK).zip(out.chunks_exact_mut(KEY_BLOCK));
                for (i, (quants, out)) in rows.enumerate() {
                    if i.is_multiple_of(GROUP) {
                        let scales = &scales[i / GROUP * KEY_BLOCK..][..KEY_BLOCK];
                        (kernels.f16_to_f32)(scales, &mut row_scales);
                    }
                    for ((out, &q), scale) in out.iter_mut().zip(quants).zip(&row_scales) {
                        *out = f32::from(q) * scale;
                    }
                }
            }
            Layout::Values => {
                let d = self.head_dim;
                for (slot, scales) in scales.chunks_exact(n_groups).enumerate() {
                    let quants = quants[slot * d..][..d].chunks(GROUP);
                    let out = out[slot * d..][..d].chunks_mut(GROUP);
                    for ((quants, out), &bits) in quants.zip(out).zip(scales) {
                        let mut scale = [0.0];
                        (kernels.f16_to_f32)(&[bits], &mut scale);
                        for (out, &q) in out.iter_mut().zip(quants) {
                            *out = f32::from(q) * scale[0];
                        }
                    }
                }
            }
        }
    }
}

/// The stored f16 scale of a group and the factor that its values are quantised with.
fn q8_scale(kernels: &Kernels, group: &[f32]) -> (u16, f32) {
    let max = group.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    // A NaN is lost by `max`; it must not become a silent zero.
    let has_nan = group.iter().any(|x| x.is_nan());
    let scale = if has_nan { f32::NAN } else { (max / 127.0).min(F16_MAX) };
    let (mut bits, mut stored) = ([0], [0.0]);
    (kernels.f32_to_f16)(&[scale], &mut bits);
    (kernels.f16_to_f32)(&bits, &mut stored);
    let inverse = if stored[0] > 0.0 { 1.0 / stored[0] } else { 0.0 };
    (bits[0], inverse)
}
