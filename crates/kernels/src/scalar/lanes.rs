//! Reductions in a fixed order: value `i` goes to lane `i % 16`, then lanes fold in halves.

pub(crate) const LANES: usize = 16;

#[inline(always)]
pub(crate) fn sum(lanes: [f32; LANES]) -> f32 {
    fold(lanes, |a, b| a + b)
}

/// The sum of all values.
#[inline(always)]
pub(crate) fn total(x: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            sums[i] += chunk[i];
        }
    }
    for (i, x) in rest.iter().enumerate() {
        sums[i] += x;
    }
    sum(sums)
}

#[inline(always)]
pub(crate) fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut sums = [0.0f32; LANES];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in x.iter().zip(y) {
        for i in 0..LANES {
            sums[i] = x[i].mul_add(y[i], sums[i]);
        }
    }
    for (i, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        sums[i] = x.mul_add(*y, sums[i]);
    }
    sum(sums)
}

/// The greatest of `start` and `x`; NaN in `x` is passed over.
#[inline(always)]
pub(crate) fn max(x: &[f32], start: f32) -> f32 {
    let greater = |a: f32, b: f32| if b > a { b } else { a };
    let mut maxima = [start; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for i in 0..LANES {
            maxima[i] = greater(maxima[i], chunk[i]);
        }
    }
    for (i, x) in rest.iter().enumerate() {
        maxima[i] = greater(maxima[i], *x);
    }
    fold(maxima, greater)
}

#[inline(always)]
fn fold(mut lanes: [f32; LANES], join: impl Fn(f32, f32) -> f32) -> f32 {
    let mut n = LANES;
    while n > 1 {
        n /= 2;
        for i in 0..n {
            lanes[i] = join(lanes[i], lanes[i + n]);
        }
    }
    lanes[0]
}
