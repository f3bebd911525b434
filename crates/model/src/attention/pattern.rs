//! Which keys a query may see.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionPattern {
    Causal,
    /// The last `window` positions, the query's own included.
    SlidingWindow {
        window: u32,
    },
    Bidirectional,
}

impl AttentionPattern {
    /// The definition of masking (A1); everything else is tested against it.
    pub fn sees(self, query_pos: u32, key_pos: u32) -> bool {
        match self {
            Self::Causal => key_pos <= query_pos,
            Self::SlidingWindow { window } => key_pos <= query_pos && query_pos - key_pos < window,
            Self::Bidirectional => true,
        }
    }

    /// The visible positions as one range.
    pub fn key_range(self, query_pos: u32) -> Range<u32> {
        match self {
            Self::Causal => 0..query_pos + 1,
            Self::SlidingWindow { window } => (query_pos + 1).saturating_sub(window)..query_pos + 1,
            Self::Bidirectional => 0..u32::MAX,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AttentionPattern::{self, Bidirectional, Causal, SlidingWindow};

    #[track_caller]
    fn check(pattern: AttentionPattern) {
        const N: u32 = 12;
        for query_pos in 0..N {
            let range = pattern.key_range(query_pos);
            for key_pos in 0..N {
                let (sees, inside) = (pattern.sees(query_pos, key_pos), range.contains(&key_pos));
                assert_eq!(sees, inside, "{pattern:?}: query {query_pos}, key {key_pos}");
            }
        }
    }

    #[test]
    fn key_range_is_exactly_what_sees_allows() {
        check(Causal);
        check(Bidirectional);
        for window in [1, 2, 3, 11, 12, 13, u32::MAX] {
            check(SlidingWindow { window });
        }
    }
}
