//! Keys that a sequence does not look at from some token on: what would it have said without them?

use std::ops::Range;

use super::cache::KvCache;
use super::policy::KvPolicy;
use super::sequences::SequenceId;

/// Keys that queries from a position on do not see, in all layers.
///
/// What tokens between the keys and that position have taken from them stays: the effect is a lower
/// bound, unless `from` is the end of the keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hidden {
    /// Positions.
    pub keys: Range<u32>,
    /// Not before the end of the keys.
    pub from: u32,
}

impl Hidden {
    /// What is left of the keys that a query sees; the first range is empty.
    pub(super) fn leave(&self, query_pos: u32, seen: [Range<u32>; 2]) -> [Range<u32>; 2] {
        let [first, second] = seen;
        if query_pos < self.from {
            return [first, second];
        }
        assert!(first.is_empty(), "only patterns of one range hide keys");
        let Range { start, end } = second;
        let before = start..end.min(self.keys.start).max(start);
        let behind = start.max(self.keys.end).min(end)..end;
        [before, behind]
    }
}

impl KvCache {
    /// Hides keys of a sequence that keeps all, from tokens that are not computed yet.
    ///
    /// What is computed under this is never remembered for other texts.
    pub fn hide(&mut self, id: SequenceId, hidden: Hidden) {
        assert_eq!(self.policy(id), KvPolicy::KeepAll);
        assert!(hidden.keys.start < hidden.keys.end && hidden.keys.end <= hidden.from);
        assert!(self.n_keys(id) <= hidden.from as usize, "those before it are computed as ever");
        self.sequences.get_mut(id).hidden = Some(hidden);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::AttentionPattern;

    #[test]
    fn what_is_left_is_what_is_seen_and_not_hidden() {
        const N: u32 = 14;
        let patterns = [
            AttentionPattern::Causal,
            AttentionPattern::SlidingWindow { window: 5 },
            AttentionPattern::Chunked { chunk: 4 },
        ];
        for pattern in patterns {
            for (start, end, from) in [(0, 1, 1), (2, 6, 6), (2, 6, 9), (5, 7, 13), (0, 9, 9)] {
                let hidden = Hidden { keys: start..end, from };
                for query_pos in 0..N {
                    let left = hidden.leave(query_pos, pattern.key_ranges(query_pos));
                    assert!(left[0].is_empty() || left[0].end <= left[1].start);
                    for key_pos in 0..N {
                        let is_hidden = query_pos >= from && (start..end).contains(&key_pos);
                        let expected = pattern.sees(query_pos, key_pos) && !is_hidden;
                        let found = left.iter().any(|range| range.contains(&key_pos));
                        assert_eq!(found, expected, "{pattern:?} {hidden:?} {query_pos} {key_pos}");
                    }
                }
            }
        }
    }
}
