//! Activations to int8 with one scale per 32 columns.

use crate::panel::tile_offsets;
use crate::{ACT_GROUP, QuantizedRows, TILE_TOKENS};

/// Largest magnitude of a quantised activation.
const Q_MAX: f32 = 127.0;

/// An infinite or NaN activation gives its group a NaN scale, so that it reaches the logits.
#[inline(always)]
pub(crate) fn quantize_rows(x: &[f32], n_in: usize, out: &mut QuantizedRows) {
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
            let (scale, q) = quantize_group(x);
            let mut sums = [0i32; 2];
            for (half, q) in q.as_chunks::<16>().0.iter().enumerate() {
                sums[half] = q.iter().map(|&q| i32::from(q)).sum();
                let i = (2 * g + half) * n_lanes + lane;
                out.sums16[at.sums16 + i] = scale * sums[half] as f32;
            }
            let i = g * n_lanes + lane;
            out.scales[at.scales + i] = scale;
            out.sums32[at.sums32 + i] = scale * (sums[0] + sums[1]) as f32;
            for (k, quad) in q.as_chunks::<4>().0.iter().enumerate() {
                quads[(g * ACT_GROUP / 4 + k) * n_lanes + lane] = *quad;
            }
        }
    }
}

#[inline(always)]
fn quantize_group(x: &[f32; ACT_GROUP]) -> (f32, [i8; ACT_GROUP]) {
    // Magnitudes order like their bits, with infinity and then NaN on top.
    let bits = x.iter().fold(0, |max, x| max.max(x.to_bits() & 0x7fff_ffff));
    let max = f32::from_bits(bits);
    if !max.is_finite() {
        return (f32::NAN, [0; ACT_GROUP]);
    }
    // Magnitudes whose inverse would overflow count as zero.
    let inverse = if max >= Q_MAX * f32::MIN_POSITIVE { Q_MAX / max } else { 0.0 };
    let mut q = [0; ACT_GROUP];
    for i in 0..ACT_GROUP {
        // SSE2 has no rounding instruction; adding 1.5 * 2^23 rounds to even in the mantissa.
        let rounded = x[i] * inverse + 12_582_912.0;
        q[i] = rounded.to_bits() as i8;
    }
    (max / Q_MAX, q)
}
