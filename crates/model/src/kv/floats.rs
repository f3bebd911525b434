//! Keys or values of one block as floats.

use std::ops::Range;

use kernels::{Cells, Kernels};

use super::kv_type::{F16_MAX, Format};

pub(super) enum Floats {
    F32(Vec<f32>),
    F16(Vec<u16>),
    Bf16(Vec<u16>),
}

/// Numbers converted together.
const AT_ONCE: usize = 32;

impl Floats {
    pub(super) fn zeros(format: Format, n: usize) -> Self {
        match format {
            Format::F32 => Self::F32(vec![0.0; n]),
            Format::F16 => Self::F16(vec![0; n]),
            Format::Bf16 => Self::Bf16(vec![0; n]),
            Format::Int(_) => unreachable!("integers have their own layout"),
        }
    }

    /// Writes numbers from `first` on, `step` apart.
    pub(super) fn set(&mut self, kernels: &Kernels, first: usize, step: usize, x: &[f32]) {
        match self {
            Self::F32(cells) => scatter(cells, first, step, x),
            Self::F16(cells) => {
                let (mut finite, mut halves) = ([0.0; AT_ONCE], [0; AT_ONCE]);
                for (i, x) in x.chunks(AT_ONCE).enumerate() {
                    let (finite, halves) = (&mut finite[..x.len()], &mut halves[..x.len()]);
                    for (finite, x) in finite.iter_mut().zip(x) {
                        *finite = x.clamp(-F16_MAX, F16_MAX);
                    }
                    (kernels.f32_to_f16)(finite, halves);
                    scatter(cells, first + i * AT_ONCE * step, step, halves);
                }
            }
            Self::Bf16(cells) => {
                for (i, x) in x.iter().enumerate() {
                    let finite = x.clamp(f32::MIN, f32::MAX);
                    cells[first + i * step] = half::bf16::from_f32(finite).to_bits();
                }
            }
        }
    }

    /// Reads numbers from `first` on, `step` apart.
    pub(super) fn get(&self, first: usize, step: usize, out: &mut [f32]) {
        for (i, out) in out.iter_mut().enumerate() {
            *out = match self {
                Self::F32(cells) => cells[first + i * step],
                Self::F16(cells) => half::f16::from_bits(cells[first + i * step]).to_f32(),
                Self::Bf16(cells) => half::bf16::from_bits(cells[first + i * step]).to_f32(),
            };
        }
    }

    pub(super) fn cells(&self, range: Range<usize>) -> Cells<'_> {
        match self {
            Self::F32(cells) => Cells::F32(&cells[range]),
            Self::F16(cells) => Cells::F16(&cells[range]),
            Self::Bf16(cells) => Cells::Bf16(&cells[range]),
        }
    }

    pub(super) fn clear(&mut self, range: Range<usize>) {
        match self {
            Self::F32(cells) => cells[range].fill(0.0),
            Self::F16(cells) | Self::Bf16(cells) => cells[range].fill(0),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        match self {
            Self::F32(cells) => bytemuck::cast_slice(cells),
            Self::F16(cells) | Self::Bf16(cells) => bytemuck::cast_slice(cells),
        }
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        match self {
            Self::F32(cells) => bytemuck::cast_slice_mut(cells),
            Self::F16(cells) | Self::Bf16(cells) => bytemuck::cast_slice_mut(cells),
        }
    }
}

fn scatter<T: Copy>(cells: &mut [T], first: usize, step: usize, x: &[T]) {
    for (i, &x) in x.iter().enumerate() {
        cells[first + i * step] = x;
    }
}
