//! Byte-pair merging: join the best adjacent pair until no pair can be joined.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The id of a piece that is no token.
pub(crate) const NO_TOKEN: u32 = u32::MAX;

/// A stretch `text[start..end]` and the token it is, or [`NO_TOKEN`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: usize,
    pub(crate) end: usize,
    pub(crate) id: u32,
}

/// What two adjacent pieces become, and how early: the lowest rank is merged first.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merge {
    pub(crate) rank: u32,
    pub(crate) id: u32,
}

pub(crate) trait MergeRules {
    fn merge(&self, text: &[u8], left: Piece, right: Piece) -> Option<Merge>;
}

const NONE: usize = usize::MAX;

/// A piece in the list of those still alive; a node keeps its index when it grows to the right.
#[derive(Clone, Copy, Debug)]
struct Node {
    piece: Piece,
    prev: usize,
    next: usize,
}

/// A merge that was possible when it was found. Ordered by rank, then from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    left: usize,
    right: usize,
    /// Where the right piece ended: if it has grown since, the candidate is void.
    end: usize,
    id: u32,
}

/// The work space of [`Merger::run`], kept between words.
///
/// One pass costs `O(n log n)` for `n` pieces: every merge removes a piece and finds at most two
/// new candidates.
#[derive(Debug, Default)]
pub(crate) struct Merger {
    nodes: Vec<Node>,
    candidates: BinaryHeap<Reverse<Candidate>>,
}

impl Merger {
    /// Merges `pieces`, which lie one after the other in `text`, and yields what is left.
    pub(crate) fn run<R: MergeRules>(
        &mut self,
        text: &[u8],
        pieces: impl Iterator<Item = Piece>,
        rules: &R,
    ) -> impl Iterator<Item = Piece> + '_ {
        self.nodes.clear();
        self.candidates.clear();
        for (idx, piece) in pieces.enumerate() {
            self.nodes.push(Node { piece, prev: idx.wrapping_sub(1), next: idx + 1 });
        }
        if let Some(last) = self.nodes.last_mut() {
            last.next = NONE;
        }
        for left in 0..self.nodes.len().saturating_sub(1) {
            self.offer(text, left, left + 1, rules);
        }
        while let Some(Reverse(candidate)) = self.candidates.pop() {
            self.apply(text, candidate, rules);
        }
        let first = if self.nodes.is_empty() { None } else { Some(0) };
        let following = |idx: &usize| Some(self.nodes[*idx].next).filter(|next| *next != NONE);
        std::iter::successors(first, following).map(|idx| self.nodes[idx].piece)
    }

    fn offer<R: MergeRules>(&mut self, text: &[u8], left: usize, right: usize, rules: &R) {
        let (l, r) = (self.nodes[left].piece, self.nodes[right].piece);
        if let Some(Merge { rank, id }) = rules.merge(text, l, r) {
            self.candidates.push(Reverse(Candidate { rank, left, right, end: r.end, id }));
        }
    }

    fn apply<R: MergeRules>(&mut self, text: &[u8], candidate: Candidate, rules: &R) {
        let Candidate { left, right, end, id, .. } = candidate;
        // A piece merged away points at itself, so it is nobody's left neighbour.
        if self.nodes[left].next != right || self.nodes[right].piece.end != end {
            return;
        }
        let next = self.nodes[right].next;
        self.nodes[right].next = right;
        let node = &mut self.nodes[left];
        node.piece.end = end;
        node.piece.id = id;
        node.next = next;
        let prev = node.prev;
        if next != NONE {
            self.nodes[next].prev = left;
            self.offer(text, left, next, rules);
        }
        if prev != NONE {
            self.offer(text, prev, left, rules);
        }
    }
}
