//! Who computes how many tokens in the next step, and who must give up its cache.

use std::ops::Range;

use crate::request::Client;
use crate::sequence::RequestId;

/// Fills `plan` with the next step of `sequences`, which come in the order of [`take_turns`] and
/// each want at least one token. A pure function; there are no phases, everyone catches up:
///
/// - **Who runs.** The first sequences, as many as the step has tokens and for whose known tokens
///   there is room in the cache. None runs ahead of one before it that waits, so every sequence
///   comes to be the first, and the first always runs.
/// - **Who gives up.** A sequence that needs room takes that of the last, never of one before it.
/// - **How far.** Who wants one token, to write the next, gets it: decoding never waits for
///   prompts. The others share what is left, clients alike, and the sequences of each client
///   alike; what one does not need goes to the others, so a short prompt passes through beside a
///   long one. While somebody writes, they share [`Budget::n_tokens_beside`], so that no prompt
///   makes a step much longer than those before and after it.
/// - **Drafts** of those who catch up take tokens and room that nobody else wants, the first ones
///   first.
///
/// A sequence holds the bytes of `n_computed` positions; one that gives up holds none. The plan
/// keeps its memory, so that a step allocates nothing.
///
/// # Panics
/// When not even the first alone has room for its tokens: whoever admits sequences must refuse
/// those beyond the cache, else nothing would ever move.
pub fn schedule(sequences: &[SequenceView], budget: Budget<'_>, plan: &mut Plan) {
    assert!(budget.n_tokens_max > 0);
    assert!(budget.n_tokens_beside > 0);
    assert!(sequences.is_sorted_by_key(|sequence| (sequence.turn, sequence.id)));
    assert!(sequences.iter().all(|sequence| sequence.n_computed < sequence.n_tokens));
    plan.chunks.clear();
    plan.preempted.clear();
    let (n_running, n_bytes_free) = choose(sequences, budget, &mut plan.preempted);
    assert!(n_running > 0 || sequences.is_empty(), "the first sequence does not fit the cache");
    let running = &sequences[..n_running];
    plan.chunks.extend(running.iter().map(SequenceView::whole_chunk));
    share(&mut plan.chunks, budget);
    add_drafts(running, Budget { n_bytes_free, ..budget }, &mut plan.chunks);
}

/// Sorts sequences so that clients take turns: the oldest of each, then the second of each, and so
/// on; those of one turn by age. So nobody waits for another client's tenth request, and the oldest
/// of all is the first.
pub fn take_turns(sequences: &mut [SequenceView]) {
    sequences.sort_unstable_by_key(|sequence| (sequence.client, sequence.id));
    for of_client in sequences.chunk_by_mut(|a, b| a.client == b.client) {
        let eldest = of_client[0].id;
        for (turn, sequence) in of_client.iter_mut().enumerate() {
            (sequence.turn, sequence.eldest) = (turn, eldest);
        }
    }
    sequences.sort_unstable_by_key(|sequence| (sequence.turn, sequence.id));
}

/// What the scheduler knows of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SequenceView {
    pub id: RequestId,
    pub client: Client,
    /// Sequences of the same client that are older, set by [`take_turns`].
    pub turn: usize,
    /// The oldest sequence of the same client, set there too.
    pub eldest: RequestId,
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
    /// Of prompts, in a step in which others write.
    pub n_tokens_beside: usize,
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
    /// Whose cache to release before computing; the last first.
    pub preempted: Vec<RequestId>,
}

/// Tokens of one sequence, from `n_computed` on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    pub id: RequestId,
    /// The oldest sequence of the same client.
    pub eldest: RequestId,
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

    fn whole_chunk(&self) -> Chunk {
        let tokens = self.n_computed..self.n_tokens;
        Chunk { id: self.id, eldest: self.eldest, tokens, n_draft: 0 }
    }
}

/// How many of the first sequences run, and how many bytes they leave.
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
            let last = &sequences[end];
            if last.n_computed > 0 {
                n_free += last.n_bytes_held(budget);
                preempted.push(last.id);
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

/// Cuts the chunks to what the step has; those that get nothing are dropped. There are no more of
/// them than tokens.
fn share(chunks: &mut Vec<Chunk>, budget: Budget<'_>) {
    assert!(chunks.len() <= budget.n_tokens_max);
    let n_writing = chunks.iter().filter(|chunk| chunk.tokens.len() == 1).count();
    let mut n_left = budget.n_tokens_max - n_writing;
    if n_writing > 0 {
        n_left = n_left.min(budget.n_tokens_beside);
    }
    chunks.sort_unstable_by_key(|chunk| (chunk.tokens.len() == 1, chunk.eldest, chunk.id));
    let n_prompts = chunks.len() - n_writing;
    let prompts = &mut chunks[..n_prompts];
    let of_clients = || prompts.chunk_by(is_of_one_client).map(n_tokens);
    let mut shares = Shares::of(of_clients, n_left);
    for of_client in prompts.chunk_by_mut(is_of_one_client) {
        let n = shares.take(n_tokens(of_client));
        let wanted = || of_client.iter().map(|chunk| chunk.tokens.len());
        let mut shares = Shares::of(wanted, n);
        for Chunk { tokens, .. } in of_client {
            tokens.end = tokens.start + shares.take(tokens.len());
        }
    }
    chunks.retain(|chunk| !chunk.tokens.is_empty());
    chunks.sort_unstable_by_key(|chunk| (chunk.tokens.len(), chunk.id));
}

fn is_of_one_client(a: &Chunk, b: &Chunk) -> bool {
    a.eldest == b.eldest
}

fn n_tokens(chunks: &[Chunk]) -> usize {
    chunks.iter().map(|chunk| chunk.tokens.len()).sum()
}

/// Equal shares of some tokens: who wants less than the others leaves the rest to them (max-min
/// fairness, Bertsekas and Gallager 1992, section 6.5.2).
struct Shares {
    /// What everyone gets who wants it.
    n_each: usize,
    /// Tokens that do not go round: one more for the first ones who want it.
    n_rest: usize,
}

impl Shares {
    /// `wanted` gives what each one wants.
    fn of<I: Iterator<Item = usize>>(wanted: impl Fn() -> I, n: usize) -> Self {
        let n_taken = |n_each: usize| wanted().map(|wanted| wanted.min(n_each)).sum::<usize>();
        // The answer lies in `fits..too_many`.
        let (mut fits, mut too_many) = (0, n + 1);
        while too_many - fits > 1 {
            let middle = fits + (too_many - fits) / 2;
            *(if n_taken(middle) <= n { &mut fits } else { &mut too_many }) = middle;
        }
        Self { n_each: fits, n_rest: n - n_taken(fits) }
    }

    /// The share of the next one.
    fn take(&mut self, n_wanted: usize) -> usize {
        let has_more = n_wanted > self.n_each && self.n_rest > 0;
        self.n_rest -= usize::from(has_more);
        n_wanted.min(self.n_each) + usize::from(has_more)
    }
}

/// Gives drafts what is left of the step's tokens and of the cache.
fn add_drafts(running: &[SequenceView], budget: Budget<'_>, chunks: &mut [Chunk]) {
    let n_used: usize = chunks.iter().map(|chunk| chunk.tokens.len()).sum();
    let (mut n_tokens_left, mut n_bytes_left) = (budget.n_tokens_max - n_used, budget.n_bytes_free);
    for sequence in running.iter().filter(|sequence| sequence.n_draft > 0) {
        let chunk = chunks.iter_mut().find(|chunk| chunk.id == sequence.id);
        let Some(chunk) = chunk.filter(|chunk| chunk.tokens.end == sequence.n_tokens) else {
            continue;
        };
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

    /// Prompt tokens of a step in which others write.
    const N_BESIDE: usize = 28;

    fn view(id: u64, client: u64, n_computed: usize, n_tokens: usize) -> SequenceView {
        let (id, client) = (RequestId(id), Client(client));
        SequenceView { id, client, turn: 0, eldest: id, n_tokens, n_computed, n_draft: 0 }
    }

    /// The plan where a block of ten positions is a byte.
    fn planned(
        mut sequences: Vec<SequenceView>,
        (n_tokens_max, n_bytes_free): (usize, usize),
    ) -> Plan {
        let mut plan = Plan::default();
        let bytes = &|_: RequestId, n_positions: usize| n_positions.div_ceil(10);
        take_turns(&mut sequences);
        let n_tokens_beside = N_BESIDE;
        let budget = Budget { n_tokens_max, n_tokens_beside, n_bytes_free, bytes };
        schedule(&sequences, budget, &mut plan);
        plan
    }

    /// `sequences`: `(n_computed, n_tokens)`; `expected`: chunks as `(id, tokens)`, then who
    /// gives up.
    fn check(
        sequences: &[(usize, usize)],
        budget: (usize, usize),
        expected: (&[(u64, Range<usize>)], &[u64]),
    ) {
        let of_one = |&(n_computed, n_tokens): &(usize, usize)| (0, n_computed, n_tokens);
        check_clients(&sequences.iter().map(of_one).collect::<Vec<_>>(), budget, expected);
    }

    /// `sequences`: `(client, n_computed, n_tokens)`.
    fn check_clients(
        sequences: &[(u64, usize, usize)],
        budget: (usize, usize),
        expected: (&[(u64, Range<usize>)], &[u64]),
    ) {
        let sequences = (0..).zip(sequences);
        let sequences = sequences.map(|(id, &(client, a, b))| view(id, client, a, b)).collect();
        let plan = planned(sequences, budget);
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
        let chunks = [(2, 20..21), (1, 0..3), (3, 0..12), (0, 0..13)];
        check(&sequences, (32, 99), (&chunks, &[]));
    }

    #[test]
    fn the_youngest_wait_when_there_are_more_sequences_than_tokens() {
        check(&[(5, 6), (0, 90), (5, 6)], (2, 99), (&[(0, 5..6), (1, 0..1)], &[]));
    }

    #[test]
    fn a_prompt_beside_others_takes_no_more_than_its_bound() {
        check(&[(0, 90)], (64, 99), (&[(0, 0..64)], &[]));
        check(&[(0, 90), (0, 40)], (64, 99), (&[(0, 0..32), (1, 0..32)], &[]));
        check(&[(0, 90), (5, 6)], (64, 99), (&[(1, 5..6), (0, 0..28)], &[]));
        let chunks = [(1, 5..6), (3, 7..8), (0, 0..14), (2, 0..14)];
        check(&[(0, 90), (5, 6), (0, 40), (7, 8)], (64, 99), (&chunks, &[]));
    }

    #[test]
    fn clients_share_alike_whatever_they_ask() {
        let greedy = [(1, 0, 90), (1, 0, 90), (1, 0, 90), (2, 0, 90)];
        let chunks = [(1, 0..10), (2, 0..10), (0, 0..11), (3, 0..31)];
        check_clients(&greedy, (62, 99), (&chunks, &[]));
        // One that wants less leaves the rest.
        let modest = [(1, 0, 90), (1, 0, 90), (2, 0, 5)];
        check_clients(&modest, (65, 99), (&[(2, 0..5), (0, 0..30), (1, 0..30)], &[]));
    }

    #[test]
    fn the_first_of_a_client_comes_before_the_second_of_another() {
        let sequences = [(1, 5, 6), (1, 5, 6), (1, 15, 16), (2, 0, 9)];
        check_clients(&sequences, (2, 99), (&[(0, 5..6), (3, 0..1)], &[]));
        check_clients(&sequences, (32, 0), (&[(0, 5..6), (1, 5..6), (3, 0..9)], &[2]));
    }

    #[test]
    fn the_oldest_prompt_gets_a_token_however_many_others_there_are() {
        let sequences: Vec<_> = (0..60).map(|i| (100 - i, 0, 90)).chain([(200, 5, 6)]).collect();
        let n = planned(
            (0..).zip(&sequences).map(|(id, &(client, a, b))| view(id, client, a, b)).collect(),
            (64, 99_999),
        );
        let ids: Vec<_> = n.chunks.iter().map(|chunk| chunk.id.0).collect();
        assert_eq!(ids, (0..N_BESIDE as u64).chain([60]).collect::<Vec<_>>());
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
        budget: (usize, usize),
        expected: &[usize],
    ) {
        let view = |(id, &(a, b, n_draft))| SequenceView { n_draft, ..view(id, 0, a, b) };
        let mut plan = planned((0..).zip(sequences).map(view).collect(), budget);
        plan.chunks.sort_by_key(|chunk| chunk.id);
        let drafts: Vec<_> = plan.chunks.iter().map(|chunk| chunk.n_draft).collect();
        assert_eq!(drafts, expected);
    }

    #[test]
    fn drafts_take_what_is_left() {
        check_drafts(&[(4, 5, 3), (0, 9, 0), (6, 7, 3)], (32, 99), &[3, 0, 3]);
        check_drafts(&[(4, 5, 3), (0, 9, 0), (6, 7, 3)], (15, 99), &[3, 0, 1]);
        check_drafts(&[(4, 5, 3), (0, 90, 0)], (29, 99), &[0, 0]);
        check_drafts(&[(4, 5, 3), (0, 90, 0)], (31, 99), &[2, 0]);
        // Up to the end of a block, and no further without another.
        check_drafts(&[(7, 8, 5), (7, 8, 5), (7, 8, 5)], (32, 1), &[5, 2, 2]);
        // Who does not catch up has no use for a draft.
        check_drafts(&[(0, 9, 5)], (8, 99), &[0]);
    }

    #[test]
    #[should_panic(expected = "the first sequence does not fit the cache")]
    fn a_sequence_larger_than_the_cache_is_a_bug_of_whoever_admitted_it() {
        check(&[(0, 21)], (32, 2), (&[], &[]));
    }
}
