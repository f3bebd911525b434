//! Every GGUF model in the folder of test models opens, mapped and read alike.

use format::Mapping;
use format::gguf::GgufFile;

#[test]
fn real_models_open() {
    for path in real_models::all() {
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
