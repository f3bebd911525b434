//! Matrices of floats, encoded in blocks while they are loaded.

use std::ops::Range;

use kernels::{DType, block};

/// The rows of a matrix in another type; `None` where they are no whole blocks of it.
pub(super) fn quantized(
    bytes: &[u8],
    (from, to): (DType, DType),
    [n_out, n_in]: [usize; 2],
) -> Option<Vec<u8>> {
    let row_bytes = to.row_bytes(n_in).filter(|&n| n > 0)?;
    let from_bytes = from.row_bytes(n_in)?;
    let mut out = vec![0; n_out * row_bytes];
    fill_rows(&mut out, row_bytes, |rows, out| {
        let mut row = vec![0.0; n_in];
        let bytes = bytes[rows.start * from_bytes..].chunks_exact(from_bytes);
        for (bytes, out) in bytes.zip(out.chunks_exact_mut(row_bytes)) {
            block::decode_row(from, bytes, &mut row);
            block::encode_row(to, &row, out);
        }
    });
    Some(out)
}

/// Fills rows of `row_bytes` on all cores; `fill` is given some at a time, with their numbers.
pub(super) fn fill_rows(
    out: &mut [u8],
    row_bytes: usize,
    fill: impl Fn(Range<usize>, &mut [u8]) + Sync,
) {
    /// Two cache lines of words with a row each.
    const BAND: usize = 32;
    let n_bands = out.len().div_ceil(BAND * row_bytes);
    let n_rows = n_bands.div_ceil(n_threads()).max(1) * BAND;
    std::thread::scope(|scope| {
        for (part, out) in out.chunks_mut(n_rows * row_bytes).enumerate() {
            let fill = &fill;
            scope.spawn(move || {
                for (band, out) in out.chunks_mut(BAND * row_bytes).enumerate() {
                    let first = part * n_rows + band * BAND;
                    fill(first..first + out.len() / row_bytes, out);
                }
            });
        }
    });
}

fn n_threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_encoded_one_by_one() {
        let x: Vec<f32> = (0..7 * 64).map(|i| (i as f32 * 0.37).sin()).collect();
        let found = quantized(bytemuck::cast_slice(&x), (DType::F32, DType::Q8_0), [7, 64]);
        let found = found.expect("whole blocks");
        for (x, found) in x.chunks_exact(64).zip(found.chunks_exact(2 * 34)) {
            let mut expected = vec![0; 2 * 34];
            block::encode_row(DType::Q8_0, x, &mut expected);
            assert_eq!(found, expected);
        }
        let odd = quantized(&[0; 4 * 33], (DType::F32, DType::Q8_0), [1, 33]);
        assert_eq!(odd, None);
    }
}
