//! Logistic regression, and what it says of cases that it has not seen.

mod logistic;

pub use logistic::Logistic;

/// A regression on all cases, and what others of its penalty say of each case that they had not
/// seen.
pub(crate) struct CrossValidated {
    pub(crate) logistic: Logistic,
    /// `[n_cases]`
    pub(crate) unseen: Vec<f64>,
}

/// Of standardised features.
const PENALTIES: [f64; 5] = [1.0, 10.0, 100.0, 1_000.0, 10_000.0];

/// With the penalty that makes unseen cases likeliest. Cases of one fold, of `n_folds`, are left
/// out together: what they have in common is not to be learnt.
///
/// # Shapes
/// `features`: `[n_cases, n_features]`
pub(crate) fn cross_validated(
    features: &[Vec<f64>],
    labels: &[bool],
    (n_folds, fold_of): (usize, impl Fn(usize) -> usize),
) -> CrossValidated {
    let unseen = |penalty: f64| -> Vec<f64> {
        let mut probabilities = vec![0.0; features.len()];
        for fold in 0..n_folds {
            let is_out = |idx: &usize| fold_of(*idx) == fold;
            let kept = (0..features.len()).filter(|idx| !is_out(idx));
            let (seen, labels): (Vec<Vec<f64>>, Vec<bool>) =
                kept.map(|idx| (features[idx].clone(), labels[idx])).unzip();
            let logistic = Logistic::fit(&seen, &labels, penalty);
            for idx in (0..features.len()).filter(is_out) {
                probabilities[idx] = logistic.probability(&features[idx]);
            }
        }
        probabilities
    };
    let loss = |probabilities: &[f64]| -> f64 {
        let of_one = |(p, &label): (&f64, &bool)| {
            let p = if label { *p } else { 1.0 - p };
            -p.max(f64::MIN_POSITIVE).ln()
        };
        probabilities.iter().zip(labels).map(of_one).sum()
    };
    let tried = PENALTIES.map(|penalty| (penalty, unseen(penalty)));
    let best = tried.into_iter().min_by(|a, b| loss(&a.1).total_cmp(&loss(&b.1)));
    let (penalty, unseen) = best.expect("there are penalties");
    CrossValidated { logistic: Logistic::fit(features, labels, penalty), unseen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unseen_cases_are_told_apart_by_what_tells_them_apart() {
        let labels: Vec<bool> = (0..40).map(|idx| idx % 2 == 0).collect();
        let noise = |idx: usize| ((idx * 7919) % 13) as f64;
        let telling: Vec<Vec<f64>> =
            (0..40).map(|idx| vec![f64::from(u8::from(labels[idx])), noise(idx)]).collect();
        let found = cross_validated(&telling, &labels, (5, |idx| idx / 2 % 5));
        assert!((0..40).all(|idx| (found.unseen[idx] > 0.5) == labels[idx]), "{:?}", found.unseen);
        // Each group alone has its own feature: nothing can be learnt from others.
        let own: Vec<Vec<f64>> = (0..40)
            .map(|idx| (0..20).map(|group| f64::from(u8::from(group == idx / 2))).collect())
            .collect();
        let found = cross_validated(&own, &labels, (5, |idx| idx / 2 % 5));
        assert!(found.unseen.iter().all(|p| (p - 0.5).abs() < 1e-6), "{:?}", found.unseen);
    }
}
