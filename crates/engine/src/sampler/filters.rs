//! The steps that decide which tokens stay: top-k, top-p, min-p.

use std::cmp::Ordering;

/// A token that may still be drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: u32,
    pub(super) logit: f32,
    /// Probability relative to the likeliest token's.
    pub(super) weight: f32,
}

impl Candidate {
    /// The likelier first, of equal ones the lower id: a total order, so filters have one answer.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        let logits = other.logit.partial_cmp(&self.logit).expect("no candidate is NaN");
        logits.then(self.id.cmp(&other.id))
    }
}

/// Room that [`top_k`] needs in `candidates`, to allocate before the first token.
pub(super) fn n_candidates_max(n_vocab: usize, k: usize) -> usize {
    k.saturating_mul(2).min(n_vocab)
}

/// Fills `candidates`, in no particular order, with the `k` largest logits above minus infinity.
///
/// One pass that keeps at most `2 k` candidates and selects among them when they are full: most
/// logits cost one comparison with the least that still counts.
///
/// # Shapes
/// - `logits`: `[n_vocab]`
pub(super) fn top_k(logits: &[f32], k: usize, candidates: &mut Vec<Candidate>) {
    assert!(k > 0);
    candidates.clear();
    let n_max = n_candidates_max(logits.len(), k);
    let mut floor = f32::NEG_INFINITY;
    for (id, &logit) in (0..).zip(logits) {
        // A later token with the floor's own logit has a higher id and loses the tie.
        if logit > floor {
            if candidates.len() == n_max {
                keep_largest(candidates, k);
                floor = candidates[k - 1].logit;
                if logit <= floor {
                    continue;
                }
            }
            candidates.push(Candidate { id, logit, weight: 0.0 });
        }
    }
    keep_largest(candidates, k);
}

/// Leaves the `k` largest, the least of them last when there were more.
fn keep_largest(candidates: &mut Vec<Candidate>, k: usize) {
    if k < candidates.len() {
        candidates.select_nth_unstable_by(k - 1, Candidate::order);
        candidates.truncate(k);
    }
}

/// `weight = exp(logit)`, for logits whose largest is 0.
pub(super) fn weigh(candidates: &mut [Candidate]) {
    for candidate in candidates {
        candidate.weight = candidate.logit.exp();
    }
}

/// Keeps the fewest likeliest candidates whose probabilities sum to at least `p`, at least one
/// (nucleus sampling, Holtzman et al. 2020, section 3.1).
///
/// Halves the range in which the last one kept must lie: `O(n)`, where sorting all would be
/// `O(n log n)`. The likeliest candidate has weight 1.
pub(super) fn top_p(candidates: &mut Vec<Candidate>, p: f32) {
    if p >= 1.0 {
        return;
    }
    let target = f64::from(p) * total(candidates);
    // Lighter ones come to less than `1 - p` of the likeliest alone, so the heavier ones to `p`.
    let floor = (1.0 - p) / candidates.len() as f32;
    candidates.retain(|candidate| candidate.weight >= floor);
    // Those before `start` stay, with `kept` their sum; those from `end` on go.
    let (mut start, mut end, mut kept) = (0, candidates.len(), 0.0);
    while end - start > 1 {
        let n_half = (end - start) / 2;
        let range = &mut candidates[start..end];
        range.select_nth_unstable_by(n_half, Candidate::order);
        let half = total(&range[..n_half]);
        if kept + half >= target {
            end = start + n_half;
        } else {
            start += n_half;
            kept += half;
        }
    }
    candidates.truncate(end);
}

/// Drops candidates less likely than `p` times the likeliest (Nguyen et al. 2024, min-p).
pub(super) fn min_p(candidates: &mut Vec<Candidate>, p: f32) {
    candidates.retain(|candidate| candidate.weight >= p);
}

/// The weights' sum.
pub(super) fn total(candidates: &[Candidate]) -> f64 {
    candidates.iter().map(|candidate| f64::from(candidate.weight)).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// All candidates of `logits`, as every filter's definition sees them: sorted and weighed.
    fn sorted(logits: &[f32]) -> Vec<Candidate> {
        let candidate = |(id, &logit)| Candidate { id, logit, weight: 0.0 };
        let mut candidates: Vec<_> = (0..).zip(logits).map(candidate).collect();
        candidates.retain(|candidate| candidate.logit > f32::NEG_INFINITY);
        candidates.sort_by(Candidate::order);
        weigh(&mut candidates);
        candidates
    }

    fn ids(candidates: &[Candidate]) -> Vec<u32> {
        let mut ids: Vec<u32> = candidates.iter().map(|candidate| candidate.id).collect();
        ids.sort_unstable();
        ids
    }

    fn check_top_k(logits: &[f32], k: usize) {
        let mut candidates = Vec::with_capacity(n_candidates_max(logits.len(), k));
        let capacity = candidates.capacity();
        top_k(logits, k, &mut candidates);
        let expected = sorted(logits);
        assert_eq!(ids(&candidates), ids(&expected[..k.min(expected.len())]));
        assert_eq!(candidates.capacity(), capacity);
    }

    fn check_top_p(logits: &[f32], p: f32) {
        let expected = sorted(logits);
        let target = f64::from(p) * total(&expected);
        let reaches = |&n: &usize| total(&expected[..n]) >= target || n == expected.len();
        let n = (1..).find(reaches).unwrap();
        let mut candidates = sorted(logits);
        candidates.sort_by_key(|candidate| candidate.id);
        top_p(&mut candidates, p);
        assert_eq!(ids(&candidates), ids(&expected[..if p < 1.0 { n } else { expected.len() }]));
    }

    /// Eighths, so that sums of weights are no matter of rounding and ties are common; 0 is among
    /// them, as after the temperature step.
    fn logits() -> impl Strategy<Value = Vec<f32>> {
        let logit = prop_oneof![
            9 => (-80i32..=0).prop_map(|x| x as f32 / 8.0),
            1 => Just(f32::NEG_INFINITY),
        ];
        proptest::collection::vec(logit, 0..200).prop_map(|mut logits| {
            logits.insert(logits.len() / 2, 0.0);
            logits
        })
    }

    proptest! {
        #[test]
        fn top_k_is_the_first_k_of_all_sorted(logits in logits(), k in 1usize..250) {
            check_top_k(&logits, k);
        }

        #[test]
        fn top_p_is_the_shortest_sorted_prefix_that_reaches_p(logits in logits(), p in 0f32..1.0) {
            check_top_p(&logits, p);
        }
    }

    #[test]
    fn top_k_gives_ties_to_the_lowest_id() {
        let mut candidates = Vec::new();
        top_k(&[0.0; 100], 3, &mut candidates);
        assert_eq!(ids(&candidates), [0, 1, 2]);
        check_top_k(&[f32::NEG_INFINITY; 4], 2);
        check_top_k(&[1.0, f32::INFINITY, f32::MAX, f32::INFINITY], 1);
    }

    #[test]
    fn top_p_keeps_one_at_zero_all_at_one_and_no_more_than_it_needs() {
        let logits = [0.0, -1.0, -90.0, -2.0];
        check_top_p(&logits, 0.0);
        check_top_p(&logits, 1.0);
        check_top_p(&[0.0; 4], 0.5);
        let mut candidates = sorted(&logits);
        top_p(&mut candidates, 0.0);
        assert_eq!(ids(&candidates), [0]);
    }

    #[test]
    fn min_p_is_relative_to_the_likeliest() {
        let check = |p, expected: &[u32]| {
            let mut candidates = sorted(&[0.25f32.ln(), 0.0, 0.1f32.ln(), 0.0]);
            min_p(&mut candidates, p);
            assert_eq!(ids(&candidates), expected);
        };
        check(0.0, &[0, 1, 2, 3]);
        check(0.2, &[0, 1, 3]);
        check(1.0, &[1, 3]);
    }
}
