//! A simulated engine: random requests and budgets, invariants checked after every step.

use engine::RequestId;
use engine::scheduler::{Budget, Plan, SequenceView, schedule};

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
        let request = |id| {
            let n_tokens_end = 2 + random.below(n_blocks * block_len - 1);
            let n_tokens = 1 + random.below(n_tokens_end - 1);
            let view = SequenceView { id: RequestId(id), n_tokens, n_computed: 0, n_draft: 0 };
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
        let waiting: Vec<_> = self.requests.iter().filter(has_arrived).map(|r| r.view).collect();
        // One byte a block.
        let n_bytes_free = self.n_blocks - self.n_held();
        let block_len = self.block_len;
        let bytes = &|_: RequestId, n_positions: usize| n_positions.div_ceil(block_len);
        let budget = Budget { n_tokens_max: self.n_tokens_max, n_bytes_free, bytes };
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
        let mut running: Vec<_> = plan.chunks.iter().map(|chunk| chunk.id).collect();
        running.sort_unstable();
        let oldest: Vec<_> = waiting[..running.len()].iter().map(|view| view.id).collect();
        assert_eq!(running, oldest, "the oldest run, each once");
        assert_eq!(running.is_empty(), waiting.is_empty(), "the oldest always runs");
        let (mut n_tokens, mut n_wanted, mut n_drafted) = (0, 0, 0);
        for chunk in &plan.chunks {
            let view = waiting.iter().find(|view| view.id == chunk.id).unwrap();
            assert_eq!(chunk.tokens.start, view.n_computed);
            assert!(!chunk.tokens.is_empty());
            assert!(chunk.tokens.end <= view.n_tokens);
            assert!(chunk.n_draft <= view.n_draft);
            assert!(chunk.n_draft == 0 || chunk.tokens.end == view.n_tokens);
            n_tokens += chunk.tokens.len();
            n_drafted += chunk.n_draft;
            n_wanted += view.n_tokens - view.n_computed;
        }
        assert_eq!(n_tokens, n_wanted.min(self.n_tokens_max), "no token is left unused");
        assert!(n_tokens + n_drafted <= self.n_tokens_max);
        for id in &plan.preempted {
            assert!(!running.contains(id));
            let view = waiting.iter().find(|view| view.id == *id).unwrap();
            assert!(view.n_computed > 0, "only who holds something gives it up");
        }
        self.check_nobody_stands_still(waiting, &running, &plan.preempted);
    }

    /// Who has begun goes on, unless blocks for all tokens of the oldest up to it are too many.
    fn check_nobody_stands_still(
        &self,
        waiting: &[SequenceView],
        running: &[RequestId],
        preempted: &[RequestId],
    ) {
        let mut n_blocks_wanted = 0;
        for view in waiting.iter().take(self.n_tokens_max) {
            n_blocks_wanted += view.n_tokens.div_ceil(self.block_len);
            let has_begun = view.n_computed > 0;
            let fits = n_blocks_wanted <= self.n_blocks;
            assert!(!has_begun || !fits || running.contains(&view.id), "{view:?} stands still");
            assert!(!fits || !preempted.contains(&view.id), "{view:?} gave up for nothing");
        }
    }
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
