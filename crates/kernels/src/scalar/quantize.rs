//! Activations to int8 with one scale per 32 columns.

use crate::panel::tile_offsets;
use crate::{ACT_GROUP, QuantizedRows, TILE_TOKENS};

/// Largest magnitude of a quantised activation.
const Q_MAX: f32 = 127.0;

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

pub(crate) fn quantize_rows(x: &[f32], n_in: usize, out: &mut QuantizedRows) {
    pack_rows(x, n_in, out, quantize_group);
}

/// Puts groups as `quantize` makes them where tiles have them.
#[inline(always)]
pub(crate) fn pack_rows(
    x: &[f32],
    n_in: usize,
    out: &mut QuantizedRows,
    quantize: impl Fn(&[f32; ACT_GROUP]) -> Group,
) {
    assert!(n_in.is_multiple_of(ACT_GROUP), "{n_in} columns are no multiple of {ACT_GROUP}");
    out.n_in = n_in;
    out.n_tokens = x.len().checked_div(n_in).unwrap_or(0);
    assert_eq!(x.len(), out.n_tokens * n_in, "x is whole rows of {n_in} columns");
    for (token, x) in x.chunks_exact(n_in.max(1)).enumerate() {
        let tile_idx = token / TILE_TOKENS;
        let (lane, n_lanes) = (token % TILE_TOKENS, out.tile_tokens(tile_idx));
        let at = tile_offsets(n_in, tile_idx);
        let quads = out.quants[at.quants..].as_chunks_mut::<4>().0;
        for (g, x) in x.as_chunks::<ACT_GROUP>().0.iter().enumerate() {
            let Group { scale, quants, sums: [first, last] } = quantize(x);
            let i = g * n_lanes + lane;
            out.scales[at.scales + i] = scale;
            out.sums32[at.sums32 + i] = scale * (first + last) as f32;
            let i = 2 * g * n_lanes + lane;
            out.sums16[at.sums16 + i] = scale * first as f32;
            out.sums16[at.sums16 + i + n_lanes] = scale * last as f32;
            for (k, quad) in quants.as_chunks::<4>().0.iter().enumerate() {
                quads[(g * ACT_GROUP / 4 + k) * n_lanes + lane] = *quad;
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
/// finite. Magnitudes whose inverse would overflow count as zero.
#[inline(always)]
pub(crate) fn scale_and_inverse(max: f32) -> Option<(f32, f32)> {
    let inverse = if max >= Q_MAX * f32::MIN_POSITIVE { Q_MAX / max } else { 0.0 };
    max.is_finite().then_some((max / Q_MAX, inverse))
}
