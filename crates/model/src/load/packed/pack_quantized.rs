//! Integers of compressed-tensors (format "pack-quantized"): 4 or 8 bits, stored with half their
//! range added, so that none is below zero.
//!
//! - `weight_packed` `[n_out, n_in / n]`, int32: `n` inputs a word, the first lowest
//! - `weight_scale` `[n_out, n_groups]`
//! - `weight_zero_point` `[n_out / n, n_groups]`, int32, `n` outputs a word: where zeros are not
//!   all half the range
//! - `weight_g_idx` `[n_in]`, int32: the group of each input, where those of a group are not
//!   neighbours
//! - `weight_shape`: what config.json says too, not read

use format::safetensors::RawType;

use super::integers::{Integers, Packing, low_bits};
use super::parts::{Parts, words};
use crate::error::LoadError;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(in crate::load) struct PackQuantized {
    /// 4 or 8.
    pub(super) n_bits: u32,
    /// Inputs of a group; `None`: all.
    pub(super) group: Option<usize>,
    pub(super) is_symmetric: bool,
}

impl PackQuantized {
    pub(super) fn read(
        self,
        parts: &mut Parts<'_>,
        [n_out, n_in]: [usize; 2],
    ) -> Result<Integers, LoadError> {
        /// For every input, where a file has room for an order but no order.
        const UNORDERED: i32 = -1;
        let n = (u32::BITS / self.n_bits) as usize;
        let group = self.group.unwrap_or(n_in);
        let n_groups = n_in.div_ceil(group);
        let packed = parts.raw("weight_packed", RawType::I32, &[n_out, n_in.div_ceil(n)])?;
        let scales = parts.floats("weight_scale", &[n_out, n_groups])?;
        let zeros = match self.is_symmetric {
            true => vec![1 << (self.n_bits - 1); scales.len()],
            false => {
                let shape = [n_out.div_ceil(n), n_groups];
                let zeros = parts.raw("weight_zero_point", RawType::I32, &shape)?;
                let zeros: Vec<_> = words(&zeros.bytes).collect();
                by_group([n_out, n_groups], |row, group| {
                    let shift = (row % n) as u32 * self.n_bits;
                    low_bits(zeros[row / n * n_groups + group] >> shift, self.n_bits)
                })
            }
        };
        Ok(Integers {
            shape: [n_out, n_in],
            n_bits: self.n_bits,
            packing: Packing::InputsOfRows,
            words: packed.bytes.clone(),
            scales: by_group([n_out, n_groups], |row, group| scales[row * n_groups + group]),
            zeros,
            group_of: parts.groups("weight_g_idx", [n_in, group], UNORDERED)?,
        })
    }
}

/// `[n_groups, n_out]`
fn by_group<T>([n_out, n_groups]: [usize; 2], value: impl Fn(usize, usize) -> T) -> Vec<T> {
    let value = &value;
    (0..n_groups).flat_map(|group| (0..n_out).map(move |row| value(row, group))).collect()
}
