//! The Hadamard transform.

/// Rotates a row by a normalised Hadamard matrix, by a block-diagonal one of them where the length
/// is no power of two (Sylvester's construction; the fast Walsh-Hadamard transform). Its own
/// inverse. A block is the largest power of two that divides the length.
#[inline(always)]
pub(crate) fn hadamard(x: &mut [f32]) {
    if x.is_empty() {
        return;
    }
    let n = 1usize << x.len().trailing_zeros();
    let norm = 1.0 / (n as f32).sqrt();
    for block in x.chunks_exact_mut(n) {
        let mut half = 1;
        while half < n {
            for pair in block.chunks_exact_mut(2 * half) {
                let (a, b) = pair.split_at_mut(half);
                for (a, b) in a.iter_mut().zip(b) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
            half *= 2;
        }
        block.iter_mut().for_each(|x| *x *= norm);
    }
}
