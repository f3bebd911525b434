//! Names from outside: what they mean, and which are refused.

use super::*;
use crate::hub::catalogue::{DEFAULT_MODEL, catalogue};

/// `hf:` names that must not become addresses or file names.
#[test]
fn hostile_names_are_refused() {
    let long = format!("o/r/{}.gguf", "x".repeat(300));
    for name in [
        "",
        "file.gguf",
        "repo/file.gguf",
        "owner/repo/folder/file.gguf",
        "owner/repo/../../x.gguf",
        "owner/../x.gguf",
        "../repo/x.gguf",
        "/owner/repo/x.gguf",
        "owner//x.gguf",
        "owner/repo/",
        "owner/repo/.gguf",
        "owner/repo/.hidden.gguf",
        r"owner/repo/..\x.gguf",
        r"owner/repo/C:\x.gguf",
        "owner/repo/C:x.gguf",
        "owner/repo/%2e%2e%2fx.gguf",
        "owner/repo/x.gguf?y",
        "owner/repo/x.gguf#y",
        "owner/repo/x y.gguf",
        "owner/repo/x\0.gguf",
        "owner/repo/x\n.gguf",
        "owner/repo/é.gguf",
        "owner/repo/model.bin",
        "owner/repo/x.gguf.partial",
        "own--er/repo/x.gguf",
        "owner/re..po/x.gguf",
        "owner-/repo/x.gguf",
        long.as_str(),
    ] {
        let parsed = Model::parse(&format!("hf:{name}"));
        assert!(matches!(parsed, Err(HubError::BadName { .. })), "{name:?}: {parsed:?}");
    }
}

#[test]
fn hugging_face_names_map_to_files_and_back() {
    let mut file_names = Vec::new();
    for name in ["hf:a/b/c.gguf", "hf:a-b/c/d--e.gguf", "hf:a/b-c/d--e.gguf", "hf:a/b/C--d.Q4.gguf"]
    {
        let model = Model::parse(name).unwrap();
        assert_eq!(model.name, name);
        assert!(!model.file_name.contains(['/', '\\', ':']), "{}", model.file_name);
        assert_eq!(Model::from_file_name(&model.file_name).unwrap().name, name);
        file_names.push(model.file_name);
    }
    file_names.sort();
    file_names.dedup();
    assert_eq!(file_names.len(), 4);
}

#[test]
fn every_catalogue_entry_is_sound() {
    let models = catalogue();
    assert_eq!(models[0].name, DEFAULT_MODEL);
    for model in &models {
        assert_eq!(Model::parse(&model.name).unwrap().file_name, model.file_name);
        assert_eq!(Model::from_file_name(&model.file_name).unwrap().name, model.name);
        assert!(model.n_bytes.is_some_and(|n_bytes| n_bytes > 1 << 20));
        let sha256 = model.sha256.as_deref().unwrap();
        assert_eq!(sha256.len(), 64);
        assert!(sha256.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        assert!(matches!(model.sources.first(), Some(Source::HuggingFace { .. })));
        assert!(!model.description.is_empty() && !model.licence.is_empty());
    }
}

#[test]
fn unknown_names_list_the_known_and_the_nearest() {
    let nearest = |name: &str| match Model::parse(name) {
        Err(HubError::UnknownModel { nearest, .. }) => nearest,
        other => panic!("expected an unknown model, found {other:?}"),
    };
    assert_eq!(nearest("smolm2").as_deref(), Some("smollm2"));
    assert_eq!(nearest("SmolLM2").as_deref(), Some("smollm2"));
    assert_eq!(nearest("gemma3").as_deref(), Some("gemma3-270m"));
    assert_eq!(nearest("qwen2.5-coder-0.5").as_deref(), Some("qwen2.5-coder-0.5b"));
    assert_eq!(nearest("mixtral").as_deref(), None);
    assert_eq!(nearest("").as_deref(), None);
    assert_eq!(
        Model::parse("smolm2").unwrap_err().to_string(),
        "unknown model `smolm2` (did you mean `smollm2`?); \
         known: smollm2, gemma3-270m, qwen2.5-coder-0.5b, hf:owner/repo/file.gguf, or a path"
    );
}
