//! GPTQ (Frantar et al. 2022), as AutoGPTQ and GPTQModel write it.
//!
//! - `qweight` `[n_in / n, n_out]`, int32: `n` inputs a word, the first lowest
//! - `qzeros` `[n_groups, n_out / n]`, int32: `n` outputs a word
//! - `scales` `[n_groups, n_out]`
//! - `g_idx` `[n_in]`, int32: the group of each input; where inputs were quantised in the order of
//!   their importance (`desc_act`), those of a group are not neighbours

use format::safetensors::RawType;

use super::integers::{Integers, Packing, low_bits};
use super::parts::{Parts, words};
use crate::error::LoadError;

#[derive(Clone, Copy)]
pub(in crate::load) struct Gptq {
    /// 4 or 8.
    pub(super) n_bits: u32,
    /// Inputs of a group; `None`: all.
    pub(super) group: Option<usize>,
    pub(super) zeros: Zeros,
}

/// What `qzeros` holds.
#[derive(Clone, Copy)]
pub(super) enum Zeros {
    Plain,
    /// Zeros less one, subtracted from a whole word: a zero of 0 borrows from its neighbour.
    LessOne,
}

impl Gptq {
    pub(super) fn read(
        self,
        parts: &mut Parts<'_>,
        [n_out, n_in]: [usize; 2],
    ) -> Result<Integers, LoadError> {
        /// For every input, where a file has no order of its own.
        const UNORDERED: i32 = 0;
        let n = (u32::BITS / self.n_bits) as usize;
        let group = self.group.unwrap_or(n_in);
        let n_groups = n_in.div_ceil(group);
        let qweight = parts.raw("qweight", RawType::I32, &[n_in.div_ceil(n), n_out])?;
        let n_words = n_out.div_ceil(n);
        let qzeros = parts.raw("qzeros", RawType::I32, &[n_groups, n_words])?;
        let ones = match self.zeros {
            Zeros::Plain => 0,
            Zeros::LessOne => (0..n).fold(0, |ones, _| ones << self.n_bits | 1u32),
        };
        let zeros: Vec<_> = words(&qzeros.bytes).map(|word| word.wrapping_add(ones)).collect();
        let of_group = |words: &[u32]| -> Vec<u8> {
            let zero = |row: usize| {
                let shift = (row % n) as u32 * self.n_bits;
                low_bits(words[row / n] >> shift, self.n_bits)
            };
            (0..n_out).map(zero).collect()
        };
        Ok(Integers {
            shape: [n_out, n_in],
            n_bits: self.n_bits,
            packing: Packing::Inputs,
            words: qweight.bytes.clone(),
            scales: parts.floats("scales", &[n_groups, n_out])?,
            zeros: zeros.chunks(n_words).flat_map(of_group).collect(),
            group_of: parts.groups("g_idx", [n_in, group], UNORDERED)?,
        })
    }
}
