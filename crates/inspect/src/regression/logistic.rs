//! Logistic regression with a ridge, where features may outnumber cases: Newton's method on the
//! dual, whose size is that of the cases.

use serde::{Deserialize, Serialize};

/// `p = 1 / (1 + exp(-(w x + b)))`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Logistic {
    /// `[n_features]`, of features as they are.
    pub weights: Vec<f64>,
    pub bias: f64,
    /// Of the squared weights of standardised features.
    pub penalty: f64,
}

impl Logistic {
    /// Minimises `sum_i ln(1 + exp(-y_i f_i)) + penalty / 2 |w|^2` of standardised features.
    ///
    /// # Shapes
    /// `features`: `[n_cases, n_features]`
    pub fn fit(features: &[Vec<f64>], labels: &[bool], penalty: f64) -> Self {
        assert!(!features.is_empty() && features.len() == labels.len());
        assert!(penalty > 0.0);
        let (standardised, scales) = standardise(features);
        let dual = Dual::fit(&gram(&standardised), labels, penalty);
        let mut weights = vec![0.0; scales.len()];
        for (case, alpha) in standardised.iter().zip(&dual.alphas) {
            weights.iter_mut().zip(case).for_each(|(weight, x)| *weight += alpha * x);
        }
        let mut bias = dual.bias;
        for (weight, &(mean, deviation)) in weights.iter_mut().zip(&scales) {
            *weight /= deviation;
            bias -= *weight * mean;
        }
        Self { weights, bias, penalty }
    }

    pub fn probability(&self, features: &[f64]) -> f64 {
        assert_eq!(features.len(), self.weights.len());
        let products = self.weights.iter().zip(features).map(|(weight, x)| weight * x);
        sigmoid(products.sum::<f64>() + self.bias)
    }
}

/// Features less their means in units of their deviations, and both; what never differs stays as
/// it is, at zero.
fn standardise(features: &[Vec<f64>]) -> (Vec<Vec<f64>>, Vec<(f64, f64)>) {
    let n = features.len() as f64;
    let scale = |feature: usize| {
        let mean = features.iter().map(|case| case[feature]).sum::<f64>() / n;
        let squares = features.iter().map(|case| (case[feature] - mean).powi(2)).sum::<f64>();
        let deviation = (squares / n).sqrt();
        (mean, if deviation > 1e-12 { deviation } else { 1.0 })
    };
    let scales: Vec<(f64, f64)> = (0..features[0].len()).map(scale).collect();
    let of_case = |case: &Vec<f64>| {
        let standard = |(x, (mean, deviation)): (&f64, &(f64, f64))| (x - mean) / deviation;
        case.iter().zip(&scales).map(standard).collect()
    };
    (features.iter().map(of_case).collect(), scales)
}

/// Products of all pairs of cases: `[n_cases, n_cases]`
fn gram(cases: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum();
    let row = |a: &Vec<f64>| cases.iter().map(|b| product(a, b)).collect();
    cases.iter().map(row).collect()
}

/// `f_i = sum_j K_ij alpha_j + b`, so that `w = sum_j alpha_j x_j`.
struct Dual {
    alphas: Vec<f64>,
    bias: f64,
}

impl Dual {
    /// Iteratively reweighted least squares: each step solves
    /// `(K + penalty / W) alpha + b = z`, `sum(alpha) = 0`,
    /// with `W = p (1 - p)` and `z = f + (y - p) / W`.
    fn fit(gram: &[Vec<f64>], labels: &[bool], penalty: f64) -> Self {
        const N_STEPS_MAX: usize = 100;
        /// Of `f`, in nats.
        const TOLERANCE: f64 = 1e-9;
        /// Where `p` has come to 0 or 1, the step is kept from being infinite.
        const W_MIN: f64 = 1e-6;
        let n = labels.len();
        let mut f = vec![0.0; n];
        let mut dual = Self { alphas: vec![0.0; n], bias: 0.0 };
        for _ in 0..N_STEPS_MAX {
            let mut matrix = gram.to_vec();
            let mut z = vec![0.0; n];
            for i in 0..n {
                let p = sigmoid(f[i]);
                let w = (p * (1.0 - p)).max(W_MIN);
                matrix[i][i] += penalty / w;
                z[i] = f[i] + (f64::from(u8::from(labels[i])) - p) / w;
            }
            let factor = cholesky(matrix);
            let (of_z, of_one) = (solve(&factor, &z), solve(&factor, &vec![1.0; n]));
            dual.bias = of_z.iter().sum::<f64>() / of_one.iter().sum::<f64>();
            let bias = dual.bias;
            dual.alphas = of_z.iter().zip(&of_one).map(|(z, one)| z - bias * one).collect();
            let next: Vec<f64> = gram
                .iter()
                .map(|row| row.iter().zip(&dual.alphas).map(|(k, a)| k * a).sum::<f64>() + bias)
                .collect();
            let change = f.iter().zip(&next).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            f = next;
            if change < TOLERANCE {
                break;
            }
        }
        dual
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The lower factor of a matrix that is symmetric and positive definite.
fn cholesky(mut matrix: Vec<Vec<f64>>) -> Vec<Vec<f64>> {
    for i in 0..matrix.len() {
        for j in 0..=i {
            let (above, below) = matrix.split_at(i);
            let (row, other) = (&below[0], if j < i { &above[j] } else { &below[0] });
            let products = row[..j].iter().zip(&other[..j]).map(|(a, b)| a * b);
            let rest = row[j] - products.sum::<f64>();
            matrix[i][j] = if i == j { rest.sqrt() } else { rest / matrix[j][j] };
        }
    }
    matrix
}

/// Solves `L L^T x = y`.
fn solve(lower: &[Vec<f64>], y: &[f64]) -> Vec<f64> {
    let mut x = y.to_vec();
    for i in 0..x.len() {
        let known: f64 = lower[i][..i].iter().zip(&x).map(|(l, x)| l * x).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    for i in (0..x.len()).rev() {
        let known: f64 = (i + 1..x.len()).map(|j| lower[j][i] * x[j]).sum();
        x[i] = (x[i] - known) / lower[i][i];
    }
    x
}

#[cfg(test)]
mod tests {
    use engine::sampler::uniform;

    use super::*;

    /// The gradient in all weights and in the bias is zero, however many features there are.
    fn check(n: usize, n_features: usize, penalty: f64) {
        let draw = |i: usize, j: usize| uniform(7, (i * n_features + j) as u64);
        let features: Vec<Vec<f64>> =
            (0..n).map(|i| (0..n_features).map(|j| draw(i, j)).collect()).collect();
        let labels: Vec<bool> =
            (0..n).map(|i| features[i][0] + 0.5 * draw(i + n, 1) > 0.75).collect();
        let fitted = Logistic::fit(&features, &labels, penalty);
        let (standardised, scales) = standardise(&features);
        let errors: Vec<f64> = features
            .iter()
            .zip(&labels)
            .map(|(case, &label)| fitted.probability(case) - f64::from(u8::from(label)))
            .collect();
        assert!(errors.iter().sum::<f64>().abs() < 1e-6);
        for j in 0..n_features {
            let of_cases: f64 = errors.iter().zip(&standardised).map(|(e, x)| e * x[j]).sum();
            let gradient = of_cases + penalty * fitted.weights[j] * scales[j].1;
            assert!(gradient.abs() < 1e-6, "{j}: {gradient}");
        }
    }

    #[test]
    fn what_is_fitted_has_no_gradient() {
        check(40, 3, 1.0);
        check(20, 50, 1.0);
        check(20, 50, 0.01);
        check(6, 2, 100.0);
    }

    #[test]
    fn features_that_never_differ_count_nothing() {
        let features = vec![vec![1.0, 5.0], vec![2.0, 5.0], vec![3.0, 5.0], vec![4.0, 5.0]];
        let fitted = Logistic::fit(&features, &[false, false, true, true], 1.0);
        assert_eq!(fitted.weights[1], 0.0);
        assert!(fitted.weights[0] > 0.0);
        assert!((fitted.probability(&[2.5, 9.0]) - 0.5).abs() < 1e-9);
    }
}
