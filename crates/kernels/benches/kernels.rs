//! How fast each table is, one thread: `cargo bench -p lookback-kernels -- FILTER`.
//!
//! `tile`: multiply-adds (elements) of panels in cache; `unpack`: values written to them. `rows`:
//! packed weight bytes of a matrix larger than any cache times a few tokens, with the best table.
//! `read`: what memory allows.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use kernels::block::made_up_row;
use kernels::table::Tile;
use kernels::{
    Cells, DType, F32Panel, IntPanel, KEY_BLOCK, Kernels, PANEL_ROWS, QuantizedTile, TILE_TOKENS,
};

/// Larger than the caches of a laptop.
const MATRIX_BYTES: usize = 96 << 20;
const N_IN: usize = 1024;
/// 16 such rows leave L1 no room for the next.
const LONG_N_IN: usize = 4096;

fn values(n: usize) -> Vec<f32> {
    (0..n).map(|i| (i * 2_654_435_761 % 1009) as f32 / 504.5 - 1.0).collect()
}

/// Whole panels of one row repeated, `[n_panels, PANEL_ROWS, n_in]`.
fn matrix(dtype: DType, n_in: usize, n_bytes: usize) -> Vec<u8> {
    let mut row = vec![0; dtype.row_bytes(n_in).expect("a multiple of every block")];
    made_up_row(dtype, 1, 1.0, &mut row);
    row.repeat((n_bytes / row.len()).next_multiple_of(PANEL_ROWS))
}

fn quantized(table: &Kernels, n_tokens: usize, n_in: usize) -> QuantizedTile {
    let mut tile = QuantizedTile::with_capacity(n_in);
    (table.quantize)(&values(n_tokens * n_in), n_in, &mut tile);
    tile
}

fn empty_tile() -> [Tile; 1] {
    [[[0.0; PANEL_ROWS]; TILE_TOKENS]]
}

fn tiles(c: &mut Criterion) {
    for table in kernels::tables() {
        let mut group = c.benchmark_group(format!("tile/{}", table.name));
        for n_tokens in [1, TILE_TOKENS] {
            group.throughput(Throughput::Elements((N_IN * PANEL_ROWS * n_tokens) as u64));
            let x = [quantized(table, n_tokens, N_IN)];
            for dtype in
                [DType::Q4_0, DType::Q2K, DType::Q5_0, DType::Q6K, DType::Q8_0, DType::Nvfp4]
            {
                let mut panel = IntPanel::with_capacity(N_IN);
                (table.unpack_int)(dtype, &matrix(dtype, N_IN, 1), N_IN, &mut panel);
                let form = panel.form;
                let name = format!("{:?} by {}", form.quants, form.group);
                group.bench_function(BenchmarkId::new(name, n_tokens), |b| {
                    let mut out = empty_tile();
                    b.iter(|| (table.int_panel)(black_box(&panel), &x, black_box(&mut out)));
                });
            }
            let mut panel = F32Panel::with_capacity(N_IN);
            (table.unpack_f32)(DType::F32, &matrix(DType::F32, N_IN, 1), N_IN, &mut panel);
            let x = values(n_tokens * N_IN);
            group.bench_function(BenchmarkId::new("F32", n_tokens), |b| {
                let mut out = empty_tile();
                b.iter(|| (table.f32_panel)(black_box(&panel), &x, black_box(&mut out)));
            });
        }
    }
}

fn rows(c: &mut Criterion) {
    let mut group = c.benchmark_group("read");
    group.throughput(Throughput::Bytes(MATRIX_BYTES as u64));
    let words = vec![1u64; MATRIX_BYTES / 8];
    group.bench_function("memory", |b| {
        b.iter(|| black_box(&words).iter().fold(0u64, |sum, word| sum.wrapping_add(*word)));
    });
    group.finish();
    drop(words);

    for (n_tokens, n_in) in [(1, N_IN), (1, LONG_N_IN), (TILE_TOKENS, N_IN)] {
        let mut group = c.benchmark_group(format!("rows/{n_tokens} x {n_in}"));
        for dtype in DType::all() {
            let matrix = matrix(dtype, n_in, MATRIX_BYTES);
            group.throughput(Throughput::Bytes(matrix.len() as u64));
            group.bench_function(dtype.name(), |b| {
                bench_rows(b, (dtype, &matrix, n_in), n_tokens);
            });
        }
    }
}

fn bench_rows(b: &mut Bencher, (dtype, matrix, n_in): (DType, &[u8], usize), n_tokens: usize) {
    let table = kernels::detect();
    let row_bytes = dtype.row_bytes(n_in).expect("a multiple of every block");
    let (int8, x) = (quantized(table, n_tokens, n_in), values(n_tokens * n_in));
    let mut out = empty_tile();
    b.iter(|| {
        for rows in black_box(matrix).chunks_exact(PANEL_ROWS * row_bytes) {
            if dtype.is_quantized() {
                (table.int_rows)(dtype, rows, n_in, &int8, black_box(&mut out));
            } else {
                (table.f32_rows)(dtype, rows, n_in, &x, black_box(&mut out));
            }
        }
    });
}

fn unpack(c: &mut Criterion) {
    for table in kernels::tables() {
        let mut group = c.benchmark_group(format!("unpack/{}", table.name));
        group.throughput(Throughput::Elements((N_IN * PANEL_ROWS) as u64));
        for dtype in DType::all() {
            let rows = matrix(dtype, N_IN, 1);
            group.bench_function(dtype.name(), |b| {
                if dtype.is_quantized() {
                    let mut panel = IntPanel::with_capacity(N_IN);
                    b.iter(|| (table.unpack_int)(dtype, black_box(&rows), N_IN, &mut panel));
                } else {
                    let mut panel = F32Panel::with_capacity(N_IN);
                    b.iter(|| (table.unpack_f32)(dtype, black_box(&rows), N_IN, &mut panel));
                }
            });
        }
    }
}

fn attention(c: &mut Criterion) {
    const HEAD_DIM: usize = 64;
    for table in kernels::tables() {
        let mut group = c.benchmark_group(format!("attention/{}", table.name));
        let block = values(KEY_BLOCK * HEAD_DIM);
        for n_rows in [1, 3, 4, 16] {
            let n_terms = n_rows * KEY_BLOCK * HEAD_DIM;
            let mut scores = values(n_rows * KEY_BLOCK);
            let mut rows = values(n_rows * HEAD_DIM);
            group.throughput(Throughput::Elements(n_terms as u64));
            group.bench_function(BenchmarkId::new("scores", n_rows), |b| {
                b.iter(|| {
                    (table.attention_scores)(
                        &rows,
                        Cells::F32(&block).into(),
                        HEAD_DIM,
                        &mut scores,
                    )
                });
            });
            let (weights, rescale) = (values(n_rows * KEY_BLOCK), vec![1.0; n_rows]);
            group.bench_function(BenchmarkId::new("accumulate", n_rows), |b| {
                b.iter(|| {
                    (table.attention_accumulate)(
                        &weights,
                        &rescale,
                        Cells::F32(&block).into(),
                        HEAD_DIM,
                        &mut rows,
                    );
                });
            });
        }
        group.throughput(Throughput::Elements(KEY_BLOCK as u64));
        group.bench_function("online_softmax", |b| {
            let mut row = values(KEY_BLOCK);
            b.iter(|| (table.online_softmax)(black_box(&mut row), 0.5));
        });
    }
}

fn pointwise(c: &mut Criterion) {
    for table in kernels::tables() {
        let mut group = c.benchmark_group(format!("pointwise/{}", table.name));
        group.throughput(Throughput::Elements(N_IN as u64));
        let (x, y) = (values(N_IN), values(N_IN));
        let mut out = values(N_IN);
        let mut quantized = quantized(table, 1, N_IN);
        group.bench_function("quantize", |b| {
            b.iter(|| (table.quantize)(black_box(&x), N_IN, &mut quantized));
        });
        group.bench_function("rms_norm", |b| {
            b.iter(|| (table.rms_norm)(black_box(&x), &y, 1e-6, &mut out));
        });
        group.bench_function("silu_mul", |b| {
            b.iter(|| {
                out.copy_from_slice(&x);
                (table.silu_mul)(&mut out, black_box(&y));
            });
        });
        group.bench_function("clamped_silu_mul", |b| {
            b.iter(|| {
                out.copy_from_slice(&x);
                (table.clamped_silu_mul)(&mut out, black_box(&y));
            });
        });
        group.bench_function("gelu_tanh_mul", |b| {
            b.iter(|| {
                out.copy_from_slice(&x);
                (table.gelu_tanh_mul)(&mut out, black_box(&y));
            });
        });
        let mut halves = vec![0; N_IN];
        group.bench_function("f32_to_f16", |b| {
            b.iter(|| (table.f32_to_f16)(black_box(&x), &mut halves));
        });
        group.bench_function("f16_to_f32", |b| {
            b.iter(|| (table.f16_to_f32)(black_box(&halves), &mut out));
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(15)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(700))
        .without_plots();
    targets = tiles, rows, unpack, attention, pointwise
}
criterion_main!(benches);
