//! Rates and rankings with what their number of cases lets one know of them.

use serde::{Deserialize, Serialize};

/// Two sides of 95% of a normal distribution.
const Z: f64 = 1.959_964;

/// A share of cases, with Wilson's interval (1927) for 95%.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rate {
    pub n_right: usize,
    pub n: usize,
    pub rate: f64,
    pub low: f64,
    pub high: f64,
}

impl Rate {
    /// Of no cases nothing is known.
    pub fn of(n_right: usize, n: usize) -> Self {
        assert!(n_right <= n);
        if n == 0 {
            return Self { n_right, n, rate: 0.0, low: 0.0, high: 1.0 };
        }
        let (count, rate) = (n as f64, n_right as f64 / n as f64);
        let shrink = 1.0 + Z * Z / count;
        let centre = (rate + Z * Z / (2.0 * count)) / shrink;
        let half = Z / shrink * (rate * (1.0 - rate) / count + (Z / (2.0 * count)).powi(2)).sqrt();
        Self { n_right, n, rate, low: (centre - half).max(0.0), high: (centre + half).min(1.0) }
    }
}

/// How often a score is larger for a positive case than for a negative one, ties counting half:
/// the area under the ROC curve, with the interval of Hanley & McNeil (1982) for 95%.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Auroc {
    pub auroc: f64,
    pub low: f64,
    pub high: f64,
    pub n_positive: usize,
    pub n_negative: usize,
}

impl Auroc {
    /// `None`: one of the kinds is missing.
    pub fn of(positive: &[f64], negative: &[f64]) -> Option<Self> {
        if positive.is_empty() || negative.is_empty() {
            return None;
        }
        let wins = |a: &f64| {
            let against = |b: &f64| match a.total_cmp(b) {
                std::cmp::Ordering::Greater => 1.0,
                std::cmp::Ordering::Equal => 0.5,
                std::cmp::Ordering::Less => 0.0,
            };
            negative.iter().map(against).sum::<f64>()
        };
        let (n_positive, n_negative) = (positive.len(), negative.len());
        let (np, nn) = (n_positive as f64, n_negative as f64);
        let area = positive.iter().map(wins).sum::<f64>() / (np * nn);
        let (q1, q2) = (area / (2.0 - area), 2.0 * area * area / (1.0 + area));
        let square = area * area;
        let variance =
            (area * (1.0 - area) + (np - 1.0) * (q1 - square) + (nn - 1.0) * (q2 - square))
                / (np * nn);
        let half = Z * variance.max(0.0).sqrt();
        let (low, high) = ((area - half).max(0.0), (area + half).min(1.0));
        Some(Self { auroc: area, low, high, n_positive, n_negative })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_have_wilsons_interval() {
        let check = |n_right, n, low: f64, high: f64| {
            let rate = Rate::of(n_right, n);
            assert!((rate.low - low).abs() < 1e-3 && (rate.high - high).abs() < 1e-3, "{rate:?}");
        };
        check(0, 0, 0.0, 1.0);
        check(0, 10, 0.0, 0.278);
        check(5, 10, 0.237, 0.763);
        check(180, 200, 0.851, 0.934);
        check(200, 200, 0.981, 1.0);
    }

    #[test]
    fn auroc_counts_pairs() {
        let check = |positive: &[f64], negative: &[f64], expected: f64| {
            let found = Auroc::of(positive, negative).expect("both kinds");
            assert!((found.auroc - expected).abs() < 1e-12, "{found:?}");
            assert!(found.low <= found.auroc && found.auroc <= found.high);
        };
        check(&[2.0, 3.0], &[0.0, 1.0], 1.0);
        check(&[0.0, 1.0], &[2.0, 3.0], 0.0);
        check(&[1.0, 3.0], &[1.0, 2.0], 0.625);
        check(&[1.0, 1.0], &[1.0, 1.0], 0.5);
        assert_eq!(Auroc::of(&[], &[1.0]), None);
    }
}
