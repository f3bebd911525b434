//! Models that load, or almost, and cannot work.

use engine::{Error, LoadSettings, Loaded, OpenError, load_model};
use format::gguf::Strings;
use tiny_random::{N_VOCAB, TinyRandom};

use crate::outcome::run;
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

#[test]
fn more_tokens_than_rows_are_an_error() {
    let mut writer = TinyRandom::default().writer();
    let n_tokens = N_VOCAB + 1;
    let tokens = (0..n_tokens).map(|id| format!("token{id}"));
    writer.set("tokenizer.ggml.tokens", Strings::from_iter(tokens));
    writer.set("tokenizer.ggml.scores", &*vec![0.0f32; n_tokens]);
    writer.set("tokenizer.ggml.token_type", &*vec![1i32; n_tokens]);
    let bytes = writer.into_bytes("tiny").expect("a file that the format can hold");
    let message = load(&bytes).err().expect("an error").to_string();
    assert_eq!(
        message,
        "the tokenizer has 289 tokens, the embedding 288 rows: expected at least one row a token; \
         the file is damaged or mixes two models"
    );
}
