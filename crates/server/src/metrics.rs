//! What is counted while models answer.

mod page;

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use engine::{Engine, FinishReason, Usage};
use kernels::KEY_BLOCK;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

pub(crate) use self::page::metrics;

/// The numbers of one model.
#[derive(Clone, Debug)]
pub(crate) struct Metrics(Arc<Numbers>);

#[derive(Debug)]
struct Numbers {
    running: Gauge,
    waiting: Gauge,
    kv_usage: Gauge<f64, AtomicU64>,
    /// Positions of a block, and how many blocks the cache has.
    kv_blocks: (usize, usize),
    prompt_tokens: Counter,
    cached_tokens: Counter,
    generated_tokens: Counter,
    preemptions: Counter,
    /// By the model, by a limit, and otherwise.
    stopped: Counter,
    cut: Counter,
    aborted: Counter,
    to_first_token: Histogram,
    between_tokens: Histogram,
    in_queue: Histogram,
    whole: Histogram,
}

/// Bounds of the buckets, in seconds: of what takes milliseconds, and of what takes minutes.
const SHORT: [f64; 12] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0];
const LONG: [f64; 14] =
    [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0];

impl Metrics {
    pub(crate) fn new(engine: &Engine) -> Self {
        let kv = engine.runner().kv();
        let n_positions = kv.shape().positions_within(kv.n_bytes_max(), 0);
        Self(Arc::new(Numbers {
            running: Gauge::default(),
            waiting: Gauge::default(),
            kv_usage: Gauge::default(),
            kv_blocks: (KEY_BLOCK, n_positions / KEY_BLOCK),
            prompt_tokens: Counter::default(),
            cached_tokens: Counter::default(),
            generated_tokens: Counter::default(),
            preemptions: Counter::default(),
            stopped: Counter::default(),
            cut: Counter::default(),
            aborted: Counter::default(),
            to_first_token: Histogram::new(LONG),
            between_tokens: Histogram::new(SHORT),
            in_queue: Histogram::new(LONG),
            whole: Histogram::new(LONG),
        }))
    }

    /// How things stand.
    pub(crate) fn observe(&self, engine: &Engine) {
        let (numbers, kv) = (&*self.0, engine.runner().kv());
        numbers.running.set(engine.n_running() as i64);
        numbers.waiting.set(engine.n_waiting() as i64);
        let (n_max, n_free) = (kv.n_bytes_max().max(1), kv.free_bytes());
        numbers.kv_usage.set(n_max.saturating_sub(n_free) as f64 / n_max as f64);
    }

    /// Requests that are computed, and those that wait for a place.
    pub(crate) fn standing(&self) -> (usize, usize) {
        let count = |gauge: &Gauge| gauge.get().max(0) as usize;
        (count(&self.0.running), count(&self.0.waiting))
    }
}

/// The times of one answer.
pub(crate) struct Watch {
    metrics: Metrics,
    asked: Instant,
    last_token: Option<Instant>,
}

impl Watch {
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self { metrics, asked: Instant::now(), last_token: None }
    }

    /// A token that was there at this time.
    pub(crate) fn token(&mut self, now: Instant) {
        let numbers = &*self.metrics.0;
        let seconds = |from: Instant| now.saturating_duration_since(from).as_secs_f64();
        match self.last_token {
            None => numbers.to_first_token.observe(seconds(self.asked)),
            Some(last) => numbers.between_tokens.observe(seconds(last)),
        }
        self.last_token = Some(now);
    }

    pub(crate) fn end(&self, reason: FinishReason, usage: &Usage) {
        let numbers = &*self.metrics.0;
        numbers.prompt_tokens.inc_by(usage.n_prompt as u64);
        numbers.cached_tokens.inc_by(usage.reuse.n_reused as u64);
        numbers.generated_tokens.inc_by(usage.n_generated as u64);
        numbers.preemptions.inc_by(usage.n_preempted as u64);
        numbers.whole.observe(self.asked.elapsed().as_secs_f64());
        let computed = usage.prefill + usage.decode;
        let queued = self.asked.elapsed().checked_sub(computed).unwrap_or(Duration::ZERO);
        numbers.in_queue.observe(queued.as_secs_f64());
        let n = usage.n_generated;
        tracing::info!(n_prompt = usage.n_prompt, n_generated = n, ?reason, "written");
        let ended = match reason {
            FinishReason::Stop => &numbers.stopped,
            FinishReason::Length => &numbers.cut,
            FinishReason::Cancelled | FinishReason::TimedOut => &numbers.aborted,
        };
        ended.inc();
    }
}
