//! A table held against scalar on a few small inputs, at start-up: some tables were written without
//! a CPU to run them on.

use std::array::from_fn;

use crate::block::made_up_row;
use crate::table::Tile;
use crate::{
    ACT_GROUP, Cells, DType, F32Panel, IntForm, IntPanel, KEY_BLOCK, Kernels, PANEL_ROWS,
    QuantizedTile, Quants, RowValues, Step, TILE_TOKENS, scalar,
};

/// Whether `table` gives scalar's bits wherever it is asked here: every kernel, every block format
/// and integer form, one to four tokens, tiles alone and together, whole panels and odd rows.
/// Allocates, and takes a few milliseconds where code is optimised.
pub fn agrees_with_scalar(table: &Kernels) -> bool {
    let tables = [table, scalar()];
    int_forms_agree(tables)
        && f32_panels_agree(tables)
        && DType::all().all(|dtype| rows_agree(tables, dtype))
        && quantizing_agrees(tables)
        && attention_agrees(tables)
        && pointwise_agrees(tables)
}

/// `[table, scalar]`
type Tables<'a> = [&'a Kernels; 2];

/// Runs `kernel` for both tables and compares what it gives, bit for bit; one NaN is as good as
/// another.
fn agree(tables: Tables, kernel: impl FnMut(&Kernels) -> Vec<f32>) -> bool {
    let [got, expected] = tables.map(kernel);
    let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
    got.len() == expected.len() && got.iter().zip(&expected).all(same)
}

/// Panels of every form, filled at random and with what makes the greatest sums.
fn int_forms_agree(tables: Tables) -> bool {
    const N_IN: usize = 3 * ACT_GROUP;
    let mut random = Random(1);
    let mut forms: Vec<IntForm> = Vec::new();
    for form in DType::all().filter_map(DType::int_form) {
        if !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms.into_iter().all(|form| {
        [0.0, 1.0].into_iter().all(|share| {
            let panel = int_panel(&mut random, form, N_IN, share);
            (1..=TILE_TOKENS).all(|n_tokens| {
                let tokens = [TILE_TOKENS, TILE_TOKENS, n_tokens];
                let tiles = tokens.map(|n| int_tile(&mut random, n, N_IN, share));
                agree(tables, |table| {
                    let mut out = empty_tiles(tiles.len());
                    (table.int_panel)(&panel, &tiles, &mut out);
                    out.as_flattened().as_flattened().to_vec()
                })
            })
        })
    })
}

/// `share` of the quants, from 0 to 1, are the greatest.
fn int_panel(random: &mut Random, form: IntForm, n_in: usize, share: f32) -> IntPanel {
    let (mask, greatest) = match form.quants {
        Quants::U4 => (15, 15),
        Quants::U5 => (31, 31),
        Quants::U6 => (63, 63),
        Quants::I8 => (255, -128i8 as u8),
    };
    let mut quant = || {
        let is_greatest = random.value().abs() < share;
        if is_greatest { greatest } else { random.bits().to_le_bytes()[3] & mask }
    };
    let quants = (0..n_in / 4).map(|_| Step(from_fn(|_| from_fn(|_| quant())))).collect();
    let mut values =
        || (0..n_in / form.group).map(|_| RowValues(from_fn(|_| random.value()))).collect();
    IntPanel { form, n_in, quants, scales: values(), mins: values() }
}

/// `share` of the activations, from 0 to 1, are the greatest.
fn int_tile(random: &mut Random, n_tokens: usize, n_in: usize, share: f32) -> QuantizedTile {
    let mut value = || if random.value().abs() < share { 1.0 } else { random.value() };
    let x: Vec<f32> = (0..n_tokens * n_in).map(|_| value()).collect();
    let mut tile = QuantizedTile::with_capacity(n_in);
    (scalar().quantize)(&x, n_in, &mut tile);
    tile
}

fn empty_tiles(n: usize) -> Vec<Tile> {
    vec![[[0.0; PANEL_ROWS]; TILE_TOKENS]; n]
}

/// Tiles alone and together.
fn f32_panels_agree(tables: Tables) -> bool {
    const N_IN: usize = 37;
    let mut random = Random(2);
    let values = (0..N_IN).map(|_| RowValues(from_fn(|_| random.value()))).collect();
    let panel = F32Panel { n_in: N_IN, values };
    (1..=3 * TILE_TOKENS).all(|n_tokens| {
        let x = random.values(n_tokens * N_IN);
        agree(tables, |table| {
            let mut out = empty_tiles(n_tokens.div_ceil(TILE_TOKENS));
            (table.f32_panel)(&panel, &x, &mut out);
            out.as_flattened().as_flattened().to_vec()
        })
    })
}

/// Rows of one block format: a whole panel and a part of one.
fn rows_agree(tables: Tables, dtype: DType) -> bool {
    let mut random = Random(3);
    let n_rows = PANEL_ROWS + 9;
    let n_in = if dtype.is_quantized() { dtype.block_len().max(2 * ACT_GROUP) } else { 37 };
    let row_bytes = dtype.row_bytes(n_in).expect("whole blocks");
    let mut rows = vec![0; n_rows * row_bytes];
    made_up_row(dtype, 3, 1.0, &mut rows);
    let mut panels = rows.chunks(PANEL_ROWS * row_bytes);
    panels.all(|rows| agree(tables, |table| unpacked(table, dtype, rows, n_in)))
        && (1..=TILE_TOKENS).all(|n_tokens| {
            let x = random.values(n_tokens * n_in);
            agree(tables, |table| {
                let mut out = empty_tiles(n_rows.div_ceil(PANEL_ROWS));
                if dtype.is_quantized() {
                    let mut tile = QuantizedTile::with_capacity(n_in);
                    (table.quantize)(&x, n_in, &mut tile);
                    (table.int_rows)(dtype, &rows, n_in, &tile, &mut out);
                } else {
                    (table.f32_rows)(dtype, &rows, n_in, &x, &mut out);
                }
                out.as_flattened().as_flattened().to_vec()
            })
        })
}

/// All that panels of these rows hold.
fn unpacked(table: &Kernels, dtype: DType, rows: &[u8], n_in: usize) -> Vec<f32> {
    let mut panel = F32Panel::with_capacity(n_in);
    (table.unpack_f32)(dtype, rows, n_in, &mut panel);
    let mut all: Vec<f32> = panel.values.iter().flat_map(|values| values.0).collect();
    if dtype.is_quantized() {
        let mut panel = IntPanel::with_capacity(n_in);
        (table.unpack_int)(dtype, rows, n_in, &mut panel);
        all.extend(panel.quants.iter().flat_map(|step| step.0).flatten().map(f32::from));
        all.extend(panel.scales.iter().chain(&panel.mins).flat_map(|values| values.0));
    }
    all
}

/// Activations of all sizes, and some that are not finite.
fn quantizing_agrees(tables: Tables) -> bool {
    const N_IN: usize = 2 * ACT_GROUP;
    let mut random = Random(4);
    (1..=TILE_TOKENS).all(|n_tokens| {
        let mut x = random.values(n_tokens * N_IN);
        x.iter_mut().for_each(|x| *x = x.powi(9));
        x[5] = [f32::NAN, f32::INFINITY, 0.0, 1e38][n_tokens - 1];
        agree(tables, |table| {
            let mut tile = QuantizedTile::with_capacity(N_IN);
            (table.quantize)(&x, N_IN, &mut tile);
            let quants = tile.quants.iter().map(|&q| f32::from(q));
            let values = tile.scales.iter().chain(&tile.sums16).chain(&tile.sums32);
            quants.chain(values.copied()).collect()
        })
    })
}

/// From one row of queries to nine, heads of several widths.
fn attention_agrees(tables: Tables) -> bool {
    let mut random = Random(5);
    (1..10).zip([64, 80, 128, 40, 96, 72, 7, 33, 16]).all(|(n_rows, head_dim)| {
        let q = random.values(n_rows * head_dim);
        let block = random.values(KEY_BLOCK * head_dim);
        let rescale = random.values(n_rows);
        agree(tables, |table| {
            let mut scores = vec![0.0; n_rows * KEY_BLOCK];
            (table.attention_scores)(&q, Cells::F32(&block).into(), head_dim, &mut scores);
            (table.add_dots)(&q, &block[..head_dim], &mut scores);
            scores[..5].fill(f32::NEG_INFINITY);
            let mut all = Vec::new();
            for row in scores.chunks_exact_mut(KEY_BLOCK) {
                let (max, factor, m) = (table.online_softmax_moments)(&mut row.to_vec(), -0.5);
                all.extend([max, factor, m.sum, m.centred, m.places]);
                let (max, factor, sum) = (table.online_softmax)(row, -0.5);
                all.extend([max, factor, sum]);
            }
            let mut acc = q.clone();
            (table.attention_accumulate)(
                &scores,
                &rescale,
                Cells::F32(&block).into(),
                head_dim,
                &mut acc,
            );
            all.extend(acc);
            all
        })
    })
}

fn pointwise_agrees(tables: Tables) -> bool {
    const N: usize = 100;
    let mut random = Random(6);
    let x: Vec<f32> = random.values(N).iter().map(|x| 10.0 * x).collect();
    let y = random.values(N);
    let (cos, sin) = (random.values(N / 2 - 3), random.values(N / 2 - 3));
    let in_place = |kernel: &dyn Fn(&Kernels, &mut [f32])| {
        agree(tables, |table| {
            let mut x = x.clone();
            kernel(table, &mut x);
            x
        })
    };
    in_place(&|table, x| (table.silu_mul)(x, &y))
        && in_place(&|table, x| (table.clamped_silu_mul)(x, &y))
        && in_place(&|table, x| (table.gelu_tanh_mul)(x, &y))
        && in_place(&|table, x| (table.gelu_tanh)(x))
        && in_place(&|table, x| (table.gelu)(x))
        && in_place(&|table, x| (table.relu)(x))
        && in_place(&|table, x| (table.relu_squared)(x))
        && in_place(&|table, x| (table.softcap)(x, 3.0))
        && in_place(&|table, x| (table.add)(x, &y))
        && in_place(&|table, x| (table.rope_interleaved)(x, &cos, &sin))
        && in_place(&|table, x| (table.rope_half_split)(x, &cos, &sin))
        && in_place(&|table, x| {
            let input = x.to_vec();
            (table.rms_norm)(&input, &y, 1e-6, x);
        })
        && in_place(&|table, x| {
            let input = x.to_vec();
            (table.layer_norm)(&input, &y, 1e-6, x);
        })
        && in_place(&|table, x| {
            let mut halves = vec![0; N];
            (table.f32_to_f16)(x, &mut halves);
            halves.iter().zip(&mut *x).for_each(|(&half, x)| *x = half.into());
        })
        && in_place(&|table, x| {
            let halves: Vec<u16> = x.iter().map(|x| (x.to_bits() >> 8) as u16).collect();
            (table.f16_to_f32)(&halves, x);
        })
}

/// A linear congruential generator (Knuth's MMIX constants).
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 32) as u32
    }

    /// Uniform in -1..1.
    fn value(&mut self) -> f32 {
        self.bits() as i32 as f32 / 2_147_483_648.0
    }

    fn values(&mut self, n: usize) -> Vec<f32> {
        (0..n).map(|_| self.value()).collect()
    }
}
