//! Models that people use, where tests/fetch_models.py puts them, and numbers that others measured
//! of them. What is missing is skipped, with the reason on stderr.

#![forbid(unsafe_code)]

use std::env;
use std::path::{Path, PathBuf};

use serde_json::Value;

pub const SMOLLM2: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
pub const GEMMA3: &str = "gemma-3-270m-Q4_K_M.gguf";
pub const QWEN2: &str = "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf";

/// `$LOOKBACK_TEST_MODELS`, or else `~/.cache/lookback-models`; `None`: nobody's home.
pub fn folder() -> Option<PathBuf> {
    let chosen = env::var_os("LOOKBACK_TEST_MODELS").filter(|folder| !folder.is_empty());
    chosen.map(PathBuf::from).or_else(|| Some(env::home_dir()?.join(".cache/lookback-models")))
}

/// Where a file lies, if it was fetched.
pub fn find(file: &str) -> Option<PathBuf> {
    let path = folder()?.join(file);
    if !path.exists() {
        eprintln!("skipped: {} is missing; tests/fetch_models.py fetches it", path.display());
        return None;
    }
    Some(path)
}

/// All GGUF files that are there.
pub fn all() -> Vec<PathBuf> {
    let Some(folder) = folder() else { return Vec::new() };
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten();
    let is_gguf = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "gguf");
    let paths: Vec<_> = entries.map(|entry| entry.path()).filter(is_gguf).collect();
    if paths.is_empty() {
        eprintln!("skipped: no GGUF files in {}", folder.display());
    }
    paths
}

/// Numbers of `tests/goldens/{name}.json`.
///
/// # Panics
/// There are none.
pub fn golden(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goldens");
    let text = std::fs::read(path.join(format!("{name}.json"))).expect("a golden file");
    serde_json::from_slice(&text).expect("JSON")
}

/// The model that numbers were measured of, if it was fetched.
///
/// # Panics
/// The numbers do not name it.
pub fn model_of(golden: &Value) -> Option<PathBuf> {
    find(golden["file"].as_str().expect("a file name"))
}
