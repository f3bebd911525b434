//! Which keys a query may see.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionPattern {
    Causal,
    /// The last `window` positions, the query's own included.
    SlidingWindow {
        window: u32,
    },
    /// The positions of the query's own chunk of the text, up to itself (Llama 4).
    Chunked {
        chunk: u32,
    },
    /// The first `n_sinks` positions and the last `window` (StreamingLLM, Xiao et al. 2024).
    SinksAndWindow {
        n_sinks: u32,
        window: u32,
    },
    Bidirectional,
    /// The positions up to half a `window` away, on both sides.
    SymmetricWindow {
        window: u32,
    },
}

impl AttentionPattern {
    /// The definition of masking (A1); everything else is tested against it.
    pub fn sees(self, query_pos: u32, key_pos: u32) -> bool {
        match self {
            Self::Causal => key_pos <= query_pos,
            Self::SlidingWindow { window } => key_pos <= query_pos && query_pos - key_pos < window,
            Self::Chunked { chunk } => key_pos <= query_pos && key_pos / chunk == query_pos / chunk,
            Self::SinksAndWindow { n_sinks, window } => {
                key_pos <= query_pos && (key_pos < n_sinks || query_pos - key_pos < window)
            }
            Self::Bidirectional => true,
            Self::SymmetricWindow { window } => key_pos.abs_diff(query_pos) <= window / 2,
        }
    }

    /// The visible positions as two ranges, the second behind the first. Only patterns with sinks
    /// have two; the first of the others is empty.
    pub fn key_ranges(self, query_pos: u32) -> [Range<u32>; 2] {
        let end = query_pos + 1;
        match self {
            Self::Causal => [0..0, 0..end],
            Self::SlidingWindow { window } => [0..0, end.saturating_sub(window)..end],
            Self::Chunked { chunk } => [0..0, query_pos / chunk * chunk..end],
            Self::SinksAndWindow { n_sinks, window } => {
                let start = end.saturating_sub(window);
                [0..n_sinks.min(start), start..end]
            }
            Self::Bidirectional => [0..0, 0..u32::MAX],
            Self::SymmetricWindow { window } => {
                let half = window / 2;
                [0..0, query_pos.saturating_sub(half)..end.saturating_add(half)]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::AttentionPattern::{
        self, Bidirectional, Causal, Chunked, SinksAndWindow, SlidingWindow, SymmetricWindow,
    };

    #[track_caller]
    fn check(pattern: AttentionPattern) {
        const N: u32 = 12;
        for query_pos in 0..N {
            let ranges = pattern.key_ranges(query_pos);
            assert!(ranges[0].is_empty() || ranges[0].end <= ranges[1].start);
            for key_pos in 0..N {
                let sees = pattern.sees(query_pos, key_pos);
                let inside = ranges.iter().any(|range| range.contains(&key_pos));
                assert_eq!(sees, inside, "{pattern:?}: query {query_pos}, key {key_pos}");
            }
        }
    }

    #[test]
    fn key_ranges_are_exactly_what_sees_allows() {
        check(Causal);
        check(Bidirectional);
        for window in [1, 2, 3, 11, 12, 13, u32::MAX] {
            check(SlidingWindow { window });
            check(Chunked { chunk: window });
            check(SymmetricWindow { window });
            for n_sinks in [0, 1, 4, 12, u32::MAX] {
                check(SinksAndWindow { n_sinks, window });
            }
        }
    }
}
