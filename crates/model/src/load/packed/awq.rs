//! AWQ (Lin et al. 2023), as AutoAWQ writes its version "gemm": four bits.
//!
//! - `qweight` `[n_in, n_out / 8]`, int32: eight outputs a word
//! - `qzeros` `[n_groups, n_out / 8]`, int32, the same
//! - `scales` `[n_groups, n_out]`

use format::safetensors::RawType;

use super::integers::{Integers, Packing, low_bits};
use super::parts::{Parts, words};
use crate::error::LoadError;

#[derive(Clone, Copy)]
pub(in crate::load) struct Awq {
    /// Inputs of a group; `None`: all.
    pub(super) group: Option<usize>,
}

const N_BITS: u32 = 4;
/// Where in a word each of eight outputs is: nibbles hold the outputs 0, 2, 4, 6, 1, 3, 5, 7.
const SHIFTS: [u32; 8] = [0, 16, 4, 20, 8, 24, 12, 28];

impl Awq {
    pub(super) fn read(
        self,
        parts: &mut Parts<'_>,
        [n_out, n_in]: [usize; 2],
    ) -> Result<Integers, LoadError> {
        let group = self.group.unwrap_or(n_in);
        let n_groups = n_in.div_ceil(group);
        let n_words = n_out.div_ceil(SHIFTS.len());
        let qweight = parts.raw("qweight", RawType::I32, &[n_in, n_words])?;
        let qzeros = parts.raw("qzeros", RawType::I32, &[n_groups, n_words])?;
        let zeros: Vec<_> = words(&qzeros.bytes).collect();
        let of_group = |words: &[u32]| -> Vec<u8> {
            let zero = |row: usize| low_bits(words[row / 8] >> SHIFTS[row % 8], N_BITS);
            (0..n_out).map(zero).collect()
        };
        Ok(Integers {
            shape: [n_out, n_in],
            n_bits: N_BITS,
            packing: Packing::Outputs { shifts: SHIFTS },
            words: qweight.bytes.clone(),
            scales: parts.floats("scales", &[n_groups, n_out])?,
            zeros: zeros.chunks(n_words).flat_map(of_group).collect(),
            group_of: (0..n_in).map(|input| (input / group) as u32).collect(),
        })
    }
}
