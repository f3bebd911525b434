//! The last step: one random number, one token.

use super::filters::{Candidate, total};

/// A token drawn with probability `weight / sum of weights`, for `uniform` in `0..1`.
pub(super) fn draw(candidates: &[Candidate], uniform: f64) -> u32 {
    let target = uniform * total(candidates);
    let mut sum = 0.0;
    // Where rounding keeps the sum from passing the target, the last token with a weight is it.
    let mut chosen = None;
    for candidate in candidates.iter().filter(|candidate| candidate.weight > 0.0) {
        sum += f64::from(candidate.weight);
        chosen = Some(candidate.id);
        if sum > target {
            break;
        }
    }
    chosen.expect("the likeliest token has weight 1 and every filter keeps it")
}

/// Number `draw_idx` of the stream that belongs to `seed`: uniform in `0..1`, a multiple of
/// `2^-53`.
///
/// SplitMix64 (Steele, Lea and Flood 2014) read as a counter: its state after `i` steps is
/// `seed + i * GAMMA`, so any number can be had without those before it. The seed is mixed first,
/// else the streams of two seeds could be shifted copies of one another.
pub fn uniform(seed: u64, draw_idx: u64) -> f64 {
    /// The golden ratio's fraction as an odd 64-bit integer.
    const GAMMA: u64 = 0x9e37_79b9_7f4a_7c15;
    let stream = mix(seed.wrapping_add(GAMMA));
    let bits = mix(stream.wrapping_add(draw_idx.wrapping_add(1).wrapping_mul(GAMMA)));
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

/// The output function of SplitMix64: every input bit changes every output bit half of the time.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(weights: &[f32], uniform: f64, expected: u32) {
        let candidate = |(id, &weight)| Candidate { id, logit: 0.0, weight };
        let candidates: Vec<_> = (0..).zip(weights).map(candidate).collect();
        assert_eq!(draw(&candidates, uniform), expected);
    }

    #[test]
    fn a_token_owns_its_share_of_the_unit_interval() {
        check(&[1.0, 0.5, 0.5], 0.0, 0);
        check(&[1.0, 0.5, 0.5], 0.49, 0);
        check(&[1.0, 0.5, 0.5], 0.5, 1);
        check(&[1.0, 0.5, 0.5], 0.75, 2);
        check(&[0.0, 1.0, 0.0], 0.0, 1);
        check(&[0.0, 1.0, 0.0], 1.0, 1);
    }

    /// The generator's published output for seed 0.
    #[test]
    fn mix_is_that_of_splitmix64() {
        assert_eq!(mix(0x9e37_79b9_7f4a_7c15), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn numbers_are_uniform_and_streams_differ() {
        const N: u64 = 10_000;
        // Five standard deviations of the mean of N uniform numbers.
        let tolerance = 5.0 / (12.0 * N as f64).sqrt();
        for seed in [0, 1, u64::MAX] {
            let mean = (0..N).map(|i| uniform(seed, i)).sum::<f64>() / N as f64;
            assert!((mean - 0.5).abs() < tolerance, "{seed}: {mean}");
        }
        let shared = (0..N).filter(|&i| uniform(1, i) == uniform(2, i)).count();
        assert_eq!(shared, 0);
    }
}
