//! Block formats: decoding against GGUF's own values, and encoding against decoding.

use kernels::DType;
use kernels::block::{decode_row, encode_row, is_encoded, made_up_row, pack_row, unpack_row};

use crate::rows::normal;

struct Record {
    dtype: DType,
    bytes: Vec<u8>,
    values: Vec<f32>,
}

fn fixture() -> Vec<Record> {
    let mut rest: &[u8] = include_bytes!("../fixtures/blocks.bin");
    let mut records = Vec::new();
    while !rest.is_empty() {
        let mut take = |n: usize| rest.split_off(..n).expect("fixture is whole");
        let mut word = || u32::from_le_bytes(take(4).try_into().unwrap());
        let (id, n_values, n_bytes) = (word(), word() as usize, word() as usize);
        let bytes = take(n_bytes).to_vec();
        let values = take(4 * n_values).as_chunks::<4>().0;
        let values = values.iter().map(|&b| f32::from_le_bytes(b)).collect();
        records.push(Record { dtype: DType::from_gguf_id(id).unwrap(), bytes, values });
    }
    records
}

#[test]
fn every_type_decodes_as_gguf_does() {
    let records = fixture();
    assert!(DType::all().all(|dtype| records.iter().any(|record| record.dtype == dtype)));
    for Record { dtype, bytes, values } in records {
        let mut decoded = vec![f32::NAN; values.len()];
        decode_row(dtype, &bytes, &mut decoded);
        // Bitwise but for the sign of zero, which `scale * q - min` does not keep.
        let differing = decoded.iter().zip(&values).position(|(a, b)| a != b);
        assert_eq!(differing, None, "{dtype}");
    }
}

#[test]
fn quants_stay_in_the_range_of_their_form() {
    for Record { dtype, bytes, values } in fixture() {
        let Some(form) = dtype.int_form() else { continue };
        let n_groups = values.len() / form.group;
        let mut quants = vec![0; values.len()];
        let mut scales = vec![0.0; n_groups];
        let mut mins = vec![0.0; if form.has_mins { n_groups } else { 0 }];
        unpack_row(dtype, &bytes, &mut quants, &mut scales, &mut mins);
        let max = match form.quants {
            kernels::Quants::U4 => 15,
            kernels::Quants::U5 => 31,
            kernels::Quants::U6 => 63,
            kernels::Quants::I8 => 255,
        };
        assert!(quants.iter().all(|&q| q <= max), "{dtype}");
    }
}

/// Greatest error that `encode_row` may leave, as a share of the largest magnitude in the block:
/// the coarsest step a block can have times the share of a step lost to rounding and clipping.
/// Below it, half of f16's smallest step times the largest quant.
fn error_bound(dtype: DType) -> f32 {
    match dtype {
        DType::F32 => 0.0,
        DType::F16 => 1.0 / 2048.0,
        DType::BF16 => 1.0 / 256.0,
        DType::Q4_0 => 1.01 / 8.0,
        DType::Q4_1 => 1.01 / 15.0,
        DType::Q5_0 => 1.01 / 16.0,
        DType::Q5_1 => 1.01 / 31.0,
        DType::Q8_0 | DType::Q8K => 0.6 / 127.0,
        DType::Q2K => 0.5,
        DType::Q3K => 0.3,
        DType::Q4K => 0.12,
        DType::Q5K => 0.08,
        DType::Q6K => 0.05,
        DType::Iq4Nl => 0.14,
        DType::Iq4Xs => 0.16,
        _ => unreachable!("{dtype} is not encoded"),
    }
}

/// Root mean square error over that of the values, for normal rows; a little above what this
/// encoder reaches, so that a worse choice of scales is noticed.
fn rms_bound(dtype: DType) -> f32 {
    match dtype {
        DType::F32 => 0.0,
        DType::F16 => 3e-4,
        DType::BF16 => 2e-3,
        DType::Q4_0 => 0.087,
        DType::Q4_1 => 0.079,
        DType::Q5_0 => 0.043,
        DType::Q5_1 => 0.038,
        DType::Q8_0 => 0.0054,
        DType::Q8K => 0.0069,
        DType::Q2K => 0.315,
        DType::Q3K => 0.153,
        DType::Q4K => 0.078,
        DType::Q5K => 0.038,
        DType::Q6K => 0.0187,
        DType::Iq4Nl | DType::Iq4Xs => 0.081,
        _ => unreachable!("{dtype} is not encoded"),
    }
}

fn encoded_types() -> impl Iterator<Item = DType> {
    DType::all().filter(|&dtype| is_encoded(dtype))
}

fn check(dtype: DType, x: &[f32]) -> f32 {
    let mut bytes = vec![0xa5; dtype.row_bytes(x.len()).unwrap()];
    encode_row(dtype, x, &mut bytes);
    let mut decoded = vec![f32::NAN; x.len()];
    decode_row(dtype, &bytes, &mut decoded);
    let (mut errors, mut squares) = (0.0f64, 0.0f64);
    for (x, decoded) in x.chunks(256).zip(decoded.chunks(256)) {
        let max = x.iter().fold(0.0f32, |max, x| max.max(x.abs()));
        let bound = error_bound(dtype) * max;
        for (&x, &w) in x.iter().zip(decoded) {
            assert!(w.is_finite(), "{dtype}: {x} became {w}");
            let error = (x - w).abs();
            assert!(error <= bound, "{dtype}: {x} became {w}, {} of {max}", error / max);
            errors += f64::from(error).powi(2);
            squares += f64::from(x).powi(2);
        }
    }
    if squares > 0.0 { (errors / squares).sqrt() as f32 } else { 0.0 }
}

#[test]
fn encoding_normal_rows_loses_what_the_step_allows() {
    for dtype in encoded_types() {
        for scale in [1.0, 0.02, 300.0] {
            let rms = check(dtype, &normal(1, 4096, scale));
            assert!(rms <= rms_bound(dtype), "{dtype}: {rms}");
        }
    }
}

#[test]
fn encoding_edge_rows_stays_within_the_step() {
    let outlier = |at: usize, value: f32| {
        let mut row = normal(1, 256, 0.01);
        row[at] = value;
        row
    };
    let rows = [
        vec![0.0; 256],
        vec![-0.0; 256],
        vec![1.0; 256],
        vec![-3.5; 256],
        outlier(0, 10.0),
        outlier(255, -10.0),
        normal(1, 256, 1.0).iter().map(|x| -x.abs() - 0.1).collect(),
        normal(1, 256, 1.0).iter().map(|x| x.abs() + 5.0).collect(),
        (0..256).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect(),
    ];
    for dtype in encoded_types() {
        for row in &rows {
            check(dtype, row);
        }
    }
}

#[test]
fn encoding_finite_rows_gives_finite_values() {
    for dtype in encoded_types() {
        for scale in [1e-45, 1e-39, 1e-8, 1e6, 1e30, 1e38] {
            let row = normal(1, 256, scale);
            let mut bytes = vec![0xa5; dtype.row_bytes(256).unwrap()];
            encode_row(dtype, &row, &mut bytes);
            let mut decoded = vec![f32::NAN; 256];
            decode_row(dtype, &bytes, &mut decoded);
            assert!(decoded.iter().all(|w| w.is_finite()), "{dtype} {scale}");
        }
    }
}

#[test]
fn packing_undoes_unpacking() {
    for dtype in [DType::Q4_0, DType::Q5_0, DType::Q8_0] {
        let n_in = 4 * dtype.block_len();
        let form = dtype.int_form().expect("a quantised type");
        let mut bytes = vec![0; dtype.row_bytes(n_in).unwrap()];
        made_up_row(dtype, 7, 1.0, &mut bytes);
        let (mut quants, mut scales) = (vec![0; n_in], vec![0.0; n_in / form.group]);
        let mut mins = vec![0.0; if form.has_mins { scales.len() } else { 0 }];
        unpack_row(dtype, &bytes, &mut quants, &mut scales, &mut mins);
        let mut packed = vec![0; bytes.len()];
        pack_row(dtype, &quants, &scales, &mut packed);
        assert_eq!(packed, bytes, "{dtype}");
    }
}

#[test]
fn made_up_rows_have_their_size() {
    for dtype in DType::all() {
        for size in [0.0625, 1.0, 200.0] {
            let mut bytes = vec![0; dtype.row_bytes(1024).unwrap()];
            made_up_row(dtype, 1, size, &mut bytes);
            let mut decoded = vec![f32::NAN; 1024];
            decode_row(dtype, &bytes, &mut decoded);
            let max = decoded.iter().fold(0.0f32, |max, w| max.max(w.abs()));
            assert!(max >= 0.5 * size && max <= 2.0 * size, "{dtype}: {max}, not {size}");
            assert!(decoded.iter().all(|w| w.is_finite()), "{dtype}");
        }
    }
}

/// `half` is the oracle: every f16, and f32 around every f16 and every midpoint.
#[test]
fn half_precision_is_exact() {
    let table = kernels::scalar();
    let every: Vec<u16> = (0..=u16::MAX).collect();
    let mut widened = vec![0.0; every.len()];
    (table.f16_to_f32)(&every, &mut widened);
    for (&h, &x) in every.iter().zip(&widened) {
        let expected = half::f16::from_bits(h).to_f32_const();
        assert!(x == expected || x.is_nan() && expected.is_nan(), "{h:#06x}");
        for bits in [x.to_bits() | 0xfff, x.to_bits() | 0x1000, x.to_bits() | 0x1001] {
            let near = f32::from_bits(bits);
            let mut got = [0; 2];
            (table.f32_to_f16)(&[x, near], &mut got);
            let expected = half::f16::from_f32_const(near).to_bits();
            assert!(got[1] == expected || near.is_nan(), "{near:e}: {:#06x}", got[1]);
            assert!(got[0] == h || x.is_nan(), "{h:#06x}: {:#06x}", got[0]);
        }
    }
}
