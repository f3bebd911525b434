//! Files that are no models, or were: one line that names the file, the place and what to do.

use format::Mapping;
use format::gguf::GgufFile;

use crate::lab::{Lab, tiny};

/// Every command that opens a model says the same.
fn check(lab: &Lab, model: &str, parts: &[&str]) {
    lab.fails(&["run", "-m", model, "hello"], parts);
    lab.fails(&["run", "-m", model, "hello", "--no-mmap", "--json"], parts);
    lab.fails(&["show", model], parts);
    lab.fails(&["score", "-m", model, "hello", "--exact"], parts);
    lab.fails(&["bench", "-m", model, "-p", "1", "-n", "1", "-r", "1"], parts);
}

fn check_bytes(bytes: &[u8], parts: &[&str]) {
    let lab = Lab::new();
    let model = lab.file("damaged.gguf", bytes);
    check(&lab, &model, &[parts, &["damaged.gguf"]].concat());
}

/// Where the table of tensors gives the type of a matrix: after its name, its rank and its shape.
fn type_at(bytes: &[u8], name: &str) -> usize {
    position(bytes, name.as_bytes()) + name.len() + 4 + 2 * 8
}

fn position(bytes: &[u8], part: &[u8]) -> usize {
    bytes.windows(part.len()).position(|window| window == part).expect("it is in the file")
}

#[test]
fn absent() {
    let lab = Lab::new();
    check(&lab, "no/such/model.gguf", &["no/such/model.gguf", "no file or folder"]);
    lab.fails(&["tokenize", "-m", "no/such/model.gguf", "a"], &["no/such/model.gguf"]);
}

#[test]
fn folders() {
    let lab = Lab::new();
    std::fs::create_dir(lab.path("empty")).expect("a writable folder");
    check(&lab, "empty", &["empty", "config.json", "model folder"]);
    lab.file("no-weights/config.json", r#"{"architectures":["LlamaForCausalLM"]}"#);
    check(&lab, "no-weights", &["no-weights", "safetensors"]);
    lab.file("no-json/config.json", "{");
    lab.file("no-json/tokenizer.json", "{}");
    lab.file("no-json/model.safetensors", b"\x02\0\0\0\0\0\0\0{}");
    check(&lab, "no-json", &["config.json", "JSON"]);
}

#[test]
fn not_gguf() {
    check_bytes(b"", &["truncated or corrupt"]);
    check_bytes(b"GG", &["truncated or corrupt"]);
    check_bytes(b"GGML then something else", &["GGUF", "GGML"]);
    check_bytes(b"<!DOCTYPE html><html></html>", &["GGUF"]);
    check_bytes(b"GGUF\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", &["version 1"]);
}

#[test]
fn truncated() {
    let bytes = tiny().bytes();
    for n_bytes in [bytes.len() / 2, bytes.len() - 1] {
        check_bytes(&bytes[..n_bytes], &["truncated or corrupt"]);
    }
    // A header that promises more than could follow.
    for n_bytes in [100, 1000] {
        check_bytes(&bytes[..n_bytes], &["expected at most", "bytes are left"]);
    }
}

#[test]
fn corrupt() {
    let mut bytes = tiny().bytes();
    // The length of the first key, a string.
    bytes[24..32].fill(0xff);
    check_bytes(&bytes, &["metadata"]);
    let mut bytes = tiny().bytes();
    let at = type_at(&bytes, "blk.0.attn_q.weight");
    // One dimension of the shape.
    bytes[at - 8..at].copy_from_slice(&(1u64 << 40).to_le_bytes());
    check_bytes(&bytes, &["blk.0.attn_q.weight"]);
}

#[test]
fn a_tensor_type_that_cannot_be_read_is_named_with_its_tensor() {
    let mut bytes = tiny().bytes();
    let at = type_at(&bytes, "blk.1.ffn_up.weight");
    // Q8_1, by the number that files use.
    bytes[at..at + 4].copy_from_slice(&9u32.to_le_bytes());
    check_bytes(&bytes, &["blk.1.ffn_up.weight", "Q8_1", "Q4_K"]);
}

#[test]
fn an_unknown_architecture_is_named_with_the_nearest() {
    let lab = Lab::new();
    let mut writer = tiny().writer();
    writer.set("general.architecture", "gemma4");
    check(&lab, &lab.model(writer), &["gemma4", "\"gemma3\" is", "docs/models.md"]);
}

#[test]
fn weights_that_are_not_numbers_are_named() {
    let lab = Lab::new();
    let model = lab.model(tiny().writer());
    for name in ["blk.1.ffn_norm.weight", "blk.0.attn_v.weight", "token_embd.weight"] {
        let file = GgufFile::open(model.as_ref(), Mapping::Read).expect("a model");
        let tensor = file.tensor(name).expect("a tensor of the model");
        let mut bytes = std::fs::read(&model).expect("the model was written");
        let at = position(&bytes, &tensor.bytes[..64]);
        bytes[at..at + tensor.bytes.len()].fill(0xff);
        let damaged = lab.file("damaged.gguf", &bytes);
        lab.fails(&["run", "-m", &damaged, "hello"], &[name]);
        lab.fails(&["score", "-m", &damaged, "hello"], &[name]);
    }
}

/// c07: it keeps nobody from the model who does not use it.
#[test]
fn a_broken_template_is_named_with_its_line() {
    let lab = Lab::new();
    let check = |template: &str, parts: &[&str]| {
        let mut writer = tiny().writer();
        writer.set("tokenizer.chat_template", template);
        let model = lab.model(writer);
        lab.fails(&["run", "-m", &model, "hello"], &[&["chat template"], parts].concat());
        lab.succeeds(&["run", "-m", &model, "--raw", "-n", "1", "hello"]);
        lab.succeeds(&["score", "-m", &model, "hello"]);
        lab.succeeds(&["show", &model]);
        model
    };
    let model = check("{% for message in messages %}\n{{ message.content", &["line 2"]);
    lab.fails(&["chat", "-m", &model], &["chat template", "line 2"]);
    check("\n\n{{ messages.nonsense.nonsense }}", &["line 3"]);
    check("{{ raise_exception('only even turns') }}", &["only even turns"]);
    check("{% for i in range(99999) %}{% for i in range(99999) %}a{% endfor %}{% endfor %}", &[]);
}
