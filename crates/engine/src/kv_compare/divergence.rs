//! How far distributions are from those of an f32 cache.

/// Logits of the f32 cache.
pub(super) struct Reference {
    /// `[n_rows, n_vocab]`
    logits: Vec<f32>,
    n_vocab: usize,
}

/// Over some rows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Divergence {
    /// `KL(p || q) = sum p ln(p / q)` in nats, with `p` of the f32 cache (Kullback and Leibler
    /// 1951).
    pub kl_mean: f64,
    /// 99% of the rows are at or below it.
    pub kl_p99: f64,
    pub kl_max: f64,
    /// Share of rows with the same likeliest token.
    pub same_top1: f64,
    /// Change of the mean negative log-likelihood of the text, nats a token.
    pub nll_change: f64,
}

/// Row after row of one setting beside the reference.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    kls: Vec<f64>,
    n_same_top1: usize,
    nll_change_sum: f64,
}

impl Reference {
    /// Room for all rows at once: they are large, and a copy of them larger still.
    pub(super) fn new(n_rows: usize, n_vocab: usize) -> Self {
        Self { logits: Vec::with_capacity(n_rows * n_vocab), n_vocab }
    }

    pub(super) fn push(&mut self, logits: &[f32]) {
        assert_eq!(logits.len(), self.n_vocab);
        self.logits.extend_from_slice(logits);
    }

    pub(super) fn row(&self, row_idx: usize) -> &[f32] {
        &self.logits[row_idx * self.n_vocab..][..self.n_vocab]
    }
}

impl Comparison {
    /// # Shapes
    /// - `p`, `q`: `[n_vocab]`, logits of the reference and of the setting, free of NaN
    pub(super) fn push(&mut self, p: &[f32], q: &[f32], next: u32) {
        let (p_ln_sum, q_ln_sum) = (LnSum::of(p), LnSum::of(q));
        let next = next as usize;
        // Rounding may leave a little less than nothing.
        self.kls.push(kl(p, &p_ln_sum, q, &q_ln_sum).max(0.0));
        self.n_same_top1 += usize::from(p_ln_sum.top1 == q_ln_sum.top1);
        self.nll_change_sum += p_ln_sum.ln_p(p[next]) - q_ln_sum.ln_p(q[next]);
    }

    pub(super) fn together(parts: &[Comparison]) -> Comparison {
        let mut all = Comparison::default();
        for part in parts {
            all.kls.extend_from_slice(&part.kls);
            all.n_same_top1 += part.n_same_top1;
            all.nll_change_sum += part.nll_change_sum;
        }
        all
    }

    /// Of at least one row.
    pub(super) fn divergence(&self) -> Divergence {
        let mut kls = self.kls.clone();
        kls.sort_by(f64::total_cmp);
        let n = kls.len();
        let n_rows = n as f64;
        Divergence {
            kl_mean: kls.iter().sum::<f64>() / n_rows,
            kl_p99: kls[(n * 99).div_ceil(100) - 1],
            kl_max: kls[n - 1],
            same_top1: self.n_same_top1 as f64 / n_rows,
            nll_change: self.nll_change_sum / n_rows,
        }
    }
}

/// What turns logits into log-probabilities, in f64: differences of 1e-9 count here.
struct LnSum {
    /// Of equal logits the lowest id.
    top1: usize,
    max: f32,
    /// `ln sum exp(logit - max)`
    ln_sum: f64,
}

impl LnSum {
    fn of(logits: &[f32]) -> Self {
        let mut top1 = 0;
        for (id, logit) in logits.iter().enumerate() {
            top1 = if *logit > logits[top1] { id } else { top1 };
        }
        let max = logits[top1];
        let sum: f64 = logits.iter().map(|&logit| minus_max(logit, max).exp()).sum();
        Self { top1, max, ln_sum: sum.ln() }
    }

    fn ln_p(&self, logit: f32) -> f64 {
        minus_max(logit, self.max) - self.ln_sum
    }
}

/// `logit - max`, and 0 for the largest even where it is infinite.
fn minus_max(logit: f32, max: f32) -> f64 {
    if logit == max { 0.0 } else { f64::from(logit) - f64::from(max) }
}

fn kl(p: &[f32], p_ln_sum: &LnSum, q: &[f32], q_ln_sum: &LnSum) -> f64 {
    let terms = p.iter().zip(q).map(|(&p, &q)| {
        let (ln_p, ln_q) = (p_ln_sum.ln_p(p), q_ln_sum.ln_p(q));
        // What has no probability adds nothing, whatever the other says of it.
        if p == f32::NEG_INFINITY { 0.0 } else { ln_p.exp() * (ln_p - ln_q) }
    });
    terms.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compare(rows: &[(&[f32], &[f32], u32)]) -> Divergence {
        let mut comparison = Comparison::default();
        rows.iter().for_each(|(p, q, next)| comparison.push(p, q, *next));
        comparison.divergence()
    }

    #[test]
    fn equal_logits_differ_by_nothing_at_all() {
        let p = [3.5f32, -1.25, 0.1, f32::NEG_INFINITY];
        let none =
            Divergence { kl_mean: 0.0, kl_p99: 0.0, kl_max: 0.0, same_top1: 1.0, nll_change: 0.0 };
        assert_eq!(compare(&[(&p, &p, 0), (&p, &p, 2)]), none);
    }

    #[test]
    fn two_outcomes_have_the_divergence_of_the_formula() {
        let ln = |p: f64| p.ln() as f32;
        let (p, q) = ([ln(0.75), ln(0.25)], [ln(0.5), ln(0.5)]);
        let found = compare(&[(&p, &q, 1)]);
        let expected = 0.75 * (0.75f64 / 0.5).ln() + 0.25 * (0.25f64 / 0.5).ln();
        assert!((found.kl_mean - expected).abs() < 1e-6, "{found:?}");
        // The token with a quarter now has a half.
        assert!((found.nll_change + std::f64::consts::LN_2).abs() < 1e-6, "{found:?}");
        assert_eq!(found.same_top1, 1.0, "equal ones: the lowest id");
        assert_eq!(compare(&[(&p, &[0.0, 1.0], 0)]).same_top1, 0.0);
    }

    #[test]
    fn the_99th_percentile_leaves_out_one_of_a_hundred() {
        let (p, far) = ([0.0f32, 0.0], [0.0f32, 5.0]);
        let mut rows = vec![(&p[..], &p[..], 0); 99];
        rows.push((&p, &far, 0));
        let found = compare(&rows);
        assert_eq!(found.kl_p99, 0.0);
        assert!(found.kl_max > 1.0 && (found.kl_mean - found.kl_max / 100.0).abs() < 1e-12);
        let parts = [Comparison { kls: vec![1.0], ..Default::default() }, Comparison::default()];
        assert_eq!(Comparison::together(&parts).divergence().kl_max, 1.0);
    }
}
