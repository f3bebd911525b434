//! Numbers in a model's metadata that no model has: one line that names the key.

use format::gguf::Value;
use tiny_random::TinyRandom;

use crate::lab::{Lab, tiny};

/// `expected`: what the key should hold, and what it does.
fn check(key: &str, value: impl Into<Value>, expected: &[&str]) {
    check_in(tiny(), key, value.into(), expected);
}

fn check_gemma3(key: &str, value: impl Into<Value>, expected: &[&str]) {
    let gemma3 = TinyRandom { architecture: "gemma3", window: Some(8), ..tiny() };
    check_in(gemma3, key, value.into(), expected);
}

fn check_in(model: TinyRandom, key: &str, value: Value, expected: &[&str]) {
    let lab = Lab::new();
    let key = format!("{}.{key}", model.architecture);
    let mut writer = model.writer();
    writer.set(&key, value);
    let model = lab.model(writer);
    let parts = [&[key.as_str()], expected].concat();
    lab.fails(&["show", &model], &parts);
    lab.fails(&["run", "-m", &model, "hello", "-n", "1"], &parts);
}

/// A number that the rest of the file contradicts: the first tensor that does not fit.
fn check_tensor(key: &str, value: u32, expected: &[&str]) {
    let lab = Lab::new();
    let mut writer = tiny().writer();
    writer.set(&format!("llama.{key}"), value);
    lab.fails(&["show", &lab.model(writer)], &[&["tensor"], expected].concat());
}

#[test]
fn layers() {
    check("block_count", 0u32, &["1 to 512", "found 0"]);
    check("block_count", 513u32, &["1 to 512", "found 513"]);
    check("block_count", 1u32 << 31, &["1 to 512", "found 2147483648"]);
    check("block_count", 2.0f32, &["found"]);
    check_tensor("block_count", 3, &["blk.2.", "missing"]);
    check_tensor("block_count", 1, &["blk.1.", "not used"]);
}

#[test]
fn heads() {
    check("attention.head_count", 0u32, &["found 0"]);
    check("attention.head_count", 1u32 << 31, &["found 2147483648"]);
    check("attention.head_count_kv", 0u32, &["found 0"]);
    check("attention.head_count_kv", 3u32, &["divisor", "4", "found 3"]);
    check("attention.head_count_kv", 8u32, &["divisor", "4", "found 8"]);
    check("attention.value_length", 8u32, &["16", "found 8"]);
    check_tensor("attention.head_count", 8, &["blk.0.attn_q.weight", "128", "64"]);
    // Both lengths, or they contradict each other first.
    let lab = Lab::new();
    let mut writer = tiny().writer();
    for key in ["llama.attention.key_length", "llama.attention.value_length"] {
        writer.set(key, 0u32);
    }
    lab.fails(&["show", &lab.model(writer)], &["llama.attention.key_length", "found 0"]);
}

#[test]
fn widths() {
    check("embedding_length", 0u32, &["found 0"]);
    check("feed_forward_length", 0u32, &["found 0"]);
    check("feed_forward_length", u32::MAX, &["found 4294967295"]);
    check("context_length", 0u32, &["found 0"]);
    check("context_length", u32::MAX, &["found 4294967295"]);
    check_tensor("embedding_length", 128, &["token_embd.weight", "128", "64"]);
    check_tensor("feed_forward_length", 64, &["ffn_gate.weight", "64", "128"]);
}

#[test]
fn positions() {
    check("rope.dimension_count", 0u32, &["even", "2 to", "16", "found 0"]);
    check("rope.dimension_count", 15u32, &["even", "found 15"]);
    check("rope.dimension_count", 32u32, &["16", "found 32"]);
    check("rope.freq_base", 0.0f32, &["positive", "found 0"]);
    check("rope.freq_base", f32::NAN, &["positive", "found NaN"]);
    check("rope.freq_base", f32::INFINITY, &["positive", "found inf"]);
    check("rope.freq_base", -1.0f32, &["positive", "found -1"]);
    check("rope.scaling.type", "ntk", &["yarn or longrope", "found ntk"]);
    let experts = TinyRandom { n_experts: 4, ..tiny() };
    check_in(experts.clone(), "expert_used_count", 5u32.into(), &["1 to 4", "found 5"]);
    check_in(experts, "expert_used_count", 0u32.into(), &["1 to 4", "found 0"]);
}

#[test]
fn norms() {
    let key = "attention.layer_norm_rms_epsilon";
    check(key, f32::NAN, &["positive", "found NaN"]);
    check(key, 0.0f32, &["positive", "found 0"]);
    check(key, "small", &["found"]);
}

#[test]
fn softcaps_and_windows() {
    check_gemma3("attn_logit_softcapping", 0.0f32, &["positive", "found 0"]);
    check_gemma3("final_logit_softcapping", f32::NAN, &["positive", "found NaN"]);
    check_gemma3("attention.sliding_window", 0u32, &["found 0"]);
    check_gemma3("attention.sliding_window_pattern", &[true][..], &["2 layers", "found 1"]);
}

#[test]
fn vocabularies() {
    let check = |key: &str, value: Value, parts: &[&str]| {
        let lab = Lab::new();
        let mut writer = tiny().writer();
        writer.set(&format!("tokenizer.ggml.{key}"), value);
        let model = lab.model(writer);
        lab.fails(&["run", "-m", &model, "hello"], parts);
        lab.fails(&["tokenize", "-m", &model, "hello"], parts);
    };
    check("model", "nonsense".into(), &["nonsense", "gpt2, llama"]);
    check("bos_token_id", 5000u32.into(), &["bos_token_id", "5000", "288"]);
    let scores: &[f32] = &[0.0; 5];
    check("scores", scores.into(), &["scores", "5 entries", "288"]);
}
