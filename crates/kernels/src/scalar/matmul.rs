//! A panel of 16 weight rows times a tile of up to 4 tokens.

use crate::panel::TileRows;
use crate::table::Tile;
use crate::{ACT_GROUP, F32Panel, IntPanel, PANEL_ROWS, QuantizedRows, Quants, TILE_TOKENS};

pub(crate) fn int_tile(panel: &IntPanel, x: &QuantizedRows, tile_idx: usize, out: &mut Tile) {
    assert_eq!(panel.n_in, x.n_in, "panel and activations differ in columns");
    let x = x.tile(tile_idx);
    for (t, out) in out.iter_mut().take(x.n_tokens).enumerate() {
        for (r, out) in out.iter_mut().enumerate() {
            *out = int_dot(panel, r, &x, t);
        }
    }
}

fn int_dot(panel: &IntPanel, r: usize, x: &TileRows, t: usize) -> f32 {
    let form = panel.form;
    let x_sums = if form.group == 16 { x.sums16 } else { x.sums32 };
    let activations = x.quants.as_chunks::<4>().0;
    let mut acc = 0.0f32;
    for g in 0..panel.n_in / form.group {
        let mut sum = 0;
        for k in g * form.group / 4..(g + 1) * form.group / 4 {
            let (w, a) = (panel.quants[k].0[r], activations[k * x.n_tokens + t]);
            for i in 0..4 {
                let w = match form.quants {
                    Quants::I8 => i32::from(w[i] as i8),
                    Quants::U4 | Quants::U5 | Quants::U6 => i32::from(w[i]),
                };
                sum += w * i32::from(a[i]);
            }
        }
        let x_scale = x.scales[g * form.group / ACT_GROUP * x.n_tokens + t];
        acc = (panel.scales[g].0[r] * x_scale).mul_add(sum as f32, acc);
        if form.has_mins {
            acc = (-panel.mins[g].0[r]).mul_add(x_sums[g * x.n_tokens + t], acc);
        }
    }
    acc
}

pub(crate) fn f32_tile(panel: &F32Panel, x: &[f32], out: &mut Tile) {
    let weights = &panel.values[..panel.n_in];
    let n_tokens = x.len().checked_div(panel.n_in).unwrap_or(0);
    assert!(x.len() == n_tokens * panel.n_in && n_tokens <= TILE_TOKENS, "up to 4 whole rows");
    for (x, out) in x.chunks_exact(panel.n_in.max(1)).zip(out) {
        *out = [0.0; PANEL_ROWS];
        for (&x, weights) in x.iter().zip(weights) {
            for r in 0..PANEL_ROWS {
                out[r] = weights.0[r].mul_add(x, out[r]);
            }
        }
    }
}
