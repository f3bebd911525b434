//! Spans of requests for collectors of OpenTelemetry, over OTLP and HTTP.

use anyhow::{Context as _, Result};
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing_subscriber::{Layer, Registry};

use crate::env;

/// What sends them where the environment says so.
///
/// # Errors
/// An address that is none.
pub(crate) fn layer() -> Result<Option<Box<dyn Layer<Registry> + Send + Sync>>> {
    let Some(endpoint) = env::otlp_endpoint() else { return Ok(None) };
    let exporter = SpanExporter::builder()
        .with_http()
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
        .build()
        .with_context(|| format!("OTEL_EXPORTER_OTLP_ENDPOINT: cannot send to {endpoint}"))?;
    let provider = SdkTracerProvider::builder()
        .with_resource(Resource::builder().with_service_name("lookback").build())
        .with_batch_exporter(exporter)
        .build();
    let tracer = provider.tracer("lookback");
    Ok(Some(tracing_opentelemetry::layer().with_tracer(tracer).boxed()))
}
