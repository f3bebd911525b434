//! Who computes how many tokens in the next step, and who must give up its cache.

use std::ops::Range;

use crate::sequence::RequestId;

/// Fills `plan` with the next step of `sequences`, which come in the order of arrival and each
/// want at least one token. A pure function; there are no phases, everyone catches up:
///
/// - **Who runs.** The oldest sequences, as many as the step has tokens and for whose known
///   tokens there is room in the cache. No younger one runs ahead of one that waits, so every
///   sequence comes to be the oldest, and the oldest always runs.
/// - **Who gives up.** A sequence that needs room takes that of the youngest, never of older
///   ones.
/// - **How far.** All get an equal share of the step's tokens; what one does not need goes to
///   the others. Everyone who runs gets at least one token, so decoding never waits for prompts,
///   and a short prompt passes through beside a long one.
/// - **Drafts** of those who catch up take tokens and room that nobody else wants, the oldest
///   first.
///
/// A sequence holds the bytes of `n_computed` positions; one that gives up holds none. The plan
/// keeps its memory, so that a step allocates nothing.
///
/// # Panics
/// When not even the oldest alone has room for its tokens: whoever admits sequences must
/// refuse those beyond the cache, else nothing would ever move.
pub fn schedule(sequences: &[SequenceView], budget: Budget<'_>, plan: &mut Plan) {
    assert!(budget.n_tokens_max > 0);
    assert!(sequences.is_sorted_by(|a, b| a.id < b.id));
    assert!(sequences.iter().all(|sequence| sequence.n_computed < sequence.n_tokens));
    plan.chunks.clear();
    plan.preempted.clear();
    let (n_running, n_bytes_free) = choose(sequences, budget, &mut plan.preempted);
    assert!(n_running > 0 || sequences.is_empty(), "the oldest sequence does not fit the cache");
    let wanted = |sequence: &SequenceView| Chunk {
        id: sequence.id,
        tokens: sequence.n_computed..sequence.n_tokens,
        n_draft: 0,
    };
    plan.chunks.extend(sequences[..n_running].iter().map(wanted));
    share(&mut plan.chunks, budget.n_tokens_max);
    add_drafts(&sequences[..n_running], Budget { n_bytes_free, ..budget }, &mut plan.chunks);
}

/// What the scheduler knows of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceView {
    pub id: RequestId,
    pub n_tokens: usize,
    pub n_computed: usize,
    /// Tokens that may follow, to be computed beside the last one.
    pub n_draft: usize,
}

/// What one step may use.
#[derive(Clone, Copy)]
pub struct Budget<'a> {
    /// Tokens computed in one step.
    pub n_tokens_max: usize,
    /// Bytes of the cache that nobody holds.
    pub n_bytes_free: usize,
    /// Bytes that a sequence holds when so many of its positions are computed; never fewer for
    /// more.
    pub bytes: &'a dyn Fn(RequestId, usize) -> usize,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What to compute; those with the fewest tokens first.
    pub chunks: Vec<Chunk>,
    /// Whose cache to release before computing; the youngest first.
    pub preempted: Vec<RequestId>,
}

/// Tokens of one sequence, from `n_computed` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub id: RequestId,
    pub tokens: Range<usize>,
    /// Drafted tokens after them; only where they end with the sequence's last.
    pub n_draft: usize,
}

impl SequenceView {
    fn n_bytes_held(&self, budget: Budget<'_>) -> usize {
        (budget.bytes)(self.id, self.n_computed)
    }

    fn n_bytes_missing(&self, budget: Budget<'_>) -> usize {
        (budget.bytes)(self.id, self.n_tokens) - self.n_bytes_held(budget)
    }
}

/// How many of the oldest sequences run, and how many bytes they leave.
fn choose(
    sequences: &[SequenceView],
    budget: Budget<'_>,
    preempted: &mut Vec<RequestId>,
) -> (usize, usize) {
    let mut n_free = budget.n_bytes_free;
    // Those from `end` on hold nothing in this step.
    let mut end = sequences.len();
    let mut n_running = 0;
    while n_running < end.min(budget.n_tokens_max) {
        let sequence = &sequences[n_running];
        let n_missing = sequence.n_bytes_missing(budget);
        while n_missing > n_free && end > n_running + 1 {
            end -= 1;
            let youngest = &sequences[end];
            if youngest.n_computed > 0 {
                n_free += youngest.n_bytes_held(budget);
                preempted.push(youngest.id);
            }
        }
        if n_missing > n_free {
            break;
        }
        n_free -= n_missing;
        n_running += 1;
    }
    (n_running, n_free)
}

/// Cuts the chunks so that they sum to at most `n_tokens_max`, which is no less than their number.
fn share(chunks: &mut [Chunk], n_tokens_max: usize) {
    assert!(chunks.len() <= n_tokens_max);
    chunks.sort_unstable_by_key(|chunk| (chunk.tokens.len(), chunk.id));
    let mut n_left = n_tokens_max;
    for chunk_idx in 0..chunks.len() {
        // Those that want less than their share come first and leave the rest to the others.
        let n_share = n_left / (chunks.len() - chunk_idx);
        let tokens = &mut chunks[chunk_idx].tokens;
        tokens.end = tokens.end.min(tokens.start + n_share);
        n_left -= tokens.len();
    }
}

/// Gives drafts what is left of the step's tokens and of the cache.
fn add_drafts(running: &[SequenceView], budget: Budget<'_>, chunks: &mut [Chunk]) {
    let n_used: usize = chunks.iter().map(|chunk| chunk.tokens.len()).sum();
    let (mut n_tokens_left, mut n_bytes_left) = (budget.n_tokens_max - n_used, budget.n_bytes_free);
    for sequence in running.iter().filter(|sequence| sequence.n_draft > 0) {
        let chunk = chunks.iter_mut().find(|chunk| chunk.id == sequence.id);
        let chunk = chunk.expect("those who run have a chunk");
        if chunk.tokens.end < sequence.n_tokens {
            continue;
        }
        let bytes = |n_positions: usize| (budget.bytes)(sequence.id, n_positions);
        let n_bytes = |n_draft| bytes(sequence.n_tokens + n_draft) - bytes(sequence.n_tokens);
        let mut drafts = (0..=sequence.n_draft.min(n_tokens_left)).rev();
        chunk.n_draft = drafts.find(|&n_draft| n_bytes(n_draft) <= n_bytes_left).unwrap_or(0);
        n_tokens_left -= chunk.n_draft;
        n_bytes_left -= n_bytes(chunk.n_draft);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `sequences`: `(n_computed, n_tokens)`; `expected`: chunks as `(id, tokens)`, then who
    /// gives up.
    fn check(
        sequences: &[(usize, usize)],
        (n_tokens_max, n_bytes_free): (usize, usize),
        expected: (&[(u64, Range<usize>)], &[u64]),
    ) {
        let view = |(id, &(n_computed, n_tokens))| SequenceView {
            id: RequestId(id),
            n_tokens,
            n_computed,
            n_draft: 0,
        };
        let sequences: Vec<_> = (0..).zip(sequences).map(view).collect();
        let mut plan = Plan::default();
        // One byte a block of ten.
        let bytes = &|_: RequestId, n_positions: usize| n_positions.div_ceil(10);
        schedule(&sequences, Budget { n_tokens_max, n_bytes_free, bytes }, &mut plan);
        let chunks: Vec<_> = plan.chunks.iter().map(|c| (c.id.0, c.tokens.clone())).collect();
        let preempted: Vec<_> = plan.preempted.iter().map(|id| id.0).collect();
        assert_eq!((&*chunks, &*preempted), expected);
    }

    #[test]
    fn nothing_to_do_is_an_empty_plan() {
        check(&[], (8, 0), (&[], &[]));
    }

    #[test]
    fn decoding_comes_first_and_prompts_share_the_rest() {
        let sequences = [(0, 50), (0, 3), (20, 21), (0, 90)];
        let chunks = [(2, 20..21), (1, 0..3), (0, 0..14), (3, 0..14)];
        check(&sequences, (32, 99), (&chunks, &[]));
    }

    #[test]
    fn the_youngest_wait_when_there_are_more_sequences_than_tokens() {
        check(&[(5, 6), (0, 90), (5, 6)], (2, 99), (&[(0, 5..6), (1, 0..1)], &[]));
    }

    #[test]
    fn nobody_starts_without_room_for_all_its_tokens() {
        check(&[(5, 6), (0, 21), (0, 5)], (32, 2), (&[(0, 5..6)], &[]));
        check(&[(5, 6), (0, 20), (0, 5)], (32, 2), (&[(0, 5..6), (1, 0..20)], &[]));
    }

    #[test]
    fn who_needs_room_takes_that_of_the_youngest() {
        let sequences = [(10, 11), (10, 11), (10, 11), (0, 1)];
        check(&sequences, (32, 1), (&[(0, 10..11), (1, 10..11)], &[2]));
        check(&sequences, (32, 0), (&[(0, 10..11)], &[2]));
        check(&[(10, 11), (15, 16)], (32, 0), (&[(0, 10..11)], &[1]));
        // The younger one found its beginning in the cache.
        check(&[(0, 11), (10, 11)], (32, 1), (&[(0, 0..11)], &[1]));
    }

    /// `sequences`: `(n_computed, n_tokens, n_draft)`; `expected`: drafts, by the order of arrival.
    fn check_drafts(
        sequences: &[(usize, usize, usize)],
        (n_tokens_max, n_bytes_free): (usize, usize),
        expected: &[usize],
    ) {
        let view = |(id, &(n_computed, n_tokens, n_draft))| SequenceView {
            id: RequestId(id),
            n_tokens,
            n_computed,
            n_draft,
        };
        let sequences: Vec<_> = (0..).zip(sequences).map(view).collect();
        let mut plan = Plan::default();
        let bytes = &|_: RequestId, n_positions: usize| n_positions.div_ceil(10);
        schedule(&sequences, Budget { n_tokens_max, n_bytes_free, bytes }, &mut plan);
        plan.chunks.sort_by_key(|chunk| chunk.id);
        let drafts: Vec<_> = plan.chunks.iter().map(|chunk| chunk.n_draft).collect();
        assert_eq!(drafts, expected);
    }

    #[test]
    fn drafts_take_what_is_left() {
        check_drafts(&[(4, 5, 3), (0, 9, 0), (6, 7, 3)], (32, 99), &[3, 0, 3]);
        check_drafts(&[(4, 5, 3), (0, 9, 0), (6, 7, 3)], (15, 99), &[3, 0, 1]);
        check_drafts(&[(4, 5, 3), (0, 90, 0)], (32, 99), &[0, 0]);
        // Up to the end of a block, and no further without another.
        check_drafts(&[(7, 8, 5), (7, 8, 5), (7, 8, 5)], (32, 1), &[5, 2, 2]);
        // Who does not catch up has no use for a draft.
        check_drafts(&[(0, 9, 5)], (8, 99), &[0]);
    }

    #[test]
    #[should_panic(expected = "the oldest sequence does not fit the cache")]
    fn a_sequence_larger_than_the_cache_is_a_bug_of_whoever_admitted_it() {
        check(&[(0, 21)], (32, 2), (&[], &[]));
    }
}
