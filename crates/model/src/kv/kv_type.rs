//! How keys and values are stored.

/// The type of cached keys or values. The quantised ones have an f16 scale per 32 numbers of a
/// head.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum KvType {
    F32,
    #[default]
    F16,
    Bf16,
    Q8_0,
    Q5_0,
    Q4_0,
}

/// What a number becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    F32,
    F16,
    Bf16,
    /// Two's complement of so many bits, 8, 5 or 4.
    Int(u32),
}

/// Larger numbers are stored as this: an infinity, times the weight zero of a key that a query may
/// not see, would be NaN.
pub(super) const F16_MAX: f32 = 65_504.0;

impl KvType {
    /// The largest first.
    pub const ALL: [KvType; 6] =
        [KvType::F32, KvType::F16, KvType::Bf16, KvType::Q8_0, KvType::Q5_0, KvType::Q4_0];

    pub fn name(self) -> &'static str {
        match self {
            KvType::F32 => "f32",
            KvType::F16 => "f16",
            KvType::Bf16 => "bf16",
            KvType::Q8_0 => "q8_0",
            KvType::Q5_0 => "q5_0",
            KvType::Q4_0 => "q4_0",
        }
    }

    /// Whether heads are rotated by a Hadamard matrix before they are stored. It spreads the few
    /// large numbers of a head over all of them, so that few bits lose less (QuaRot, Ashkboos et
    /// al. 2024); with eight bits there is nothing to win.
    pub fn is_rotated(self) -> bool {
        matches!(self, KvType::Q5_0 | KvType::Q4_0)
    }

    pub(super) fn format(self) -> Format {
        match self {
            KvType::F32 => Format::F32,
            KvType::F16 => Format::F16,
            KvType::Bf16 => Format::Bf16,
            KvType::Q8_0 => Format::Int(8),
            KvType::Q5_0 => Format::Int(5),
            KvType::Q4_0 => Format::Int(4),
        }
    }
}

/// Floats beyond it are integers: 1.5 * 2^23.
const ROUND: f32 = 12_582_912.0;

/// Quantises numbers that share a scale to `n_bits` two's complement; returns the scale.
///
/// Eight bits: `scale = max |x| / 127`. Fewer: the number of the largest magnitude becomes exactly
/// `-2^(n_bits - 1)`, so that one value more is used (GGML's Q4_0 and Q5_0).
pub(super) fn quantize(group: &[f32], n_bits: u32, out: &mut [i8]) -> u16 {
    let extreme = extreme(group);
    let lowest = -((1i32 << (n_bits - 1)) as f32);
    // Zeros have the scale 0, not -0.
    let scale = if n_bits == 8 { extreme.abs() / 127.0 } else { extreme / lowest + 0.0 };
    // A NaN is lost by comparisons; it must not become a silent zero.
    let has_nan = group.iter().fold(false, |has_nan, x| has_nan | x.is_nan());
    let scale = if has_nan { f32::NAN } else { scale.clamp(-F16_MAX, F16_MAX) };
    let stored = half::f16::from_f32(scale);
    let inverse = if stored.to_f32() != 0.0 { 1.0 / stored.to_f32() } else { 0.0 };
    let (low, high) = if n_bits == 8 { (-127.0, 127.0) } else { (lowest, -lowest - 1.0) };
    for (out, x) in out.iter_mut().zip(group) {
        // Rounds to an integer, to even, in the low bits: there are none for less.
        *out = ((x * inverse).clamp(low, high) + ROUND).to_bits() as i8;
    }
    stored.to_bits()
}

/// The number of the largest magnitude, the positive one of two; 0 of none.
fn extreme(group: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (mut low, mut high) = ([0.0f32; LANES], [0.0f32; LANES]);
    let mut add = |i: usize, x: f32| {
        low[i] = if x < low[i] { x } else { low[i] };
        high[i] = if x > high[i] { x } else { high[i] };
    };
    let (chunks, rest) = group.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            add(i, chunk[i]);
        }
    }
    rest.iter().enumerate().for_each(|(i, &x)| add(i, x));
    let low = low.into_iter().fold(0.0, f32::min);
    let high = high.into_iter().fold(0.0, f32::max);
    if high >= -low { high } else { low }
}

#[cfg(test)]
mod tests {
    use kernels::KEY_BLOCK;

    use super::*;

    #[test]
    fn integers_are_within_half_a_step() {
        let x = tiny_random::uniform(32, 5);
        for n_bits in [8, 5, 4] {
            let mut quants = [0; 32];
            let scale = half::f16::from_bits(quantize(&x, n_bits, &mut quants)).to_f32();
            for (x, q) in x.iter().zip(quants) {
                // The opposite end has one value less.
                let error = (x - f32::from(q) * scale).abs();
                assert!(error <= 1.001 * scale.abs(), "{n_bits} bits: {x} became {q}");
            }
        }
        let mut quants = [1; 4];
        assert_eq!(quantize(&[0.0; 4], 4, &mut quants), 0);
        assert_eq!(quants, [0; 4]);
        let bits = quantize(&[f32::NAN, 1.0], 8, &mut quants[..2]);
        assert!(half::f16::from_bits(bits).is_nan());
        let bits = quantize(&[f32::INFINITY, 1.0], 8, &mut quants[..2]);
        assert!(half::f16::from_bits(bits).is_finite());
    }

    #[test]
    fn bytes_are_those_of_the_formats() {
        let check = |kind: KvType, keys: usize, values: usize| {
            let found = (kind.key_block_bytes(2, 64), kind.value_block_bytes(2, 64));
            assert_eq!(found, (2 * keys * KEY_BLOCK, 2 * values * KEY_BLOCK), "{kind:?}");
        };
        check(KvType::F32, 256, 256);
        check(KvType::F16, 128, 128);
        check(KvType::Bf16, 128, 128);
        // A mean of 64 f16 for 64 keys.
        check(KvType::Q8_0, 68 + 2, 68);
        check(KvType::Q5_0, 44 + 2, 44);
        check(KvType::Q4_0, 36 + 2, 36);
        assert_eq!(KvType::Q4_0.first_key_block_bytes(2, 64), 2 * 128 * KEY_BLOCK);
        assert_eq!(KvType::F32.first_key_block_bytes(2, 64), 2 * 256 * KEY_BLOCK);
        // Keys are padded to whole groups.
        assert_eq!(KvType::Q8_0.key_block_bytes(1, 40), (64 + 4) * KEY_BLOCK + 2 * 40);
        assert_eq!(KvType::Q8_0.value_block_bytes(1, 40), (40 + 4) * KEY_BLOCK);
    }
}
