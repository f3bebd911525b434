//! A program that was built without OTLP.

use anyhow::Result;
use tracing_subscriber::{Layer, Registry};

use crate::{env, output};

/// Nothing, and a word about it where the environment asks for more.
///
/// # Errors
/// None; with OTLP there are some.
pub(crate) fn layer() -> Result<Option<Box<dyn Layer<Registry> + Send + Sync>>> {
    if env::otlp_endpoint().is_some() {
        output::note(format_args!(
            "note: OTEL_EXPORTER_OTLP_ENDPOINT is set, but this lookback was built without \
             --features otlp"
        ));
    }
    Ok(None)
}
