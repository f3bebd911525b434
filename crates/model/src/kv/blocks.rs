//! The memory of one plane, block by block: what keys and values have in common.

use super::block_pool::BlockId;
use super::floats::Floats;
use super::kv_type::Format;
use super::packed::{Packed, STEP};

/// By number; `None` where a block is free.
#[derive(Default)]
pub(super) struct Blocks(Vec<Option<Block>>);

pub(super) enum Block {
    Floats(Floats),
    Ints(Ints),
}

pub(super) struct Ints {
    pub(super) n_bits: u32,
    pub(super) quants: Packed,
    /// f16
    pub(super) scales: Vec<u16>,
    /// f16, what was subtracted from each head before it became integers: `[n_heads, head_dim]`,
    /// or empty.
    pub(super) means: Vec<u16>,
}

/// Floats, integers, scales and means of a block; it has the first, or the others.
pub(super) type Sizes = [usize; 4];

impl Blocks {
    pub(super) fn allocate(&mut self, block: BlockId, fresh: Block) {
        let idx = block.0 as usize;
        if self.0.len() <= idx {
            self.0.resize_with(idx + 1, || None);
        }
        assert!(self.0[idx].is_none(), "a block is allocated once");
        self.0[idx] = Some(fresh);
    }

    pub(super) fn free(&mut self, block: BlockId) {
        let freed = self.0[block.0 as usize].take();
        assert!(freed.is_some(), "a block is freed once");
    }

    pub(super) fn get(&self, block: BlockId) -> &Block {
        self.0[block.0 as usize].as_ref().expect("a block in use has memory")
    }

    pub(super) fn get_mut(&mut self, block: BlockId) -> &mut Block {
        self.0[block.0 as usize].as_mut().expect("a block in use has memory")
    }

    /// All by number.
    pub(super) fn all_mut(&mut self) -> &mut [Option<Block>] {
        &mut self.0
    }

    /// Copies a block to another, whole; returns that.
    pub(super) fn copy(&mut self, from: BlockId, to: BlockId) -> &mut Block {
        assert_ne!(from, to);
        let [from, to] = self
            .0
            .get_disjoint_mut([from.0 as usize, to.0 as usize])
            .expect("blocks in use have numbers");
        let to = to.as_mut().expect("the target has memory");
        let from = from.as_mut().expect("the source has memory");
        for (from, to) in from.bytes().into_iter().zip(to.bytes_mut()) {
            to.copy_from_slice(from);
        }
        to
    }
}

impl Block {
    pub(super) fn zeros(format: Format, [n_floats, n_ints, n_scales, n_means]: Sizes) -> Self {
        match format {
            Format::Int(n_bits) => Self::Ints(Ints {
                n_bits,
                quants: Packed::zeros(n_bits, n_ints / STEP),
                scales: vec![0; n_scales],
                means: vec![0; n_means],
            }),
            format => Self::Floats(Floats::zeros(format, n_floats)),
        }
    }

    /// The bytes of what `zeros` makes of the same numbers.
    pub(super) fn n_bytes(format: Format, [n_floats, n_ints, n_scales, n_means]: Sizes) -> usize {
        match format {
            Format::F32 => 4 * n_floats,
            Format::F16 | Format::Bf16 => 2 * n_floats,
            Format::Int(n_bits) => {
                Packed::n_bytes(n_bits, n_ints / STEP) + 2 * (n_scales + n_means)
            }
        }
    }

    /// All of it, in order.
    pub(super) fn bytes(&self) -> [&[u8]; 4] {
        match self {
            Self::Floats(floats) => [floats.bytes(), &[], &[], &[]],
            Self::Ints(Ints { quants, scales, means, .. }) => {
                let [low, high] = quants.bytes();
                [low, high, bytemuck::cast_slice(scales), bytemuck::cast_slice(means)]
            }
        }
    }

    /// The share of one head of what `bytes` gives.
    pub(super) fn head_bytes(&self, head_idx: usize, n_heads: usize) -> [&[u8]; 4] {
        let share =
            |all: &[u8]| head_idx * all.len() / n_heads..(head_idx + 1) * all.len() / n_heads;
        self.bytes().map(|all| &all[share(all)])
    }

    pub(super) fn bytes_mut(&mut self) -> [&mut [u8]; 4] {
        match self {
            Self::Floats(floats) => [floats.bytes_mut(), &mut [], &mut [], &mut []],
            Self::Ints(Ints { quants, scales, means, .. }) => {
                let [low, high] = quants.bytes_mut();
                let [scales, means] =
                    [scales, means].map(|halves| bytemuck::cast_slice_mut(halves));
                [low, high, scales, means]
            }
        }
    }
}
