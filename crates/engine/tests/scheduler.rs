//! A simulated engine: random requests and budgets, invariants checked after every step.

use std::collections::BTreeMap;

use engine::scheduler::{Budget, Chunk, Plan, SequenceView, schedule, take_turns};
use engine::{Client, RequestId};

const N_REQUESTS: usize = 20;
const N_BLOCKS_MAX: usize = 31;
const BLOCK_LEN_MAX: usize = 8;
/// Steps beyond which a simulation is stuck: each request alone, one token a step, started again
/// for every other.
const N_STEPS_MAX: usize = N_REQUESTS * N_REQUESTS * N_BLOCKS_MAX * BLOCK_LEN_MAX;

/// A request and what is left of it.
struct Request {
    view: SequenceView,
    /// Tokens at which it ends.
    n_tokens_end: usize,
    arrives_at_step: usize,
    /// Tokens that are in the cache when it arrives, where there is room.
    n_reused: usize,
}

/// Random numbers of one simulation.
struct Random {
    seed: u64,
    n_drawn: u64,
}

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.n_drawn += 1;
        (engine::sampler::uniform(self.seed, self.n_drawn) * n as f64) as usize
    }
}

struct Simulation {
    random: Random,
    n_blocks: usize,
    n_tokens_max: usize,
    n_tokens_beside: usize,
    block_len: usize,
    /// Those that have not ended, the oldest first.
    requests: Vec<Request>,
    step: usize,
    n_preempted: usize,
    n_tokens_computed: usize,
    n_tokens_reused: usize,
}

impl Simulation {
    fn new(seed: u64) -> Self {
        let mut random = Random { seed, n_drawn: 0 };
        let block_len = 1 + random.below(BLOCK_LEN_MAX);
        let n_blocks = 2 + random.below(N_BLOCKS_MAX - 1);
        let n_tokens_max = 1 + random.below(if seed.is_multiple_of(2) { 4 } else { 40 });
        let n_tokens_beside = 1 + random.below(n_tokens_max);
        let n_clients = 1 + random.below(5);
        let request = |id| {
            let n_tokens_end = 2 + random.below(n_blocks * block_len - 1);
            let n_tokens = 1 + random.below(n_tokens_end - 1);
            let (id, client) = (RequestId(id), Client(random.below(n_clients) as u64));
            let view = SequenceView {
                id,
                client,
                turn: 0,
                eldest: id,
                n_tokens,
                n_computed: 0,
                n_draft: 0,
            };
            let n_reused = random.below(2) * random.below(n_tokens);
            Request { view, n_tokens_end, arrives_at_step: random.below(60), n_reused }
        };
        let mut requests: Vec<Request> = (0..N_REQUESTS as u64).map(request).collect();
        requests.sort_by_key(|request| request.arrives_at_step);
        for (id, request) in (0..).zip(&mut requests) {
            request.view.id = RequestId(id);
        }
        Self {
            random,
            n_blocks,
            n_tokens_max,
            n_tokens_beside,
            block_len,
            requests,
            step: 0,
            n_preempted: 0,
            n_tokens_computed: 0,
            n_tokens_reused: 0,
        }
    }

    fn n_held(&self) -> usize {
        let held = |request: &Request| request.view.n_computed.div_ceil(self.block_len);
        self.requests.iter().map(held).sum()
    }

    fn find(&mut self, id: RequestId) -> &mut SequenceView {
        let request = self.requests.iter_mut().find(|request| request.view.id == id);
        &mut request.expect("a plan names sequences that were given").view
    }

    /// Gives those who arrive the blocks of what they share with others.
    fn reuse(&mut self) {
        for request_idx in 0..self.requests.len() {
            let Request { arrives_at_step, n_reused, .. } = self.requests[request_idx];
            let n_blocks = n_reused.div_ceil(self.block_len);
            if arrives_at_step == self.step && self.n_held() + n_blocks <= self.n_blocks {
                self.requests[request_idx].view.n_computed = n_reused;
                self.n_tokens_reused += n_reused;
            }
        }
    }

    /// Half of the steps have drafts.
    fn draft(&mut self) {
        let n_max = self.random.below(2) * 5;
        for Request { view, n_tokens_end, .. } in &mut self.requests {
            view.n_draft = self.random.below(n_max + 1).min(*n_tokens_end - view.n_tokens - 1);
        }
    }

    fn run_step(&mut self, plan: &mut Plan) {
        self.reuse();
        self.draft();
        let has_arrived = |request: &&Request| request.arrives_at_step <= self.step;
        let waiting = self.requests.iter().filter(has_arrived).map(|request| request.view);
        let mut waiting: Vec<_> = waiting.collect();
        take_turns(&mut waiting);
        // One byte a block.
        let n_bytes_free = self.n_blocks - self.n_held();
        let block_len = self.block_len;
        let bytes = &|_: RequestId, n_positions: usize| n_positions.div_ceil(block_len);
        let Self { n_tokens_max, n_tokens_beside, .. } = *self;
        let budget = Budget { n_tokens_max, n_tokens_beside, n_bytes_free, bytes };
        schedule(&waiting, budget, plan);
        self.check(&waiting, plan);
        for &id in &plan.preempted {
            self.find(id).n_computed = 0;
            self.n_preempted += 1;
        }
        for chunk in &plan.chunks {
            self.find(chunk.id).n_computed = chunk.tokens.end + chunk.n_draft;
        }
        assert!(self.n_held() <= self.n_blocks, "blocks are over-committed");
        for chunk in &plan.chunks {
            let n_accepted = self.random.below(chunk.n_draft + 1);
            let view = self.find(chunk.id);
            view.n_computed = chunk.tokens.end + n_accepted;
            view.n_tokens += n_accepted;
            if view.n_computed == view.n_tokens {
                view.n_tokens += 1;
            }
            self.n_tokens_computed += chunk.tokens.len() + n_accepted;
        }
        self.requests.retain(|request| request.view.n_tokens < request.n_tokens_end);
        self.step += 1;
    }

    fn check(&self, waiting: &[SequenceView], plan: &Plan) {
        let oldest = waiting.iter().map(|view| view.id).min();
        assert_eq!(waiting.first().map(|view| view.id), oldest, "the oldest is the first");
        let chunk_of = |view: &SequenceView| plan.chunks.iter().find(|chunk| chunk.id == view.id);
        assert!(waiting.first().is_none_or(|view| chunk_of(view).is_some()), "the first runs");
        let (mut n_writing, mut n_prompts, mut n_drafted) = (0, 0, 0);
        for chunk in &plan.chunks {
            let view = waiting.iter().find(|view| view.id == chunk.id).unwrap();
            assert_eq!(chunk.tokens.start, view.n_computed);
            assert!(!chunk.tokens.is_empty());
            assert!(chunk.tokens.end <= view.n_tokens);
            assert!(chunk.n_draft <= view.n_draft);
            assert!(chunk.n_draft == 0 || chunk.tokens.end == view.n_tokens);
            *(if is_writing(view) { &mut n_writing } else { &mut n_prompts }) += chunk.tokens.len();
            n_drafted += chunk.n_draft;
        }
        let n_beside = if n_writing > 0 { self.n_tokens_beside } else { self.n_tokens_max };
        let n_prompts_max = n_beside.min(self.n_tokens_max - n_writing);
        assert!(n_prompts <= n_prompts_max);
        assert!(n_writing + n_prompts + n_drafted <= self.n_tokens_max);
        let is_full = n_prompts == n_prompts_max;
        let last = waiting.iter().rposition(|view| chunk_of(view).is_some());
        for view in waiting.iter().take(last.map_or(0, |last| last + 1)) {
            let n = chunk_of(view).map_or(0, |chunk| chunk.tokens.len());
            let is_whole = n == view.n_tokens - view.n_computed;
            assert!(is_whole || is_full && !is_writing(view), "{view:?} gets {n}");
        }
        check_shares(waiting, &plan.chunks);
        for id in &plan.preempted {
            assert!(plan.chunks.iter().all(|chunk| chunk.id != *id));
            let view = waiting.iter().find(|view| view.id == *id).unwrap();
            assert!(view.n_computed > 0, "only who holds something gives it up");
        }
        self.check_nobody_stands_still(waiting, plan, is_full);
    }

    /// Who has begun goes on, unless blocks for all tokens of the first up to it are too many, or
    /// the tokens of the step are.
    fn check_nobody_stands_still(&self, waiting: &[SequenceView], plan: &Plan, is_full: bool) {
        let mut n_blocks_wanted = 0;
        for view in waiting.iter().take(self.n_tokens_max) {
            n_blocks_wanted += view.n_tokens.div_ceil(self.block_len);
            let has_begun = view.n_computed > 0;
            let fits = n_blocks_wanted <= self.n_blocks;
            let runs = plan.chunks.iter().any(|chunk| chunk.id == view.id);
            let may_wait = !has_begun || !fits || is_full && !is_writing(view);
            assert!(may_wait || runs, "{view:?} stands still");
            assert!(!fits || !plan.preempted.contains(&view.id), "{view:?} gave up for nothing");
        }
    }
}

fn is_writing(view: &SequenceView) -> bool {
    view.n_tokens - view.n_computed == 1
}

/// No client gets more than one that wants more, by more than a token, and no sequence more than
/// another of its client.
fn check_shares(waiting: &[SequenceView], chunks: &[Chunk]) {
    /// Tokens, and whether more were wanted.
    type Share = (usize, bool);
    let check = |shares: &[Share]| {
        let most = shares.iter().map(|share| share.0).max();
        let least = shares.iter().filter(|share| share.1).map(|share| share.0).min();
        assert!(most.zip(least).is_none_or(|(most, least)| most <= least + 1), "{shares:?}");
    };
    let mut of_clients: BTreeMap<Client, Vec<Share>> = BTreeMap::new();
    for chunk in chunks {
        let view = waiting.iter().find(|view| view.id == chunk.id).unwrap();
        if !is_writing(view) {
            let share = (chunk.tokens.len(), chunk.tokens.end < view.n_tokens);
            of_clients.entry(view.client).or_default().push(share);
        }
    }
    of_clients.values().for_each(|shares| check(shares));
    let of_client = |shares: &Vec<Share>| {
        (shares.iter().map(|share| share.0).sum(), shares.iter().any(|share| share.1))
    };
    check(&of_clients.values().map(of_client).collect::<Vec<_>>());
}

#[test]
fn everything_finishes_and_no_budget_is_exceeded() {
    let mut n_preempted = 0;
    for seed in 0..300 {
        let mut simulation = Simulation::new(seed);
        let mut plan = Plan::default();
        while !simulation.requests.is_empty() {
            simulation.run_step(&mut plan);
            assert!(simulation.step < N_STEPS_MAX, "seed {seed}: stuck");
        }
        n_preempted += simulation.n_preempted;
    }
    assert!(n_preempted > 300, "the simulation does not reach preemption: {n_preempted}");
}

/// With room for all there is no preemption, and each token is computed once.
#[test]
fn with_blocks_enough_nothing_is_computed_twice() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed);
        simulation.n_blocks *= simulation.requests.len();
        let n_tokens: usize = simulation.requests.iter().map(|r| r.n_tokens_end - 1).sum();
        let mut plan = Plan::default();
        while !simulation.requests.is_empty() {
            simulation.run_step(&mut plan);
        }
        assert_eq!(simulation.n_preempted, 0);
        assert_eq!(simulation.n_tokens_computed + simulation.n_tokens_reused, n_tokens);
    }
}
