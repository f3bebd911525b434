//! Integers of 8, 5 or 4 bits in memory: steps of 64, so that all work is on whole registers.
//!
//! Eight bits are the bytes themselves. Of fewer, the low nibbles of two steps share the bytes of
//! one, and fifth bits of eight steps share those of another; what is stored is `q + 2^(bits - 1)`,
//! which has no sign.

use kernels::Step;

/// Integers of a step.
pub(super) const STEP: usize = 64;

/// Some whole steps of integers.
pub(super) struct Packed {
    n_bits: u32,
    /// Bytes, or pairs of nibbles.
    low: Vec<Step>,
    /// Fifth bits.
    high: Vec<Step>,
}

impl Packed {
    /// `n_steps` of them.
    pub(super) fn zeros(n_bits: u32, n_steps: usize) -> Self {
        let [n_low, n_high] = Self::n_stored(n_bits, n_steps);
        let mut packed =
            Self { n_bits, low: vec![Step::ZERO; n_low], high: vec![Step::ZERO; n_high] };
        if n_bits == 4 {
            // Zero is stored as 8.
            packed.low.fill(Step([[0x88; 4]; 16]));
        } else if n_bits == 5 {
            packed.high.fill(Step([[0xFF; 4]; 16]));
        }
        packed
    }

    fn n_stored(n_bits: u32, n_steps: usize) -> [usize; 2] {
        let n_low = if n_bits == 8 { n_steps } else { n_steps.div_ceil(2) };
        [n_low, if n_bits == 5 { n_steps.div_ceil(8) } else { 0 }]
    }

    pub(super) fn n_bytes(n_bits: u32, n_steps: usize) -> usize {
        Self::n_stored(n_bits, n_steps).iter().sum::<usize>() * STEP
    }

    pub(super) fn set(&mut self, idx: usize, q: i8) {
        let (step, at) = (idx / STEP, idx % STEP);
        if self.n_bits == 8 {
            return *byte(&mut self.low[step], at) = q as u8;
        }
        let stored = (i32::from(q) + (1 << (self.n_bits - 1))) as u8;
        let low = byte(&mut self.low[step / 2], at);
        let shift = step % 2 * 4;
        *low = *low & !(15 << shift) | (stored & 15) << shift;
        if self.n_bits == 5 {
            let high = byte(&mut self.high[step / 8], at);
            *high = *high & !(1 << (step % 8)) | (stored >> 4) << (step % 8);
        }
    }

    pub(super) fn get(&self, idx: usize) -> i8 {
        let (step, at) = (idx / STEP, idx % STEP);
        let byte = |steps: &[Step], step: usize| steps[step].0.as_flattened()[at];
        if self.n_bits == 8 {
            return byte(&self.low, step) as i8;
        }
        let mut stored = byte(&self.low, step / 2) >> (step % 2 * 4) & 15;
        if self.n_bits == 5 {
            stored |= (byte(&self.high, step / 8) >> (step % 8) & 1) << 4;
        }
        stored as i8 - (1 << (self.n_bits - 1))
    }

    /// Steps from `first` on as bytes: the integers where there are eight bits, else what is
    /// stored.
    pub(super) fn read(&self, first: usize, out: &mut [Step]) {
        if self.n_bits == 8 {
            return out.copy_from_slice(&self.low[first..][..out.len()]);
        }
        for (i, out) in out.iter_mut().enumerate() {
            let step = first + i;
            let (low, shift) = (&self.low[step / 2], step % 2 * 4);
            for (out, low) in out.0.as_flattened_mut().iter_mut().zip(low.0.as_flattened()) {
                *out = (low >> shift) & 15;
            }
            if self.n_bits == 5 {
                let high = &self.high[step / 8];
                for (out, high) in out.0.as_flattened_mut().iter_mut().zip(high.0.as_flattened()) {
                    *out |= (high >> (step % 8) & 1) << 4;
                }
            }
        }
    }

    /// The steps themselves, where nothing is packed.
    pub(super) fn steps(&self) -> &[Step] {
        assert_eq!(self.n_bits, 8);
        &self.low
    }

    pub(super) fn bytes(&self) -> [&[u8]; 2] {
        [bytemuck::cast_slice(&self.low), bytemuck::cast_slice(&self.high)]
    }

    pub(super) fn bytes_mut(&mut self) -> [&mut [u8]; 2] {
        [bytemuck::cast_slice_mut(&mut self.low), bytemuck::cast_slice_mut(&mut self.high)]
    }
}

fn byte(step: &mut Step, at: usize) -> &mut u8 {
    &mut step.0.as_flattened_mut()[at]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back() {
        for n_bits in [8u32, 5, 4] {
            const N_STEPS: usize = 16;
            let bias = if n_bits == 8 { 0 } else { 1 << (n_bits - 1) };
            let mut packed = Packed::zeros(n_bits, N_STEPS);
            let mut steps = [Step::ZERO; N_STEPS];
            packed.read(0, &mut steps);
            assert!(steps.iter().flat_map(|step| step.0.as_flattened()).all(|&q| q == bias as u8));
            let half = 1i32 << (n_bits - 1);
            let q = |i: usize| ((i as i32 * 7) % (2 * half) - half) as i8;
            for i in (0..N_STEPS * STEP).rev() {
                packed.set(i, q(i));
            }
            packed.set(5, 3);
            packed.set(5, q(5));
            assert!((0..N_STEPS * STEP).all(|i| packed.get(i) == q(i)), "{n_bits} bits");
            packed.read(0, &mut steps);
            let found = steps.iter().flat_map(|step| step.0.as_flattened());
            for (i, &found) in found.enumerate() {
                assert_eq!(found, (i32::from(q(i)) + bias) as u8, "{n_bits} bits at {i}");
            }
        }
    }
}
