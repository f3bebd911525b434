//! Keys and values of one attention block as a cache stores them.

use bytemuck::{Pod, Zeroable};

/// One block of one kv head: keys `[head_dim, KEY_BLOCK]` (lanes of a product are keys), or values
/// `[KEY_BLOCK, head_dim]` (lanes are dimensions).
#[derive(Clone, Copy, Debug)]
pub enum Cells<'a> {
    F32(&'a [f32]),
    F16(&'a [u16]),
    Bf16(&'a [u16]),
}

/// A block that is read, and what will be read soon after it: memory is slow to answer, so where
/// there are few rows to multiply a product asks for its successor's numbers on the way.
#[derive(Clone, Copy, Debug)]
pub struct CellBlock<'a> {
    pub cells: Cells<'a>,
    /// May be empty.
    pub next: &'a [u8],
}

/// Values as int8: `value = scale * q`, a scale for each key and [`VALUE_GROUP`] dimensions, fewer
/// in the last group.
#[derive(Clone, Copy, Debug)]
pub struct IntValues<'a> {
    /// `[n_groups]` of `[KEY_BLOCK, dimensions of the group]`
    pub quants: &'a [i8],
    /// `[n_groups, KEY_BLOCK]`
    pub scales: &'a [f32],
    /// As in [`CellBlock`].
    pub next: &'a [u8],
}

/// Dimensions of a value that share a scale.
pub const VALUE_GROUP: usize = 32;

impl<'a> From<Cells<'a>> for CellBlock<'a> {
    fn from(cells: Cells<'a>) -> Self {
        Self { cells, next: &[] }
    }
}

impl Cells<'_> {
    pub(crate) fn n_cells(&self) -> usize {
        match self {
            Cells::F32(cells) => cells.len(),
            Cells::F16(cells) | Cells::Bf16(cells) => cells.len(),
        }
    }
}

/// `by_cells!(cells, name => expression)`: the expression, with the cells by that name, a slice of
/// their [`Element`]s.
macro_rules! by_cells {
    ($cells:expr, $name:ident => $result:expr) => {
        match $cells {
            $crate::Cells::F32($name) => $result,
            $crate::Cells::F16(bits) => {
                let $name = $crate::cells::f16s(bits);
                $result
            }
            $crate::Cells::Bf16(bits) => {
                let $name = $crate::cells::bf16s(bits);
                $result
            }
        }
    };
}
pub(crate) use by_cells;

/// A number that a product reads as f32, exactly.
pub(crate) trait Element: Copy {
    fn to_f32(self) -> f32;
}

/// The bits of an f16 or a bf16.
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct F16(pub(crate) u16);
#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(transparent)]
pub(crate) struct Bf16(pub(crate) u16);

pub(crate) fn f16s(bits: &[u16]) -> &[F16] {
    bytemuck::cast_slice(bits)
}

pub(crate) fn bf16s(bits: &[u16]) -> &[Bf16] {
    bytemuck::cast_slice(bits)
}

impl Element for f32 {
    fn to_f32(self) -> f32 {
        self
    }
}

impl Element for F16 {
    fn to_f32(self) -> f32 {
        crate::block::float::f16_to_f32(self.0)
    }
}

impl Element for Bf16 {
    fn to_f32(self) -> f32 {
        crate::block::float::bf16_to_f32(self.0)
    }
}

impl Element for i8 {
    fn to_f32(self) -> f32 {
        f32::from(self)
    }
}
