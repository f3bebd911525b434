//! Every GGUF model in the folder of test models opens, mapped and read alike.

use std::path::PathBuf;

use format::Mapping;
use format::gguf::GgufFile;

/// GGUF files in `$LOOKBACK_TEST_MODELS`, or else in `~/.cache/lookback-models`.
fn model_paths() -> Vec<PathBuf> {
    let chosen = std::env::var_os("LOOKBACK_TEST_MODELS").map(PathBuf::from);
    let cached = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/lookback-models"));
    let folder = chosen.or_else(cached).unwrap_or_default();
    let entries = std::fs::read_dir(&folder).into_iter().flatten();
    let paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "gguf"))
        .collect();
    if paths.is_empty() {
        eprintln!("skipped: no GGUF files in {}", folder.display());
    }
    paths
}

#[test]
fn real_models_open() {
    for path in model_paths() {
        let file = GgufFile::open(&path, Mapping::Mmap).unwrap();
        let metadata = file.metadata();
        assert!(!metadata.require_str("general.architecture").unwrap().is_empty());
        let n_tokens = metadata.require_strings("tokenizer.ggml.tokens").unwrap().len();
        let types = metadata.i32s("tokenizer.ggml.token_type").unwrap().unwrap();
        assert_eq!(types.len(), n_tokens, "{}", path.display());
        let embedding = file.tensor("token_embd.weight").unwrap();
        assert_eq!(embedding.info.shape[0], n_tokens, "{}", path.display());
        let infos = file.tensors();
        let n_data: usize = infos.map(|info| file.tensor(&info.name).unwrap().bytes.len()).sum();
        assert!(n_data as u64 > file.n_bytes() / 2, "{}", path.display());
    }
}
