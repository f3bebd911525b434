//! Panels, quantised activations and tiles.

use kernels::block::{decode_row, encode_row, is_encoded, made_up_row};
use kernels::table::Tile;
use kernels::{
    ACT_GROUP, DType, F32Panel, IntPanel, Kernels, PANEL_ROWS, QuantizedTile, RowValues, Step,
    TILE_TOKENS, scalar,
};
use proptest::prelude::*;

use crate::rows::{bytes, check_same, normal, wide_tables};

/// Dot products of a few hundred terms: their f32 sums, beside f64, as a share of the sum of
/// magnitudes.
const SUM_ERROR: f64 = 1e-5;

fn quantized_types() -> Vec<DType> {
    DType::all().filter(|dtype| dtype.is_quantized()).collect()
}

/// Random normal weights, encoded, or random blocks: `[n_rows, n_in]`.
fn weights(dtype: DType, seed: u64, n_rows: usize, n_in: usize) -> Vec<u8> {
    let row_bytes = dtype.row_bytes(n_in).unwrap();
    let mut encoded = vec![0; n_rows * row_bytes];
    for (r, bytes) in encoded.chunks_mut(row_bytes).enumerate() {
        let seed = seed.wrapping_add(r as u64);
        match is_encoded(dtype) {
            true => encode_row(dtype, &normal(seed, n_in, 0.05), bytes),
            false => made_up_row(dtype, seed, 0.0625, bytes),
        }
    }
    encoded
}

fn quantize(table: &Kernels, x: &[f32], n_in: usize) -> Vec<QuantizedTile> {
    let quantize_tile = |x| {
        let mut tile = QuantizedTile::with_capacity(n_in);
        (table.quantize)(x, n_in, &mut tile);
        tile
    };
    x.chunks(TILE_TOKENS * n_in).map(quantize_tile).collect()
}

/// `[n_tokens, n_rows]`, panel after panel through the integer path.
fn int_product(table: &Kernels, dtype: DType, weights: &[u8], x: &[f32], n_in: usize) -> Vec<f32> {
    let tiles = quantize(table, x, n_in);
    let mut panel = IntPanel::with_capacity(n_in);
    let panel_bytes = PANEL_ROWS * dtype.row_bytes(n_in).unwrap();
    let products = weights.chunks(panel_bytes).map(|bytes| {
        let mut out = empty_tiles(tiles.len());
        (table.unpack_int)(dtype, bytes, n_in, &mut panel);
        (table.int_panel)(&panel, &tiles, &mut out);
        out
    });
    let products: Vec<_> = products.collect();
    let n_rows = weights.len() / dtype.row_bytes(n_in).unwrap();
    flatten(x.len() / n_in, n_rows, |panel_idx, tile_idx| products[panel_idx][tile_idx])
}

/// The same without panels, all rows in one call.
fn int_rows_product(
    table: &Kernels,
    dtype: DType,
    weights: &[u8],
    x: &[f32],
    n_in: usize,
) -> Vec<f32> {
    let n_rows = weights.len() / dtype.row_bytes(n_in).unwrap();
    let products = quantize(table, x, n_in).into_iter().map(|tile| {
        let mut out = empty_tiles(n_rows.div_ceil(PANEL_ROWS));
        (table.int_rows)(dtype, weights, n_in, &tile, &mut out);
        out
    });
    let products: Vec<_> = products.collect();
    flatten(x.len() / n_in, n_rows, |panel_idx, tile_idx| products[tile_idx][panel_idx])
}

/// The same through the f32 path.
fn f32_product(table: &Kernels, dtype: DType, weights: &[u8], x: &[f32], n_in: usize) -> Vec<f32> {
    let (n_tokens, n_rows) = (x.len() / n_in, weights.len() / dtype.row_bytes(n_in).unwrap());
    let mut panel = F32Panel::with_capacity(n_in);
    let panel_bytes = PANEL_ROWS * dtype.row_bytes(n_in).unwrap();
    let products = weights.chunks(panel_bytes).map(|bytes| {
        let mut out = empty_tiles(n_tokens.div_ceil(TILE_TOKENS));
        (table.unpack_f32)(dtype, bytes, n_in, &mut panel);
        (table.f32_panel)(&panel, x, &mut out);
        out
    });
    let products: Vec<_> = products.collect();
    flatten(n_tokens, n_rows, |panel_idx, tile_idx| products[panel_idx][tile_idx])
}

fn empty_tiles(n: usize) -> Vec<Tile> {
    vec![[[f32::NAN; PANEL_ROWS]; TILE_TOKENS]; n]
}

/// `[n_tokens, n_rows]` from the results of each panel of rows and tile of tokens.
fn flatten(n_tokens: usize, n_rows: usize, tile: impl Fn(usize, usize) -> Tile) -> Vec<f32> {
    let at = |token: usize, row: usize| {
        tile(row / PANEL_ROWS, token / TILE_TOKENS)[token % TILE_TOKENS][row % PANEL_ROWS]
    };
    (0..n_tokens * n_rows).map(|i| at(i / n_rows, i % n_rows)).collect()
}

fn flat(values: &[RowValues]) -> Vec<f32> {
    values.iter().flat_map(|values| values.0).collect()
}

/// What the scalar table stands for, in f64: decoded weights times `x`.
fn check_truth(dtype: DType, weights: &[u8], x: &[f32], n_in: usize, got: &[f32]) {
    let row_bytes = dtype.row_bytes(n_in).unwrap();
    let n_rows = weights.len() / row_bytes;
    let mut row = vec![0.0; n_in];
    for (r, bytes) in weights.chunks(row_bytes).enumerate() {
        decode_row(dtype, bytes, &mut row);
        for (t, x) in x.chunks(n_in).enumerate() {
            let terms = row.iter().zip(x).map(|(&w, &x)| f64::from(w) * f64::from(x));
            let (sum, size) = terms.fold((0.0, 0.0), |(sum, size), y| (sum + y, size + y.abs()));
            let error = (f64::from(got[t * n_rows + r]) - sum).abs();
            // Mins are subtracted group by group, so the terms that cancel are larger.
            assert!(error <= SUM_ERROR * (size + 1.0), "{dtype} row {r} token {t}: {error}");
        }
    }
}

/// The activations that int8 tiles stand for: `[n_tokens, n_in]`.
fn dequantize(tiles: &[QuantizedTile]) -> Vec<f32> {
    let token = |tile: &QuantizedTile, t: usize| -> Vec<f32> {
        let n = tile.n_tokens;
        let value = |col: usize| {
            let q = tile.quants[(col / 4 * n + t) * 4 + col % 4];
            tile.scales[col / ACT_GROUP * n + t] * f32::from(q)
        };
        (0..tile.n_in).map(value).collect()
    };
    tiles.iter().flat_map(|tile| (0..tile.n_tokens).flat_map(|t| token(tile, t))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn int_tables_agree(
        dtype in prop::sample::select(quantized_types()),
        n_rows in 1usize..40,
        n_blocks in 1usize..4,
        n_tokens in 0usize..10,
        seed: u64,
    ) {
        let n_in = n_blocks * dtype.block_len();
        let weights = weights(dtype, seed, n_rows, n_in);
        let x = normal(!seed, n_tokens * n_in, 1.0);
        let expected = int_product(scalar(), dtype, &weights, &x, n_in);
        for table in wide_tables() {
            let got = int_product(table, dtype, &weights, &x, n_in);
            check_same(&format!("{} {dtype}", table.name), &got, &expected);
        }
        for table in kernels::tables() {
            let got = int_rows_product(table, dtype, &weights, &x, n_in);
            check_same(&format!("{} {dtype} rows", table.name), &got, &expected);
        }
    }

    #[test]
    fn f32_tables_agree(
        dtype in prop::sample::select(DType::all().collect::<Vec<_>>()),
        n_rows in 1usize..40,
        n_blocks in 1usize..35,
        n_tokens in 0usize..6,
        seed: u64,
    ) {
        let n_blocks = if dtype.is_quantized() { n_blocks.div_ceil(10) } else { n_blocks };
        let n_in = n_blocks * dtype.block_len();
        let weights = weights(dtype, seed, n_rows, n_in);
        let x = normal(!seed, n_tokens * n_in, 1.0);
        let expected = f32_product(scalar(), dtype, &weights, &x, n_in);
        check_truth(dtype, &weights, &x, n_in, &expected);
        for table in wide_tables() {
            let got = f32_product(table, dtype, &weights, &x, n_in);
            check_same(&format!("{} {dtype}", table.name), &got, &expected);
        }
    }

    /// All bit patterns, also those that no encoder writes.
    #[test]
    fn unpacking_agrees_on_any_bytes(
        dtype in prop::sample::select(DType::all().collect::<Vec<_>>()),
        n_rows in 1usize..=PANEL_ROWS,
        n_blocks in 1usize..20,
        seed: u64,
    ) {
        let n_in = if dtype.is_quantized() { n_blocks.div_ceil(5) } else { n_blocks };
        let n_in = n_in * dtype.block_len();
        let rows = bytes(seed, n_rows * dtype.row_bytes(n_in).unwrap());
        let f32_panel = |table: &Kernels| {
            let mut panel = F32Panel::with_capacity(n_in);
            panel.values.fill(RowValues([f32::NAN; PANEL_ROWS]));
            (table.unpack_f32)(dtype, &rows, n_in, &mut panel);
            panel
        };
        let int_panel = |table: &Kernels| {
            let form = dtype.int_form()?;
            let mut panel = IntPanel::with_capacity(n_in);
            panel.quants.fill(Step([[0xa5; 4]; PANEL_ROWS]));
            panel.scales.fill(RowValues([7.0; PANEL_ROWS]));
            panel.mins.fill(RowValues([7.0; PANEL_ROWS]));
            (table.unpack_int)(dtype, &rows, n_in, &mut panel);
            assert_eq!((panel.n_in, panel.form), (n_in, form));
            Some(panel)
        };
        for table in wide_tables() {
            let what = format!("{} {dtype}", table.name);
            check_same(&what, &flat(&f32_panel(table).values), &flat(&f32_panel(scalar()).values));
            if let (Some(got), Some(expected)) = (int_panel(table), int_panel(scalar())) {
                assert_eq!(got.quants, expected.quants, "{what}");
                check_same(&what, &flat(&got.scales), &flat(&expected.scales));
                check_same(&what, &flat(&got.mins), &flat(&expected.mins));
            }
        }
    }

    #[test]
    fn quantizing_agrees(
        n_groups in 1usize..6,
        n_tokens in 0usize..10,
        seed: u64,
        exponent in -40i32..30,
        bad in prop::option::of((any::<usize>(), prop::num::f32::NORMAL | prop::num::f32::ANY)),
    ) {
        let n_in = n_groups * ACT_GROUP;
        let mut x = normal(seed, n_tokens * n_in, 10f32.powi(exponent));
        if let (Some((at, value)), false) = (bad, x.is_empty()) {
            let at = at % x.len();
            x[at] = value;
        }
        let expected = quantize(scalar(), &x, n_in);
        for table in wide_tables() {
            let got = quantize(table, &x, n_in);
            assert_eq!(got.len(), expected.len());
            for (got, expected) in got.iter().zip(&expected) {
                assert_eq!((got.n_in, got.n_tokens), (n_in, expected.n_tokens));
                assert_eq!(got.quants, expected.quants);
                check_same(table.name, &got.scales, &expected.scales);
                check_same(table.name, &got.sums16, &expected.sums16);
                check_same(table.name, &got.sums32, &expected.sums32);
            }
        }
        let near = dequantize(&expected);
        for (group, near) in x.chunks(ACT_GROUP).zip(near.chunks(ACT_GROUP)) {
            let max = group.iter().fold(0.0f32, |max, x| max.max(x.abs()));
            if group.iter().any(|x| !x.is_finite()) {
                assert!(near.iter().all(|x| x.is_nan()));
                continue;
            }
            // Half a step, and what rounding the inverse and the product can add.
            let bound = max / 127.0 * 0.5001 + 127.0 * f32::MIN_POSITIVE;
            assert!(group.iter().zip(near).all(|(x, near)| (x - near).abs() <= bound));
        }
    }
}

const UNTOUCHED: f32 = 7.0;

/// What panels give, with the columns beyond their rows and the tokens beyond `n_tokens`
/// untouched: `[n_rows / PANEL_ROWS]` tiles.
fn panel_tiles(n_rows: usize, mut multiply: impl FnMut(usize, &mut Tile)) -> Vec<Tile> {
    let mut tiles = vec![[[UNTOUCHED; PANEL_ROWS]; TILE_TOKENS]; n_rows.div_ceil(PANEL_ROWS)];
    for (panel_idx, tile) in tiles.iter_mut().enumerate() {
        multiply(panel_idx, tile);
        let n_rows = (n_rows - panel_idx * PANEL_ROWS).min(PANEL_ROWS);
        tile.iter_mut().for_each(|row| row[n_rows..].fill(UNTOUCHED));
    }
    tiles
}

fn check_tiles(what: &str, got: &[Tile], expected: &[Tile]) {
    check_same(what, got.as_flattened().as_flattened(), expected.as_flattened().as_flattened());
}

/// Without a panel as with one, on any bytes.
#[test]
fn int_rows_give_what_panels_give() {
    for (dtype, n_rows) in quantized_types().into_iter().flat_map(each_number_of_rows) {
        for (n_tokens, n_blocks) in [(1, 1), (2, 3), (3, 2), (4, 3), (1, 4)] {
            let n_in = n_blocks * dtype.block_len();
            let row_bytes = dtype.row_bytes(n_in).unwrap();
            let weights = bytes(n_rows as u64, n_rows * row_bytes);
            let panels: Vec<_> = weights.chunks(PANEL_ROWS * row_bytes).collect();
            let x = &quantize(scalar(), &normal(11, n_tokens * n_in, 1.0), n_in)[0];
            for table in kernels::tables() {
                let mut panel = IntPanel::with_capacity(n_in);
                let expected = panel_tiles(n_rows, |panel_idx, out| {
                    (table.unpack_int)(dtype, panels[panel_idx], n_in, &mut panel);
                    let (x, out) = (std::slice::from_ref(x), std::slice::from_mut(out));
                    (table.int_panel)(&panel, x, out);
                });
                let mut got = panel_tiles(n_rows, |_, _| ());
                (table.int_rows)(dtype, &weights, n_in, x, &mut got);
                let what = format!("{} {dtype} {n_rows} rows, {n_tokens} tokens", table.name);
                check_tiles(&what, &got, &expected);
            }
        }
    }
}

#[test]
fn f32_rows_give_what_panels_give() {
    for (dtype, n_rows) in
        [DType::F32, DType::F16, DType::BF16].into_iter().flat_map(each_number_of_rows)
    {
        for (n_tokens, n_in) in [(0, 5), (1, 1), (1, 64), (2, 7), (3, 300), (4, 33), (4, 8)] {
            let row_bytes = dtype.row_bytes(n_in).unwrap();
            let weights = bytes(n_rows as u64, n_rows * row_bytes);
            let panels: Vec<_> = weights.chunks(PANEL_ROWS * row_bytes).collect();
            let x = normal(12, n_tokens * n_in, 1.0);
            for table in kernels::tables() {
                let mut panel = F32Panel::with_capacity(n_in);
                let expected = panel_tiles(n_rows, |panel_idx, out| {
                    (table.unpack_f32)(dtype, panels[panel_idx], n_in, &mut panel);
                    let out = std::slice::from_mut(out);
                    (table.f32_panel)(&panel, &x, &mut out[..n_tokens.min(1)]);
                });
                let mut got = panel_tiles(n_rows, |_, _| ());
                (table.f32_rows)(dtype, &weights, n_in, &x, &mut got);
                let what = format!("{} {dtype} {n_rows} rows, {n_tokens} x {n_in}", table.name);
                check_tiles(&what, &got, &expected);
            }
        }
    }
}

fn each_number_of_rows(dtype: DType) -> impl Iterator<Item = (DType, usize)> {
    (0..=PANEL_ROWS).chain([25, 40]).map(move |n_rows| (dtype, n_rows))
}

/// The integer path is the f32 path of the activations that its int8 rows stand for.
#[test]
fn int_products_are_those_of_the_values() {
    for dtype in quantized_types() {
        let (n_rows, n_in, n_tokens) = (21, 2 * dtype.block_len(), 6);
        let weights = weights(dtype, 3, n_rows, n_in);
        let x = normal(4, n_tokens * n_in, 1.0);
        let got = int_product(scalar(), dtype, &weights, &x, n_in);
        let near = dequantize(&quantize(scalar(), &x, n_in));
        check_truth(dtype, &weights, &near, n_in, &got);
    }
}

/// Kernels that keep some columns of a row on the stack meet a second part, and a short one.
#[test]
fn long_rows_agree() {
    for dtype in DType::all() {
        let (n_rows, n_in) = (PANEL_ROWS + 3, (256 + 32usize).next_multiple_of(dtype.block_len()));
        let weights = weights(dtype, 9, n_rows, n_in);
        let x = normal(10, 5 * n_in, 1.0);
        let paths = [int_product, int_rows_product, f32_product];
        for path in &paths[if dtype.is_quantized() { 0 } else { 2 }..] {
            let expected = path(scalar(), dtype, &weights, &x, n_in);
            for table in wide_tables() {
                let got = path(table, dtype, &weights, &x, n_in);
                check_same(&format!("{} {dtype}", table.name), &got, &expected);
            }
        }
    }
}

/// Extreme quants everywhere, so that int16 sums would overflow if they could.
#[test]
fn extreme_quants_do_not_overflow() {
    for dtype in quantized_types() {
        let n_in = 2 * dtype.block_len();
        for fill in [0x00, 0x7f, 0x80, 0xff] {
            let mut weights = vec![fill; PANEL_ROWS * dtype.row_bytes(n_in).unwrap()];
            if dtype == DType::Q8K {
                let blocks = weights.as_chunks_mut::<292>().0;
                blocks.iter_mut().for_each(|block| block[..4].copy_from_slice(&1f32.to_le_bytes()));
            }
            for sign in [1.0, -1.0] {
                let x = vec![sign; 4 * n_in];
                let expected = int_product(scalar(), dtype, &weights, &x, n_in);
                for table in wide_tables() {
                    for path in [int_product, int_rows_product] {
                        let got = path(table, dtype, &weights, &x, n_in);
                        check_same(&format!("{} {dtype} {fill}", table.name), &got, &expected);
                    }
                }
            }
        }
    }
}

/// A token's result has the same bits alone and in any tile (M6).
#[test]
fn a_token_does_not_see_its_tile() {
    let (n_rows, n_tokens) = (PANEL_ROWS, 7);
    for table in kernels::tables() {
        for dtype in DType::all() {
            let n_in = 96usize.next_multiple_of(dtype.block_len());
            let weights = weights(dtype, 5, n_rows, n_in);
            let x = normal(6, n_tokens * n_in, 1.0);
            let paths = [int_product, int_rows_product, f32_product];
            for path in &paths[if dtype.is_quantized() { 0 } else { 2 }..] {
                let together = path(table, dtype, &weights, &x, n_in);
                for (x, together) in x.chunks(n_in).zip(together.chunks(n_rows)) {
                    let alone = path(table, dtype, &weights, x, n_in);
                    check_same(&format!("{} {dtype}", table.name), &alone, together);
                }
            }
        }
    }
}

#[test]
fn activations_that_are_not_finite_reach_every_result() {
    for table in kernels::tables() {
        for dtype in quantized_types() {
            let n_in = dtype.block_len().max(64);
            let weights = weights(dtype, 8, PANEL_ROWS, n_in);
            for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                // A whole tile, and one more token.
                let mut x = normal(9, 5 * n_in, 1.0);
                x[n_in + 37] = bad;
                for path in [int_product, int_rows_product] {
                    let y = path(table, dtype, &weights, &x, n_in);
                    let (before, y) = y.split_at(PANEL_ROWS);
                    let (hit, after) = y.split_at(PANEL_ROWS);
                    assert!(hit.iter().all(|y| y.is_nan()), "{} {dtype} {bad}", table.name);
                    assert!(before.iter().chain(after).all(|y| y.is_finite()), "{dtype}");
                }
            }
        }
    }
}

#[test]
fn zero_and_tiny_activations_are_zero() {
    for table in kernels::tables() {
        for value in [0.0, -0.0, 1e-45, -1e-39, 1e-37] {
            for n_tokens in [1, TILE_TOKENS] {
                let rows = &quantize(table, &vec![value; n_tokens * 32], 32)[0];
                assert!(rows.quants.iter().all(|&q| q == 0), "{value}");
                assert!(rows.scales.iter().chain(&rows.sums16).all(|s| s.is_finite()), "{value}");
            }
        }
    }
}

#[test]
fn quantized_tiles_agree() {
    for table in kernels::tables() {
        for (n_tokens, n_in) in [(1, 32), (3, 96), (4, 32), (4, 576), (9, 160)] {
            let x = normal(n_in as u64, n_tokens * n_in, 3.0);
            let pairs = quantize(table, &x, n_in).into_iter().zip(quantize(scalar(), &x, n_in));
            for (tile, expected) in pairs {
                assert_eq!(tile.quants, expected.quants, "{} {n_tokens} x {n_in}", table.name);
                check_same(table.name, &tile.scales, &expected.scales);
                check_same(table.name, &tile.sums16, &expected.sums16);
                check_same(table.name, &tile.sums32, &expected.sums32);
            }
        }
    }
}
