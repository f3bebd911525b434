//! Drafts from the text itself: what followed the last tokens when they stood there before
//! (prompt lookup decoding, Saxena 2023).

use std::collections::HashMap;

/// Shortest run of tokens that counts as seen before. On recorded answers runs of two gained 1% and
/// made one chat 1.6% slower.
const N_MATCH_MIN: usize = 3;
/// Longest run that is told from a longer one.
const N_MATCH_MAX: usize = 8;
/// Most earlier places that are compared, the latest first: the work for a token has a bound.
const N_PLACES_MAX: usize = 16;

/// Where the runs of a growing text were seen.
#[derive(Default)]
pub(crate) struct Lookup {
    /// The index of the last token of each run, where it was seen last.
    latest: HashMap<[u32; N_MATCH_MIN], u32>,
    /// `[n_tokens]`: the same of the run that ends at this token, where it was seen before.
    earlier: Vec<Option<u32>>,
}

impl Lookup {
    /// Fills `draft` with up to `n_max` tokens that followed the longest run that ends `tokens`,
    /// the latest of equally long ones. With nothing found it is empty.
    ///
    /// # Shapes
    /// - `tokens`: `[n_tokens]`, which begin with those of the call before
    pub(crate) fn draft(&mut self, tokens: &[u32], n_max: usize, draft: &mut Vec<u32>) {
        draft.clear();
        self.extend(tokens);
        let Some(first) = self.find(tokens) else { return };
        for idx in first..first + n_max {
            // A text that repeats itself runs into its own draft.
            let beyond = idx.checked_sub(tokens.len());
            draft.push(beyond.map_or_else(|| tokens[idx], |beyond| draft[beyond]));
        }
    }

    fn extend(&mut self, tokens: &[u32]) {
        for end in self.earlier.len()..tokens.len() {
            let run = tokens[..=end].last_chunk();
            self.earlier.push(run.and_then(|run| self.latest.insert(*run, end as u32)));
        }
    }

    /// The index of what followed the best earlier run.
    fn find(&self, tokens: &[u32]) -> Option<usize> {
        let before = |end: &usize| self.earlier[*end].map(|end| end as usize);
        let last = tokens.len().checked_sub(1)?;
        let places = std::iter::successors(before(&last), before).take(N_PLACES_MAX);
        let mut best = None;
        for end in places {
            let n = n_common(&tokens[..=end], tokens);
            if best.is_none_or(|(n_best, _)| n > n_best) {
                best = Some((n, end + 1));
            }
            if n == N_MATCH_MAX {
                break;
            }
        }
        best.map(|(_, first)| first)
    }
}

/// How many tokens at the ends are the same, up to `N_MATCH_MAX`.
fn n_common(a: &[u32], b: &[u32]) -> usize {
    let pairs = a.iter().rev().zip(b.iter().rev());
    pairs.take(N_MATCH_MAX).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(tokens: &[u32], n_max: usize, expected: &[u32]) {
        let mut draft = vec![99];
        Lookup::default().draft(tokens, n_max, &mut draft);
        assert_eq!(draft, expected);
    }

    #[test]
    fn what_was_never_seen_has_no_draft() {
        check(&[], 4, &[]);
        check(&[1, 2, 3], 4, &[]);
        check(&[1, 2, 3, 9, 2, 3], 4, &[]);
    }

    #[test]
    fn what_followed_is_the_draft() {
        check(&[1, 2, 3, 4, 5, 6, 1, 2, 3], 2, &[4, 5]);
        check(&[1, 2, 3, 4, 5, 6, 1, 2, 3], 0, &[]);
    }

    #[test]
    fn the_longest_run_wins_then_the_latest() {
        check(&[7, 1, 2, 3, 4, 1, 2, 3, 5, 7, 1, 2, 3], 1, &[4]);
        check(&[1, 2, 3, 4, 1, 2, 3, 5, 7, 1, 2, 3], 1, &[5]);
    }

    #[test]
    fn a_repetition_goes_on() {
        check(&[5, 5, 5, 5], 4, &[5, 5, 5, 5]);
        check(&[1, 2, 1, 2, 1, 2], 5, &[1, 2, 1, 2, 1]);
    }

    /// The definition, on the whole text.
    fn expected(tokens: &[u32], n_max: usize) -> Vec<u32> {
        let ends = (N_MATCH_MIN..tokens.len()).rev();
        let runs = ends.map(|end| (n_common(&tokens[..end], tokens), end));
        let runs = runs.filter(|(n, _)| *n >= N_MATCH_MIN).take(N_PLACES_MAX);
        let Some((_, first)) = runs.max_by_key(|&(n, end)| (n, end)) else { return Vec::new() };
        tokens[first..].iter().copied().cycle().take(n_max).collect()
    }

    proptest! {
        #[test]
        fn a_growing_text_finds_what_the_whole_one_holds(
            tokens in proptest::collection::vec(0u32..3, 0..120),
            stride in 1usize..5,
        ) {
            let (mut lookup, mut draft) = (Lookup::default(), Vec::new());
            for n in (0..tokens.len()).step_by(stride) {
                lookup.draft(&tokens[..n], 5, &mut draft);
                prop_assert_eq!(&draft, &expected(&tokens[..n], 5));
            }
        }
    }
}
