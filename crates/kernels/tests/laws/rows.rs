//! Reproducible random inputs, and the comparison that laws use.

use kernels::Kernels;

/// A linear congruential generator (Knuth's MMIX constants), upper bits.
pub(crate) fn random(seed: u64) -> impl FnMut() -> u32 {
    let mut state = seed;
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005);
        state = state.wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    }
}

/// Roughly normal values: four uniform ones summed, of variance `scale^2`.
pub(crate) fn normal(seed: u64, n: usize, scale: f32) -> Vec<f32> {
    let mut random = random(seed);
    let mut uniform = || random() as f32 / 4_294_967_296.0 - 0.5;
    let scale = scale * 3f32.sqrt();
    (0..n).map(|_| scale * (0..4).map(|_| uniform()).sum::<f32>()).collect()
}

pub(crate) fn bytes(seed: u64, n: usize) -> Vec<u8> {
    let mut random = random(seed);
    (0..n).map(|_| (random() >> 16) as u8).collect()
}

/// Equal bits, any NaN being as good as another.
pub(crate) fn check_same(what: &str, got: &[f32], expected: &[f32]) {
    assert_eq!(got.len(), expected.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(expected).enumerate() {
        let same = a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan();
        assert!(same, "{what}: at {i} {a:e}, not {b:e}");
    }
}

/// Tables to hold against the scalar one.
pub(crate) fn wide_tables() -> Vec<&'static Kernels> {
    let tables: Vec<_> = kernels::tables().filter(|table| table.name != "scalar").collect();
    if tables.is_empty() {
        eprintln!("skipped: this CPU runs the scalar table only");
    }
    tables
}
