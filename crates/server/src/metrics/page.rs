//! `GET /metrics`: for Prometheus, and for gateways that spread requests over servers by the names
//! that vLLM gave these numbers.

use std::fmt::Error;
use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Metrics, Numbers};
use crate::app::App;
use crate::error::ApiError;
use crate::models::Model;
use crate::openai::shaped;

pub(crate) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let models = app.models.in_memory().filter_map(|model| match model {
        Model::Writer(served) => Some((served.name.clone(), served.engine.metrics().clone())),
        Model::Encoder(_) => None,
    });
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Page(models.collect())));
    let mut text = String::new();
    match encode(&mut text, &registry) {
        Ok(()) => {
            let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, kind)], text).into_response()
        }
        Err(_) => shaped(ApiError::gone()),
    }
}

/// The models by name.
#[derive(Debug)]
struct Page(Vec<(String, Metrics)>);

type Find = fn(&Numbers) -> &dyn Number;

/// A number: our name, vLLM's, what it is, and where it stands.
type Row = (&'static str, &'static str, &'static str, Find);

const ROWS: [Row; 12] = [
    ("requests_running", "num_requests_running", "Requests that are computed", |n| &n.running),
    ("requests_waiting", "num_requests_waiting", "Requests without a place", |n| &n.waiting),
    ("kv_usage_ratio", "kv_cache_usage_perc", "Cache that requests hold", |n| &n.kv_usage),
    ("prompt_tokens", "prompt_tokens", "Tokens of prompts", |n| &n.prompt_tokens),
    ("prefix_queries", "prefix_cache_queries", "Tokens of prompts", |n| &n.prompt_tokens),
    ("prefix_hits", "prefix_cache_hits", "Of them cached", |n| &n.cached_tokens),
    ("generated_tokens", "generation_tokens", "Tokens written", |n| &n.generated_tokens),
    ("preemptions", "num_preemptions", "Places that were given up", |n| &n.preemptions),
    ("first_token_seconds", "time_to_first_token_seconds", "To the first token", |n| {
        &n.to_first_token
    }),
    ("between_tokens_seconds", "inter_token_latency_seconds", "Between tokens", |n| {
        &n.between_tokens
    }),
    ("queue_seconds", "request_queue_time_seconds", "Before the first step", |n| &n.in_queue),
    ("request_seconds", "e2e_request_latency_seconds", "To the last token", |n| &n.whole),
];

/// Ends of requests, by their reasons.
const ENDS: [(&str, Find); 3] =
    [("stop", |n| &n.stopped), ("length", |n| &n.cut), ("abort", |n| &n.aborted)];

impl Collector for Page {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), Error> {
        for (name, of_vllm, help, number) in ROWS {
            for name in [format!("lookback_{name}"), format!("vllm:{of_vllm}")] {
                let samples = self.0.iter().map(|(model, metrics)| {
                    (vec![("model_name", model.as_str())], number(&metrics.0))
                });
                write(&mut encoder, (&name, help), samples)?;
            }
        }
        for name in ["lookback_requests_ended", "vllm:request_success"] {
            let samples = self.0.iter().flat_map(|(model, metrics)| {
                ENDS.into_iter().map(|(reason, number)| {
                    let labels = vec![("model_name", model.as_str()), ("finished_reason", reason)];
                    (labels, number(&metrics.0))
                })
            });
            write(&mut encoder, (name, "Requests that have ended"), samples)?;
        }
        self.write_blocks(&mut encoder)
    }
}

impl Page {
    /// Sizes of the caches, as labels of ones.
    fn write_blocks(&self, encoder: &mut DescriptorEncoder<'_>) -> Result<(), Error> {
        let one = ConstGauge::new(1_i64);
        let (name, help) = ("vllm:cache_config_info", "Blocks of the cache");
        let mut family = encoder.encode_descriptor(name, help, None, one.metric_type())?;
        for (model, metrics) in &self.0 {
            let (size, n) = metrics.0.kv_blocks;
            let labels = vec![
                ("model_name", model.clone()),
                ("block_size", size.to_string()),
                ("num_gpu_blocks", n.to_string()),
            ];
            one.encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn write<'a>(
    encoder: &mut DescriptorEncoder<'_>,
    (name, help): (&str, &str),
    samples: impl Iterator<Item = (Vec<(&'static str, &'a str)>, &'a dyn Number)>,
) -> Result<(), Error> {
    let mut samples = samples.peekable();
    let Some((_, first)) = samples.peek() else { return Ok(()) };
    let mut family = encoder.encode_descriptor(name, help, None, first.metric_type())?;
    for (labels, number) in samples {
        number.encode(family.encode_family(&labels)?)?;
    }
    Ok(())
}

/// A metric of any type.
trait Number: EncodeMetric {}

impl<T: EncodeMetric> Number for T {}
