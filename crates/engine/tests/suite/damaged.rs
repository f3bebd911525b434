//! Models that load, or almost, and cannot work or not wholly.

use std::path::Path;

use engine::{Error, LoadSettings, Loaded, OpenError, load_model};
use format::gguf::Strings;
use model::Pages;
use tiny_random::{N_VOCAB, TinyRandom};

use crate::outcome::{greedy, run};
use crate::tiny::{SIZE, engine, request};

fn load(bytes: &[u8]) -> Result<Loaded, OpenError> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.gguf");
    std::fs::write(&path, bytes).expect("a writable folder");
    load_model(&path, LoadSettings::default(), &mut |_, _| ())
}

#[test]
fn a_weight_that_is_not_a_number_is_traced_to_its_tensor() {
    let mut bytes = TinyRandom::default().bytes();
    // The last tensor's last value.
    let at = bytes.len() - size_of::<f32>();
    bytes[at..].copy_from_slice(&f32::NAN.to_le_bytes());
    let loaded = load(&bytes).expect("a model that loads");
    let answer = run(&mut engine(&loaded, SIZE), &request(1, 5, 5)).answer;
    let error = Error::NanLogits { tensor: Some("blk.1.ffn_down.weight".into()) };
    assert_eq!(answer.end, Some(Err(error)));
}

/// A model of [`N_VOCAB`] rows with the names of `n_tokens`.
fn with_tokens(n_tokens: usize) -> Result<Loaded, OpenError> {
    let mut writer = TinyRandom::default().writer();
    let tokens = (0..n_tokens).map(|id| format!("token{id}"));
    writer.set("tokenizer.ggml.tokens", Strings::from_iter(tokens));
    writer.set("tokenizer.ggml.scores", &*vec![0.0f32; n_tokens]);
    writer.set("tokenizer.ggml.token_type", &*vec![1i32; n_tokens]);
    load(&writer.into_bytes("tiny").expect("a file that the format can hold"))
}

#[test]
fn a_token_without_a_row_is_refused_where_it_is_used() {
    let loaded = with_tokens(N_VOCAB + 1).expect("a model that loads");
    let id = N_VOCAB as u32;
    let refused = engine(&loaded, SIZE).submit(greedy(&[1, id]));
    assert_eq!(refused, Err(Error::UnknownToken { token_idx: 1, id, n_vocab: N_VOCAB }));
    let answer = run(&mut engine(&loaded, SIZE), &request(1, 5, 50)).answer;
    assert!(answer.ids.iter().all(|&written| written < id));
}

#[test]
fn the_tokenizer_of_another_model_is_an_error() {
    let message = with_tokens(2 * N_VOCAB).err().expect("an error").to_string();
    assert_eq!(
        message,
        "the tokenizer has 576 tokens, the embedding 288 rows: expected at least one row a token; \
         the file is damaged or mixes two models"
    );
}

#[test]
fn c07_a_broken_template_fails_where_it_is_used() {
    let mut writer = TinyRandom::default().writer();
    writer.set("tokenizer.chat_template", "{% for");
    let bytes = writer.into_bytes("tiny").expect("a file that the format can hold");
    let loaded = load(&bytes).expect("a model that loads");
    assert_eq!(run(&mut engine(&loaded, SIZE), &request(1, 5, 5)).answer.ids.len(), 5);
    let message = loaded.compile_template().expect_err("an error").to_string();
    assert!(message.contains("chat template, line 1"), "{message}");
}

#[test]
fn a_template_file_that_is_no_text_is_an_error() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/qwen2/hf");
    let folder = tempfile::tempdir().expect("a folder");
    for entry in std::fs::read_dir(golden).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name");
        std::fs::copy(&path, folder.path().join(name)).expect("a writable folder");
    }
    std::fs::write(folder.path().join("chat_template.jinja"), b"caf\xe9").expect("writable");
    let error = load_model(folder.path(), LoadSettings::default(), &mut |_, _| ()).err();
    assert!(matches!(error, Some(OpenError::TemplateNotUtf8(_))));
}

#[test]
fn pages_that_are_left_are_not_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.gguf");
    TinyRandom::default().write(&path);
    let n_reads = |pages| {
        let mut n_reads = 0;
        let settings = LoadSettings { pages, ..LoadSettings::default() };
        load_model(&path, settings, &mut |_, _| n_reads += 1).expect("a model that loads");
        n_reads
    };
    assert_eq!(n_reads(Pages::Leave), 0);
    assert!(n_reads(Pages::Touch) > 0);
}
