//! Integers of 4 or 8 bits with a scale and a zero for each group of inputs:
//! `w[o, i] = scale[g, o] (q[o, i] - zero[g, o])`, where `g` is the group of input `i`.

use std::ops::Range;

use format::Bytes;
use kernels::{DType, block};

/// Values of a block in every format here.
const BLOCK: usize = 32;

/// A matrix of them.
pub(in crate::load) struct Integers {
    pub(super) shape: [usize; 2],
    pub(super) n_bits: u32,
    pub(super) packing: Packing,
    /// Words of 32 bits, little-endian.
    pub(super) words: Bytes,
    /// `[n_groups, n_out]`
    pub(super) scales: Vec<f32>,
    /// `[n_groups, n_out]`
    pub(super) zeros: Vec<u8>,
    /// `[n_in]`
    pub(super) group_of: Vec<u32>,
}

/// Which integers share a word.
#[derive(Clone, Copy)]
pub(super) enum Packing {
    /// Neighbouring inputs: `[n_in / n, n_out]`, the first input lowest.
    Inputs,
    /// Neighbouring outputs: `[n_in, n_out / n]`, each shifted by so many bits.
    Outputs { shifts: [u32; 8] },
    /// Neighbouring inputs, row by row: `[n_out, n_in / n]`, the first input lowest.
    InputsOfRows,
}

impl Integers {
    /// The block format that has these values, scales of f16 and all.
    ///
    /// A block of Q4_0 takes `q` as it is, of Q5_0 `q - zero + 16`, which is in 0..=31, of Q8_0
    /// `q - 128`.
    pub(super) fn equal(&self) -> Option<DType> {
        let all_zeros_are = |n: u8| self.zeros.iter().all(|&zero| zero == n);
        let dtype = match self.n_bits {
            4 if all_zeros_are(8) => DType::Q4_0,
            4 => DType::Q5_0,
            8 if all_zeros_are(128) => DType::Q8_0,
            _ => return None,
        };
        let one_scale = |groups: &[u32]| groups.iter().all(|&group| group == groups[0]);
        let fits = self.group_of.chunks(BLOCK).all(one_scale)
            && self.scales.iter().all(|&scale| is_f16(scale));
        fits.then_some(dtype)
    }

    /// Rows in the format that [`Integers::equal`] names.
    pub(super) fn pack(&self, dtype: DType, rows: Range<usize>, out: &mut [u8]) {
        let [_, n_in] = self.shape;
        let mut quants = self.unpack(rows.clone());
        let mut scales = vec![0.0; n_in / BLOCK];
        let row_bytes = out.len() / rows.len();
        let quants = quants.chunks_exact_mut(n_in);
        for ((row, quants), out) in rows.zip(quants).zip(out.chunks_exact_mut(row_bytes)) {
            for (block, scale) in scales.iter_mut().enumerate() {
                let quants = &mut quants[block * BLOCK..][..BLOCK];
                let (of_group, zero) = self.group(block * BLOCK, row);
                *scale = of_group;
                match dtype {
                    DType::Q5_0 => quants.iter_mut().for_each(|q| *q = *q + 16 - zero),
                    DType::Q8_0 => quants.iter_mut().for_each(|q| *q = q.wrapping_sub(128)),
                    _ => {}
                }
            }
            block::pack_row(dtype, quants, &scales, out);
        }
    }

    /// Rows as f32; `out`: `[rows.len(), n_in]`.
    pub(super) fn decode(&self, rows: Range<usize>, out: &mut [f32]) {
        let [_, n_in] = self.shape;
        let quants = self.unpack(rows.clone());
        let quants = quants.chunks_exact(n_in);
        for ((row, quants), out) in rows.zip(quants).zip(out.chunks_exact_mut(n_in)) {
            for (input, (&q, w)) in quants.iter().zip(out).enumerate() {
                let (scale, zero) = self.group(input, row);
                *w = scale * (f32::from(q) - f32::from(zero));
            }
        }
    }

    /// Scale and zero.
    fn group(&self, input: usize, row: usize) -> (f32, u8) {
        let at = self.group_of[input] as usize * self.shape[0] + row;
        (self.scales[at], self.zeros[at])
    }

    /// The integers of rows, `[rows.len(), n_in]`. Words are read in the order of the file, where
    /// rows are its columns too.
    fn unpack(&self, rows: Range<usize>) -> Vec<u8> {
        let [n_out, n_in] = self.shape;
        let (words, _) = self.words.as_chunks();
        let word = |at: usize| u32::from_le_bytes(words[at]);
        let mut quants = vec![0; rows.len() * n_in];
        match self.packing {
            Packing::Inputs => {
                let n = (u32::BITS / self.n_bits) as usize;
                for (at, inputs) in (0..n_in).step_by(n).enumerate() {
                    for row in rows.clone() {
                        let first = (row - rows.start) * n_in + inputs;
                        let quants = &mut quants[first..][..n.min(n_in - inputs)];
                        let mut word = word(at * n_out + row);
                        for q in quants {
                            *q = low_bits(word, self.n_bits);
                            word >>= self.n_bits;
                        }
                    }
                }
            }
            Packing::InputsOfRows => {
                let n = (u32::BITS / self.n_bits) as usize;
                let words = words[rows.start * n_in.div_ceil(n)..].chunks_exact(n_in.div_ceil(n));
                for (quants, words) in quants.chunks_exact_mut(n_in).zip(words) {
                    for (quants, word) in quants.chunks_mut(n).zip(words) {
                        let mut word = u32::from_le_bytes(*word);
                        for q in quants {
                            *q = low_bits(word, self.n_bits);
                            word >>= self.n_bits;
                        }
                    }
                }
            }
            Packing::Outputs { shifts } => {
                let n_words = n_out.div_ceil(shifts.len());
                for input in 0..n_in {
                    for row in rows.clone() {
                        let shift = shifts[row % shifts.len()];
                        let word = word(input * n_words + row / shifts.len());
                        let q = low_bits(word >> shift, self.n_bits);
                        quants[(row - rows.start) * n_in + input] = q;
                    }
                }
            }
        }
        quants
    }
}

pub(super) fn low_bits(word: u32, n_bits: u32) -> u8 {
    (word & ((1 << n_bits) - 1)) as u8
}

fn is_f16(x: f32) -> bool {
    let (mut bytes, mut back) = ([0; 2], [0.0]);
    block::encode_row(DType::F16, &[x], &mut bytes);
    block::decode_row(DType::F16, &bytes, &mut back);
    back[0] == x
}
