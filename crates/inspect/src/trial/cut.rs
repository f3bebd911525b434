//! Where to cut a score in two.

use serde::{Deserialize, Serialize};

use super::Rate;

/// Scores of at least `at` are called positive. Rates are those of the cases that it was chosen
/// by: others fare worse.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cut {
    pub at: f64,
    /// Of the positive cases.
    pub found: Rate,
    /// Of the negative ones: false alarms.
    pub false_alarms: Rate,
}

impl Cut {
    /// The one with the best index of Youden (1950), `found - false_alarms`; of equal ones the
    /// highest, which alarms least. `None`: one of the kinds is missing.
    pub fn best(positive: &[f64], negative: &[f64]) -> Option<Self> {
        if positive.is_empty() || negative.is_empty() {
            return None;
        }
        let mut scores = [positive, negative].concat();
        scores.sort_by(f64::total_cmp);
        scores.dedup();
        // Between neighbours, so that neither lies on the edge; and above the lowest only.
        let between = scores.windows(2).map(|pair| (pair[0] + pair[1]) / 2.0);
        let all = between.chain([scores[0]]).map(|at| Self::at(at, positive, negative));
        let youden = |cut: &Self| cut.found.rate - cut.false_alarms.rate;
        all.max_by(|a, b| youden(a).total_cmp(&youden(b)).then(a.at.total_cmp(&b.at)))
    }

    /// The one that finds most with no more than a share of false alarms; the highest of equal
    /// ones. `None`: one of the kinds is missing.
    pub fn with_false_alarms(max: f64, positive: &[f64], negative: &[f64]) -> Option<Self> {
        if positive.is_empty() || negative.is_empty() {
            return None;
        }
        let mut at = [positive, negative].concat();
        // Above all there are no alarms.
        at.push(at.iter().copied().fold(f64::MIN, f64::max).next_up());
        let all = at.into_iter().map(|at| Self::at(at, positive, negative));
        let quiet = all.filter(|cut| cut.false_alarms.rate <= max);
        quiet.max_by(|a, b| a.found.rate.total_cmp(&b.found.rate).then(a.at.total_cmp(&b.at)))
    }

    pub fn at(at: f64, positive: &[f64], negative: &[f64]) -> Self {
        let above =
            |of: &[f64]| Rate::of(of.iter().filter(|&&score| score >= at).count(), of.len());
        Self { at, found: above(positive), false_alarms: above(negative) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_cut_is_youdens() {
        let check = |positive: &[f64], negative: &[f64], at: f64, rates: (f64, f64)| {
            let cut = Cut::best(positive, negative).expect("both kinds");
            assert_eq!((cut.at, (cut.found.rate, cut.false_alarms.rate)), (at, rates));
        };
        check(&[3.0, 4.0], &[1.0, 2.0], 2.5, (1.0, 0.0));
        check(&[2.0, 5.0], &[1.0, 3.0], 4.0, (0.5, 0.0));
        check(&[1.0], &[1.0], 1.0, (1.0, 1.0));
        assert_eq!(Cut::best(&[], &[1.0]), None);
    }

    #[test]
    fn false_alarms_are_bounded() {
        let check = |positive: &[f64], negative: &[f64], max: f64, rates: (f64, f64)| {
            let cut = Cut::with_false_alarms(max, positive, negative).expect("both kinds");
            assert_eq!((cut.found.rate, cut.false_alarms.rate), rates);
        };
        check(&[3.0, 4.0], &[1.0, 2.0], 0.0, (1.0, 0.0));
        check(&[1.5, 4.0], &[1.0, 2.0], 0.0, (0.5, 0.0));
        check(&[1.5, 4.0], &[1.0, 2.0], 0.5, (1.0, 0.5));
        check(&[1.0], &[1.0], 0.9, (0.0, 0.0));
        assert_eq!(Cut::with_false_alarms(0.1, &[1.0], &[]), None);
    }
}
