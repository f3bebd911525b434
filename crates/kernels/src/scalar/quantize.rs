//! Activations to int8 with one scale per 32 columns.

use crate::{ACT_GROUP, QuantizedTile};

/// Largest magnitude of a quantised activation.
pub(crate) const Q_MAX: f32 = 127.0;
/// Smaller magnitudes count as zero: the inverse of their scale might overflow.
pub(crate) const MIN_INVERTED: f32 = Q_MAX * f32::MIN_POSITIVE;

/// 32 activations that share a scale.
pub(crate) struct Group {
    pub(crate) scale: f32,
    pub(crate) quants: [i8; ACT_GROUP],
    /// Of the first and of the last 16 quants.
    pub(crate) sums: [i32; 2],
}

impl Group {
    /// What an infinite or NaN activation makes of its group, so that it reaches the logits.
    pub(crate) const NOT_FINITE: Self =
        Self { scale: f32::NAN, quants: [0; ACT_GROUP], sums: [0; 2] };
}

pub(crate) fn quantize(x: &[f32], n_in: usize, out: &mut QuantizedTile) {
    pack_rows(x, n_in, out, quantize_group);
}

/// Puts groups as `quantize` makes them where a tile has them.
#[inline(always)]
pub(crate) fn pack_rows(
    x: &[f32],
    n_in: usize,
    out: &mut QuantizedTile,
    quantize: impl Fn(&[f32; ACT_GROUP]) -> Group,
) {
    out.start(x, n_in);
    let n_tokens = out.n_tokens;
    let quads = out.quants.as_chunks_mut::<4>().0;
    for (token, x) in x.chunks_exact(n_in.max(1)).enumerate() {
        for (g, x) in x.as_chunks::<ACT_GROUP>().0.iter().enumerate() {
            let Group { scale, quants, sums: [first, last] } = quantize(x);
            let i = g * n_tokens + token;
            out.scales[i] = scale;
            out.sums32[i] = scale * (first + last) as f32;
            let i = 2 * g * n_tokens + token;
            out.sums16[i] = scale * first as f32;
            out.sums16[i + n_tokens] = scale * last as f32;
            for (k, quad) in quants.as_chunks::<4>().0.iter().enumerate() {
                quads[(g * ACT_GROUP / 4 + k) * n_tokens + token] = *quad;
            }
        }
    }
}

fn quantize_group(x: &[f32; ACT_GROUP]) -> Group {
    // Magnitudes order like their bits, with infinity and then NaN on top.
    let max_bits = x.iter().fold(0, |max, x| max.max(x.to_bits() & 0x7fff_ffff));
    let Some((scale, inverse)) = scale_and_inverse(f32::from_bits(max_bits)) else {
        return Group::NOT_FINITE;
    };
    let quants = x.map(|x| (x * inverse).round_ties_even() as i8);
    let sum = |quants: &[i8]| quants.iter().map(|&q| i32::from(q)).sum();
    Group { scale, quants, sums: [sum(&quants[..16]), sum(&quants[16..])] }
}

/// The step between quants, and what turns a value into its quant; `None` where `max` is not
/// finite.
#[inline(always)]
pub(crate) fn scale_and_inverse(max: f32) -> Option<(f32, f32)> {
    let inverse = if max >= MIN_INVERTED { Q_MAX / max } else { 0.0 };
    max.is_finite().then_some((max / Q_MAX, inverse))
}
