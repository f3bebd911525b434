//! The check at start-up lets right tables pass and no other.

use kernels::{Kernels, agrees_with_scalar, scalar, tables};

#[test]
fn every_table_agrees_with_scalar() {
    for table in tables() {
        assert!(agrees_with_scalar(table), "{}", table.name);
    }
}

/// A scalar table with one kernel whose last result is wrong.
macro_rules! wrong {
    ($kernel:ident, |$($arg:ident),*| $last:expr) => {
        (
            stringify!($kernel),
            Kernels {
                $kernel: |$($arg),*| {
                    let result = (scalar().$kernel)($($arg),*);
                    $last;
                    result
                },
                ..*scalar()
            },
        )
    };
}

/// What it returns is wrong, not what it writes.
fn moments_wrong() -> (&'static str, Kernels) {
    let wrong = |scores: &mut [f32], max: f32| {
        let (max, factor, mut moments) = (scalar().online_softmax_moments)(scores, max);
        moments.places += 1.0;
        (max, factor, moments)
    };
    ("online_softmax_moments", Kernels { online_softmax_moments: wrong, ..*scalar() })
}

fn spoil(values: &mut [f32]) {
    values.last_mut().into_iter().for_each(|value| *value += 1.0);
}

#[test]
fn one_wrong_kernel_is_noticed() {
    let wrong = [
        wrong!(unpack_int, |dtype, rows, n_in, panel| panel.quants[n_in / 4 - 1].0[0][3] ^= 1),
        wrong!(unpack_f32, |dtype, rows, n_in, panel| panel.values[n_in - 1].0[0] += 1.0),
        wrong!(quantize, |x, n_in, tile| tile.sums16[x.len() / 16 - 1] += 1.0),
        wrong!(int_panel, |panel, x, out| out[out.len() - 1][0][15] += 1.0),
        wrong!(int_rows, |dtype, rows, n_in, x, out| out[out.len() - 1][0][10] += 1.0),
        wrong!(f32_panel, |panel, x, out| out[out.len() - 1][0][15] += 1.0),
        wrong!(f32_rows, |dtype, rows, n_in, x, out| out[out.len() - 1][0][10] += 1.0),
        wrong!(attention_scores, |q, keys, head_dim, out| spoil(out)),
        wrong!(online_softmax, |scores, max| spoil(scores)),
        moments_wrong(),
        wrong!(attention_accumulate, |weights, rescale, values, head_dim, acc| spoil(acc)),
        wrong!(rms_norm, |x, gain, eps, out| spoil(out)),
        wrong!(silu_mul, |gate, up| spoil(gate)),
        wrong!(clamped_silu_mul, |gate, up| spoil(gate)),
        wrong!(gelu_tanh_mul, |gate, up| spoil(gate)),
        wrong!(softcap, |x, cap| spoil(x)),
        wrong!(add, |acc, x| spoil(acc)),
        wrong!(rope_interleaved, |head, cos, sin| head[0] += 1.0),
        wrong!(rope_half_split, |head, cos, sin| head[0] += 1.0),
        wrong!(f16_to_f32, |src, dst| spoil(dst)),
        wrong!(f32_to_f16, |src, dst| dst[dst.len() - 1] ^= 1),
    ];
    for (name, table) in &wrong {
        assert!(!agrees_with_scalar(table), "{name}");
    }
}
