//! Some of a sequence's keys, blocks or chunks: what a query sees is not always one range.

use std::ops::Range;

/// Two ranges of indices, the second behind the first; either may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spans([Range<usize>; 2]);

impl Spans {
    pub fn new(ranges: [Range<usize>; 2]) -> Self {
        assert!(ranges[0].is_empty() || ranges[0].end <= ranges[1].start, "ranges in order");
        Self(ranges)
    }

    pub fn contains(&self, idx: usize) -> bool {
        self.0.iter().any(|range| range.contains(&idx))
    }

    pub fn len(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.0.iter().all(Range::is_empty)
    }

    pub fn iter(&self) -> impl Iterator<Item = usize> + use<> {
        let [first, second] = self.0.clone();
        first.chain(second)
    }

    /// What lies before the first of them, and between the two ranges.
    pub fn gaps(&self) -> [Range<usize>; 2] {
        let [first, second] = &self.0;
        match first.is_empty() {
            true => [0..second.start, 0..0],
            false => [0..first.start, first.end..second.start.max(first.end)],
        }
    }

    /// The `i`th index.
    pub fn nth(&self, i: usize) -> usize {
        let [first, second] = &self.0;
        if i < first.len() { first.start + i } else { second.start + (i - first.len()) }
    }

    /// What lies within a range, counted from its start.
    pub fn within(&self, range: &Range<usize>) -> [Range<usize>; 2] {
        let clamp = |idx: usize| idx.clamp(range.start, range.end) - range.start;
        self.0.clone().map(|span| clamp(span.start)..clamp(span.end))
    }

    /// The same, as spans of the same indices.
    pub fn clip(&self, range: &Range<usize>) -> Self {
        Self(self.within(range).map(|span| span.start + range.start..span.end + range.start))
    }

    /// Ranges over the first ranges of both and over the second ones.
    pub fn hull(self, other: Self) -> Self {
        let [a, b] = self.0;
        let [c, d] = other.0;
        Self::join([hull(a, c), hull(b, d)])
    }

    /// Units of `size` indices that hold one of these.
    pub fn units(&self, size: usize) -> Self {
        Self::join(self.0.clone().map(|span| match span.is_empty() {
            true => 0..0,
            false => span.start / size..span.end.div_ceil(size),
        }))
    }

    /// One range where two overlap; the first begins before the second.
    pub fn join([first, second]: [Range<usize>; 2]) -> Self {
        if first.is_empty() || second.is_empty() || first.end <= second.start {
            return if second.is_empty() { Self([0..0, first]) } else { Self([first, second]) };
        }
        Self([0..0, hull(first, second)])
    }
}

fn hull(a: Range<usize>, b: Range<usize>) -> Range<usize> {
    match (a.is_empty(), b.is_empty()) {
        (_, true) => a,
        (true, _) => b,
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_hold_what_is_seen_and_nothing_else() {
        for (first, second) in
            [(0..0, 0..0), (0..0, 5..9), (0..3, 5..40), (0..4, 23..40), (1..2, 2..3)]
        {
            let spans = Spans::new([first, second]);
            for size in [1, 4, 8] {
                let units = spans.units(size);
                for unit in 0..12 {
                    let is_seen = spans.iter().any(|idx| idx / size == unit);
                    assert_eq!(
                        units.iter().any(|u| u == unit),
                        is_seen,
                        "{spans:?} by {size}: {unit}"
                    );
                    let range = unit * size..(unit + 1) * size;
                    let clipped: Vec<_> = spans.clip(&range).iter().collect();
                    assert!(clipped.into_iter().eq(spans.iter().filter(|idx| range.contains(idx))));
                }
                let all: Vec<_> = units.iter().collect();
                assert!(all.is_sorted_by(|a, b| a < b) && all.len() == units.len());
                assert!((0..units.len()).all(|i| units.nth(i) == all[i]));
            }
        }
    }

    #[test]
    fn hulls_cover_both() {
        let check = |a: [Range<usize>; 2], b: [Range<usize>; 2], expected: [Range<usize>; 2]| {
            assert_eq!(Spans::new(a).hull(Spans::new(b)), Spans(expected));
        };
        check([0..4, 30..40], [0..4, 31..41], [0..4, 30..41]);
        check([0..0, 0..4], [0..2, 3..5], [0..0, 0..5]);
        check([0..0, 0..0], [0..2, 3..5], [0..2, 3..5]);
        check([0..0, 7..9], [0..0, 0..0], [0..0, 7..9]);
    }
}
