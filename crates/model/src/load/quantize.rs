//! Matrices of floats, encoded in blocks while they are loaded.

use kernels::{DType, block};

/// The rows of a matrix in another type; `None` where they are no whole blocks of it.
pub(super) fn quantized(
    bytes: &[u8],
    (from, to): (DType, DType),
    [n_out, n_in]: [usize; 2],
) -> Option<Vec<u8>> {
    let row_bytes = to.row_bytes(n_in).filter(|&n| n > 0)?;
    let (from_bytes, n_threads) = (from.row_bytes(n_in)?, n_threads());
    let mut out = vec![0; n_out * row_bytes];
    let n_rows = n_out.div_ceil(n_threads).max(1);
    let parts = bytes.chunks(n_rows * from_bytes).zip(out.chunks_mut(n_rows * row_bytes));
    std::thread::scope(|scope| {
        for (bytes, out) in parts {
            scope.spawn(move || {
                let mut row = vec![0.0; n_in];
                let rows = bytes.chunks_exact(from_bytes).zip(out.chunks_exact_mut(row_bytes));
                for (bytes, out) in rows {
                    block::decode_row(from, bytes, &mut row);
                    block::encode_row(to, &row, out);
                }
            });
        }
    });
    Some(out)
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
