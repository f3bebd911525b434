//! The way from a head's value to the residual: `W_O^h`, and where heads look at latent vectors
//! `W_O^h V_h`.

use model::Model;
use model::weights::QkvWeights;

/// What of a value of each head moves the residual in some directions: `d^T W_O^h`.
///
/// # Shapes
/// - `directions`: `[n, d_model]`
/// - result: `[n]` of `[n_heads, value_dim]`
pub(super) fn value_directions(
    model: &Model,
    layer_idx: usize,
    directions: &[Vec<f32>],
) -> Vec<Vec<f32>> {
    let weight = &model.layers[layer_idx].attn_output.weight;
    let mut found = vec![vec![0.0; weight.n_in]; directions.len()];
    let mut row = vec![0.0; weight.n_in];
    for row_idx in 0..weight.n_out {
        weight.decode_row(row_idx, &mut row);
        for (found, direction) in found.iter_mut().zip(directions) {
            add_scaled(found, direction[row_idx], &row);
        }
    }
    match latent_values(model, layer_idx) {
        None => found,
        Some(heads) => found.iter().map(|found| through(&heads, found)).collect(),
    }
}

/// `[n_heads]` of `G_h = W_O^h^T W_O^h`, `[value_dim, value_dim]`.
pub(super) fn grams(model: &Model, layer_idx: usize) -> Vec<Vec<f32>> {
    let weight = &model.layers[layer_idx].attn_output.weight;
    let n_heads = model.config.n_heads;
    let d = weight.n_in / n_heads;
    let mut grams = vec![vec![0.0; d * d]; n_heads];
    let mut row = vec![0.0; weight.n_in];
    for row_idx in 0..weight.n_out {
        weight.decode_row(row_idx, &mut row);
        for (gram, part) in grams.iter_mut().zip(row.chunks_exact(d)) {
            for (gram, &x) in gram.chunks_exact_mut(d).zip(part) {
                add_scaled(gram, x, part);
            }
        }
    }
    let Some(heads) = latent_values(model, layer_idx) else { return grams };
    let absorbed = |(gram, matrix): (&Vec<f32>, &Vec<f32>)| {
        let d_latent = matrix.len() / d;
        // `V^T (G V)`
        let product = multiply(gram, matrix, d, d_latent);
        let mut result = vec![0.0; d_latent * d_latent];
        for (v, p) in matrix.chunks_exact(d_latent).zip(product.chunks_exact(d_latent)) {
            for (out, &x) in result.chunks_exact_mut(d_latent).zip(v) {
                add_scaled(out, x, p);
            }
        }
        result
    };
    grams.iter().zip(&heads).map(absorbed).collect()
}

/// `[n_heads]` matrices `V_h`, `[d_value, d_latent]`; `None`: values are as heads find them.
fn latent_values(model: &Model, layer_idx: usize) -> Option<Vec<Vec<f32>>> {
    let QkvWeights::Latent(latent) = &model.layers[layer_idx].qkv else { return None };
    let decoded = latent.attn_v_b.iter().map(|head| {
        let mut matrix = vec![0.0; head.weight.n_out * head.weight.n_in];
        for (row_idx, row) in matrix.chunks_exact_mut(head.weight.n_in).enumerate() {
            head.weight.decode_row(row_idx, row);
        }
        matrix
    });
    Some(decoded.collect())
}

/// `x_h^T V_h` of each head.
fn through(heads: &[Vec<f32>], x: &[f32]) -> Vec<f32> {
    let d = x.len() / heads.len();
    let of_head = |(matrix, x): (&Vec<f32>, &[f32])| multiply(x, matrix, d, matrix.len() / d);
    heads.iter().zip(x.chunks_exact(d)).flat_map(of_head).collect()
}

/// `a b`: `a` `[n_rows, n]`, `b` `[n, n_cols]`.
fn multiply(a: &[f32], b: &[f32], n: usize, n_cols: usize) -> Vec<f32> {
    let mut out = vec![0.0; a.len() / n * n_cols];
    for (a, out) in a.chunks_exact(n).zip(out.chunks_exact_mut(n_cols)) {
        for (&a, b) in a.iter().zip(b.chunks_exact(n_cols)) {
            add_scaled(out, a, b);
        }
    }
    out
}

fn add_scaled(out: &mut [f32], factor: f32, x: &[f32]) {
    out.iter_mut().zip(x).for_each(|(out, x)| *out += factor * x);
}
