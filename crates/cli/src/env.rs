//! Environment variables: the only file that reads them (X2). docs/env.md is this table.

use std::ffi::OsString;
use std::path::PathBuf;

/// (name, what it does)
pub(crate) const VARIABLES: [(&str, &str); 6] = [
    ("LOOKBACK_MODELS", "folder of downloaded models, instead of the platform's cache folder"),
    ("LOOKBACK_THREADS", "threads, where --threads is not given"),
    (
        "LOOKBACK_KERNELS",
        "forces a kernel table: scalar, avx2, avx512, avxvnni, avx512vnni, avx512vnni256, neon, \
         dotprod, i8mm",
    ),
    ("HF_ENDPOINT", "address of the model hub, instead of https://huggingface.co"),
    ("HF_TOKEN", "token for models that need a login"),
    (
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "address of a collector that `lookback serve` sends spans of requests to; needs a build \
         with --features otlp",
    ),
];

pub(crate) fn models_dir() -> Option<PathBuf> {
    read_raw("LOOKBACK_MODELS").map(PathBuf::from)
}

pub(crate) fn threads() -> Option<String> {
    read("LOOKBACK_THREADS")
}

pub(crate) fn kernels() -> Option<String> {
    read("LOOKBACK_KERNELS")
}

pub(crate) fn hf_endpoint() -> Option<String> {
    read("HF_ENDPOINT")
}

pub(crate) fn hf_token() -> Option<String> {
    read("HF_TOKEN")
}

pub(crate) fn otlp_endpoint() -> Option<String> {
    read("OTEL_EXPORTER_OTLP_ENDPOINT")
}

/// The variable's value, if it is set, not empty and text.
fn read(name: &'static str) -> Option<String> {
    read_raw(name)?.into_string().ok()
}

/// The variable's value, if it is set and not empty. Paths need not be text.
fn read_raw(name: &'static str) -> Option<OsString> {
    debug_assert!(VARIABLES.iter().any(|(known, _)| *known == name), "{name} is not in the table");
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kernel_table_is_named() {
        let (_, what) = VARIABLES.iter().find(|row| row.0 == "LOOKBACK_KERNELS").expect("a row");
        let names = what.rsplit(": ").next().unwrap_or_default();
        let mut names: Vec<_> = names.split(", ").collect();
        let mut expected: Vec<_> = kernels::names().collect();
        names.sort_unstable();
        expected.sort_unstable();
        assert_eq!(names, expected);
    }

    #[test]
    fn environment_page_is_this_table() {
        let rows: String =
            VARIABLES.iter().map(|(name, what)| format!("| `{name}` | {what} |\n")).collect();
        let expected = format!(
            "# Environment variables\n\n| variable | effect |\n|---|---|\n{rows}\n\
             Flags win over variables.\n"
        );
        let page = std::fs::read_to_string("../../docs/env.md").unwrap_or_default();
        assert_eq!(page, expected, "docs/env.md differs from VARIABLES in env.rs");
    }
}
