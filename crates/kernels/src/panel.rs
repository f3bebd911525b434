//! The layouts in which weights and activations meet: panels of 16 weight rows, tiles of 4 tokens.
//!
//! Every block format becomes the same integer form, `w = scale * q - min` with one scale (and, for
//! some formats, one min) per group of 16 or 32 columns. A dot product with int8 activations
//! `x = x_scale * xq` is then, group after group,
//!
//! `y = fma(scale * x_scale, sum(q * xq), y)`, then, in formats with mins,
//! `y = fma(-min, x_scale * sum(xq), y)`
//!
//! with exact integer sums and these f32 roundings only, so every kernel and every instruction set
//! gives the same bits whatever the number of tokens (M6).
//!
//! Many tokens share one panel (`unpack_int`, then `int_panel`); for few of them
//! `int_rows` multiplies the same integers as it unpacks them, with the sums in the same order.

use bytemuck::{Pod, Zeroable};

use crate::{ACT_GROUP, DType, PANEL_ROWS, TILE_TOKENS};

/// Range of the integers `q`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quants {
    /// `0..=15`: eight products fit an int16 lane.
    U4,
    /// `0..=31`: four products fit.
    U5,
    /// `0..=63`: two products fit.
    U6,
    /// `-128..=127`, stored as the two's complement byte.
    I8,
}

/// The integer form of one block format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IntForm {
    pub quants: Quants,
    /// Columns that share a scale: 16 or 32.
    pub group: usize,
    pub has_mins: bool,
}

/// Four columns of 16 rows of quants: `[PANEL_ROWS, 4]`, exactly a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
#[repr(C, align(64))]
pub struct Step(pub [[u8; 4]; PANEL_ROWS]);

/// One value for each of 16 rows, exactly a cache line.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C, align(64))]
pub struct RowValues(pub [f32; PANEL_ROWS]);

const _: () = assert!(size_of::<Step>() == 64 && size_of::<RowValues>() == 64);

/// 16 weight rows in integer form, interleaved so that a kernel's lanes are rows. The shapes are
/// those of the part in use; the vectors may be longer.
pub struct IntPanel {
    pub form: IntForm,
    pub n_in: usize,
    /// `[n_in / 4]`
    pub quants: Vec<Step>,
    /// `[n_in / group]`
    pub scales: Vec<RowValues>,
    /// `[n_in / group]`, not read when the form has no mins.
    pub mins: Vec<RowValues>,
}

/// 16 weight rows as f32.
pub struct F32Panel {
    pub n_in: usize,
    /// `[n_in]`, or more.
    pub values: Vec<RowValues>,
}

/// Int8 activations of up to `TILE_TOKENS` tokens. The shapes are those of the part in use; the
/// vectors may be longer.
#[derive(Clone, Debug)]
pub struct QuantizedTile {
    pub n_in: usize,
    pub n_tokens: usize,
    /// `[n_in / 4, n_tokens, 4]`
    pub quants: Vec<i8>,
    /// `[n_in / ACT_GROUP, n_tokens]`
    pub scales: Vec<f32>,
    /// `x_scale * sum(xq)` over 16 columns: `[n_in / 16, n_tokens]`.
    pub sums16: Vec<f32>,
    /// `x_scale * sum(xq)` over 32 columns: `[n_in / 32, n_tokens]`.
    pub sums32: Vec<f32>,
}

/// The part of a `QuantizedTile` in use, exactly of the shapes named there.
pub(crate) struct TileView<'a> {
    pub(crate) n_tokens: usize,
    pub(crate) quants: &'a [i8],
    pub(crate) scales: &'a [f32],
    pub(crate) sums16: &'a [f32],
    pub(crate) sums32: &'a [f32],
}

impl Step {
    pub const ZERO: Self = Self([[0; 4]; PANEL_ROWS]);
}

impl RowValues {
    pub(crate) const ZERO: Self = Self([0.0; PANEL_ROWS]);
}

impl IntPanel {
    /// Room for any format with rows of up to `n_in_max` columns.
    pub fn with_capacity(n_in_max: usize) -> Self {
        let n_in_max = n_in_max.next_multiple_of(ACT_GROUP);
        Self {
            form: IntForm { quants: Quants::I8, group: ACT_GROUP, has_mins: false },
            n_in: 0,
            quants: vec![Step::ZERO; n_in_max / 4],
            scales: vec![RowValues::ZERO; n_in_max / 16],
            mins: vec![RowValues::ZERO; n_in_max / 16],
        }
    }

    /// Bytes that [`Self::with_capacity`] allocates.
    pub fn n_bytes(n_in_max: usize) -> usize {
        let n_in_max = n_in_max.next_multiple_of(ACT_GROUP);
        n_in_max / 4 * size_of::<Step>() + 2 * (n_in_max / 16) * size_of::<RowValues>()
    }

    /// Takes the form of `dtype`, checks the room and returns how many rows `n_bytes` are.
    pub(crate) fn start(&mut self, dtype: DType, n_bytes: usize, n_in: usize) -> usize {
        self.form = dtype.int_form().expect("float types have no integer form");
        self.n_in = n_in;
        let n_groups = n_in / self.form.group;
        assert!(self.quants.len() >= n_in / 4, "panel is too small for {n_in} columns");
        assert!(self.scales.len() >= n_groups, "panel is too small for {n_in} columns");
        assert!(self.mins.len() >= n_groups, "panel is too small for {n_in} columns");
        count_panel_rows(dtype, n_bytes, n_in)
    }
}

pub(crate) fn count_rows(dtype: DType, n_bytes: usize, n_in: usize) -> usize {
    let row_bytes = dtype.row_bytes(n_in).expect("columns are a multiple of the block");
    let n_rows = n_bytes.checked_div(row_bytes).unwrap_or(0);
    assert_eq!(n_bytes, n_rows * row_bytes, "whole rows of {n_in} {dtype} values");
    n_rows
}

fn count_panel_rows(dtype: DType, n_bytes: usize, n_in: usize) -> usize {
    let n_rows = count_rows(dtype, n_bytes, n_in);
    assert!(n_rows <= PANEL_ROWS, "{n_rows} rows in a panel of {PANEL_ROWS}");
    n_rows
}

impl F32Panel {
    pub fn with_capacity(n_in_max: usize) -> Self {
        Self { n_in: 0, values: vec![RowValues::ZERO; n_in_max] }
    }

    /// Bytes that [`Self::with_capacity`] allocates.
    pub fn n_bytes(n_in_max: usize) -> usize {
        n_in_max * size_of::<RowValues>()
    }

    /// Checks the room and returns how many rows `n_bytes` are.
    pub(crate) fn start(&mut self, dtype: DType, n_bytes: usize, n_in: usize) -> usize {
        self.n_in = n_in;
        assert!(self.values.len() >= n_in, "panel is too small for {n_in} columns");
        count_panel_rows(dtype, n_bytes, n_in)
    }
}

impl QuantizedTile {
    /// Room for `TILE_TOKENS` rows of up to `n_in_max` columns.
    pub fn with_capacity(n_in_max: usize) -> Self {
        let n = TILE_TOKENS * n_in_max.next_multiple_of(ACT_GROUP);
        Self {
            n_in: 0,
            n_tokens: 0,
            quants: vec![0; n],
            scales: vec![0.0; n / ACT_GROUP],
            sums16: vec![0.0; n / 16],
            sums32: vec![0.0; n / 32],
        }
    }

    /// Bytes that [`Self::with_capacity`] allocates.
    pub fn n_bytes(n_in_max: usize) -> usize {
        let n = TILE_TOKENS * n_in_max.next_multiple_of(ACT_GROUP);
        n + (n / ACT_GROUP + n / 16 + n / 32) * size_of::<f32>()
    }

    /// Takes the shape of `x`, rows of `n_in` columns, and checks the room.
    pub(crate) fn start(&mut self, x: &[f32], n_in: usize) {
        assert!(n_in.is_multiple_of(ACT_GROUP), "{n_in} columns are no multiple of {ACT_GROUP}");
        (self.n_in, self.n_tokens) = (n_in, x.len().checked_div(n_in).unwrap_or(0));
        assert!(x.len() == self.n_tokens * n_in, "x is whole rows of {n_in} columns");
        assert!(self.n_tokens <= TILE_TOKENS, "{} tokens in a tile", self.n_tokens);
        assert!(self.quants.len() >= x.len(), "tile is too small for {n_in} columns");
    }

    /// The part in use.
    pub(crate) fn view(&self) -> TileView<'_> {
        let n = self.n_tokens * self.n_in;
        TileView {
            n_tokens: self.n_tokens,
            quants: &self.quants[..n],
            scales: &self.scales[..n / ACT_GROUP],
            sums16: &self.sums16[..n / 16],
            sums32: &self.sums32[..n / 32],
        }
    }
}

impl DType {
    /// The integer form, or `None` for F32, F16 and BF16.
    pub fn int_form(self) -> Option<IntForm> {
        let form = |quants, group, has_mins| Some(IntForm { quants, group, has_mins });
        match self {
            DType::F32 | DType::F16 | DType::BF16 => None,
            DType::Q4_0 | DType::Q4_1 | DType::Q4K => form(Quants::U4, 32, true),
            DType::Tq1_0 | DType::Tq2_0 | DType::Q1_0 | DType::Q2_0 | DType::Iq1S => {
                form(Quants::U4, 32, true)
            }
            DType::Q5_0 | DType::Q5_1 | DType::Q5K => form(Quants::U5, 32, true),
            DType::Q2K | DType::Q3K => form(Quants::U4, 16, true),
            DType::Q6K => form(Quants::U6, 16, true),
            DType::Q8_0 | DType::Q8K | DType::Iq4Nl | DType::Iq4Xs | DType::Mxfp4 => {
                form(Quants::I8, 32, false)
            }
            DType::Iq2Xxs | DType::Iq3Xxs | DType::Iq3S => form(Quants::I8, 32, false),
            DType::Iq2Xs | DType::Iq2S | DType::Iq1M | DType::Nvfp4 => form(Quants::I8, 16, false),
        }
    }
}
