//! Rotary position encoding of one head (Su et al. 2021, eq. 34): pair `i` turns by angle `i`.

#[inline(always)]
pub(crate) fn rope_interleaved(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    assert_eq!(cos.len(), sin.len(), "a sine for each cosine");
    let pairs = head[..2 * cos.len()].as_chunks_mut::<2>().0;
    for ((pair, cos), sin) in pairs.iter_mut().zip(cos).zip(sin) {
        let [a, b] = *pair;
        *pair = [a * cos - b * sin, a * sin + b * cos];
    }
}

#[inline(always)]
pub(crate) fn rope_half_split(head: &mut [f32], cos: &[f32], sin: &[f32]) {
    assert_eq!(cos.len(), sin.len(), "a sine for each cosine");
    let (first, second) = head[..2 * cos.len()].split_at_mut(cos.len());
    for (((a, b), cos), sin) in first.iter_mut().zip(second).zip(cos).zip(sin) {
        (*a, *b) = (*a * cos - *b * sin, *a * sin + *b * cos);
    }
}
