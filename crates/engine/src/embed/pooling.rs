//! Many vectors become one, and vectors are compared.

/// Which of a text's hidden states become its vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// That of the first token, which stands for the text where models are trained so.
    Cls,
    /// That of the last token, which has seen all others where tokens look back only.
    Last,
}

impl Pooling {
    pub const ALL: [Self; 3] = [Self::Mean, Self::Cls, Self::Last];

    pub fn name(self) -> &'static str {
        match self {
            Self::Mean => "mean",
            Self::Cls => "cls",
            Self::Last => "last",
        }
    }
}

/// The tokens of one text, one after the other.
pub(super) struct Pool {
    pooling: Pooling,
    n_tokens: usize,
    /// `[d_model]`: a sum, or the vector. In f64, so that long texts lose nothing.
    values: Vec<f64>,
}

impl Pool {
    pub(super) fn new(pooling: Pooling) -> Self {
        Self { pooling, n_tokens: 0, values: Vec::new() }
    }

    /// `row`: `[d_model]`
    pub(super) fn add(&mut self, row: &[f32]) {
        let widened = row.iter().map(|&x| f64::from(x));
        match self.pooling {
            Pooling::Mean if self.n_tokens > 0 => {
                self.values.iter_mut().zip(widened).for_each(|(sum, x)| *sum += x);
            }
            Pooling::Cls if self.n_tokens > 0 => (),
            Pooling::Mean | Pooling::Cls | Pooling::Last => {
                self.values.clear();
                self.values.extend(widened);
            }
        }
        self.n_tokens += 1;
    }

    pub(super) fn finish(self) -> Vec<f32> {
        let n = match self.pooling {
            Pooling::Mean => self.n_tokens as f64,
            Pooling::Cls | Pooling::Last => 1.0,
        };
        self.values.into_iter().map(|x| (x / n) as f32).collect()
    }
}

/// Makes a vector's length one; one of zeros stays.
pub fn normalize(vector: &mut [f32]) {
    let length = length(vector);
    if length > 0.0 {
        vector.iter_mut().for_each(|x| *x = (f64::from(*x) / length) as f32);
    }
}

/// `a . b / (|a| |b|)`, from -1 to 1; 0 where one of them is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
    let lengths = length(a) * length(b);
    if lengths > 0.0 { (dot / lengths).clamp(-1.0, 1.0) } else { 0.0 }
}

fn length(vector: &[f32]) -> f64 {
    vector.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_one() {
        let check = |pooling: Pooling, expected: [f32; 2]| {
            let mut pool = Pool::new(pooling);
            [[1.0, 5.0], [2.0, 0.0], [6.0, 4.0]].iter().for_each(|row| pool.add(row));
            assert_eq!(pool.finish(), expected, "{pooling:?}");
        };
        check(Pooling::Mean, [3.0, 3.0]);
        check(Pooling::Cls, [1.0, 5.0]);
        check(Pooling::Last, [6.0, 4.0]);
    }

    #[test]
    fn directions_are_compared() {
        assert_eq!(cosine(&[3.0, 4.0], &[6.0, 8.0]), 1.0);
        assert_eq!(cosine(&[1.0, 0.0], &[0.0, 2.0]), 0.0);
        assert_eq!(cosine(&[1.0, 0.0], &[-3.0, 0.0]), -1.0);
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 0.0]), 0.0);
        let mut vector = [3.0, -4.0];
        normalize(&mut vector);
        assert_eq!(vector, [0.6, -0.8]);
        let mut zero = [0.0; 2];
        normalize(&mut zero);
        assert_eq!(zero, [0.0; 2]);
    }
}
