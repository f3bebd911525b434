//! What is counted while models answer, and `GET /metrics`: for Prometheus, and for gateways that
//! spread requests over servers by the names that vLLM gave these numbers.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use engine::{Engine, FinishReason, Usage};
use kernels::KEY_BLOCK;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};

use crate::app::App;
use crate::models::Model;

/// The numbers of one model.
#[derive(Clone)]
pub(crate) struct Metrics(Arc<Numbers>);

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
    ended: Family<[(&'static str, &'static str); 1], Counter>,
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
            ended: Family::default(),
            to_first_token: Histogram::new(LONG),
            between_tokens: Histogram::new(SHORT),
            in_queue: Histogram::new(LONG),
            whole: Histogram::new(LONG),
        }))
    }

    /// How things stand after a step.
    pub(crate) fn observe_step(&self, engine: &Engine) {
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

    fn register(&self, registry: &mut Registry) {
        let numbers = &*self.0;
        let mut add = |name: &str, of_vllm: &str, help: &str, metric: Box<dyn Copies>| {
            metric.register(registry, format!("lookback_{name}"), help);
            metric.register(registry, format!("vllm:{of_vllm}"), help);
        };
        let copy = |counter: &Counter| Box::new(counter.clone());
        let buckets = |histogram: &Histogram| Box::new(histogram.clone());
        let Numbers { running, waiting, kv_usage, .. } = numbers;
        let (running, waiting) = (Box::new(running.clone()), Box::new(waiting.clone()));
        add("requests_running", "num_requests_running", "Requests that are computed", running);
        add("requests_waiting", "num_requests_waiting", "Requests without a place", waiting);
        let help = "Share of the cache that requests hold";
        add("kv_cache_usage_ratio", "kv_cache_usage_perc", help, Box::new(kv_usage.clone()));
        let (read, cached) = (copy(&numbers.prompt_tokens), copy(&numbers.cached_tokens));
        add("prompt_tokens", "prompt_tokens", "Tokens of prompts", read.clone());
        add("prefix_queries", "prefix_cache_queries", "Tokens that may be cached", read);
        add("prefix_hits", "prefix_cache_hits", "Tokens that were cached", cached);
        let written = copy(&numbers.generated_tokens);
        add("generated_tokens", "generation_tokens", "Tokens written", written);
        let preempted = copy(&numbers.preemptions);
        add("preemptions", "num_preemptions", "Places that were given up", preempted);
        let ended = Box::new(numbers.ended.clone());
        add("requests_ended", "request_success", "Requests that have ended", ended);
        let first = buckets(&numbers.to_first_token);
        add("first_token_seconds", "time_to_first_token_seconds", "To the first token", first);
        let between = buckets(&numbers.between_tokens);
        add("between_tokens_seconds", "inter_token_latency_seconds", "Between tokens", between);
        let queue = buckets(&numbers.in_queue);
        add("queue_seconds", "request_queue_time_seconds", "Before the first step", queue);
        let whole = buckets(&numbers.whole);
        add("request_seconds", "e2e_request_latency_seconds", "To the last token", whole);
        let (size, n) = numbers.kv_blocks;
        let blocks = [("block_size", size.to_string()), ("num_gpu_blocks", n.to_string())];
        registry.register("vllm:cache_config", "Blocks of the cache", Info::new(blocks.to_vec()));
    }
}

/// A metric that goes by two names.
trait Copies {
    fn register(&self, registry: &mut Registry, name: String, help: &str);
}

impl<T: Metric + Clone> Copies for T {
    fn register(&self, registry: &mut Registry, name: String, help: &str) {
        registry.register(name, help, self.clone());
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

    pub(crate) fn token(&mut self) {
        let (numbers, now) = (&*self.metrics.0, Instant::now());
        let seconds = |from: Instant| (now - from).as_secs_f64();
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
        let reason = match reason {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
            FinishReason::Cancelled | FinishReason::TimedOut => "abort",
        };
        numbers.ended.get_or_create(&[("finished_reason", reason)]).inc();
    }
}

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let mut registry = Registry::default();
    for model in app.models.in_memory() {
        let Model::Writer(served) = model else { continue };
        let label = ("model_name".into(), served.name.clone().into());
        served.engine.metrics().register(registry.sub_registry_with_label(label));
    }
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => crate::openai::shaped(crate::error::ApiError::gone()),
    }
}
