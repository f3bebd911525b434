//! What is wrong with a model, in one table: the same in both formats, by their own names.

use serde_json::{Value as Json, json};

use super::*;

/// A safetensors file in pieces: its header, and what follows.
fn pieces(file: &[u8]) -> (Json, Vec<u8>) {
    let (length, rest) = file.split_first_chunk::<8>().expect("a length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (serde_json::from_slice(header).expect("a header"), data.to_vec())
}

fn joined(header: &Json, data: &[u8]) -> Vec<u8> {
    let header = header.to_string().into_bytes();
    [&(header.len() as u64).to_le_bytes(), &header[..], data].concat()
}

/// A safetensors file with one of its tensors once more, by another name.
pub(crate) fn with_copy(file: &[u8], name: &str, copy: &str) -> Vec<u8> {
    let (mut header, mut data) = pieces(file);
    let mut entry = header[name].clone();
    let place = |i: usize| entry["data_offsets"][i].as_u64().expect("an offset") as usize;
    let (begin, bytes) = (data.len(), data[place(0)..place(1)].to_vec());
    data.extend(bytes);
    entry["data_offsets"] = json!([begin, data.len()]);
    header[copy] = entry;
    joined(&header, &data)
}

/// One with a tensor that has another name.
fn renamed(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (mut header, data) = pieces(file);
    header[to] = header.as_object_mut().expect("an object").remove(from).expect("a tensor");
    joined(&header, &data)
}

/// One with a matrix whose rows are said to be its columns.
fn turned(file: &[u8], name: &str) -> Vec<u8> {
    let (mut header, data) = pieces(file);
    header[name]["shape"].as_array_mut().expect("a shape").reverse();
    joined(&header, &data)
}

/// One with another number in a tensor of 32 bits each.
pub(crate) fn with_word(file: &[u8], name: &str, idx: usize, word: i32) -> Vec<u8> {
    let (header, mut data) = pieces(file);
    let begin = header[name]["data_offsets"][0].as_u64().expect("an offset") as usize;
    data[begin + 4 * idx..][..4].copy_from_slice(&word.to_le_bytes());
    joined(&header, &data)
}

fn golden_gguf() -> Parts {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/llama/model.gguf");
    Parts::of_file(&GgufFile::open(&path, Mapping::Read).expect("a file"))
}

/// One model in both formats.
#[test]
fn what_is_wrong_is_named_in_both_formats() {
    let folder = |edit: &dyn Fn(&[u8]) -> Vec<u8>| load_edited_folder("llama", &[], edit);
    let config = |key: &str, value: Json| load_folder("llama", &[(key, Some(value))]);
    assert!(golden_gguf().load().is_ok() && folder(&<[u8]>::to_vec).is_ok());
    let lists = "docs/models.md lists those that are";
    let unused = "the file holds another kind of model than it says";
    let (up, gguf_up) = ("model.layers.1.mlp.up_proj.weight", "blk.1.ffn_up.weight");
    let scaling = "llama.rope.scaling.type";
    for (found, expected) in [
        // An architecture that is unknown: its name, the nearest one, and where to look.
        (
            golden_gguf().set("general.architecture", "lama").load(),
            format!("architecture \"lama\" is not supported, \"llama\" is; {lists}"),
        ),
        (
            config("architectures", json!(["LamaForCausalLM"])),
            format!(
                "architecture \"LamaForCausalLM\" is not supported, \"LlamaForCausalLM\" is; \
                 {lists}"
            ),
        ),
        // A tensor that is missing, with the shape that it would have.
        (
            golden_gguf().without_tensor(gguf_up).load(),
            format!("tensor {gguf_up} is missing: expected shape [64, 48]"),
        ),
        (
            folder(&|weights| renamed(weights, up, "model.layers.1.mlp.upwards.weight")),
            format!("tensor {up} is missing: expected shape [64, 48]"),
        ),
        // One too many.
        (
            golden_gguf().with_tensor("blk.1.ffn_side.weight", &[64, 48]).load(),
            format!("tensor blk.1.ffn_side.weight is not used by architecture llama: {unused}"),
        ),
        (
            folder(&|weights| with_copy(weights, up, "model.layers.1.mlp.side_proj.weight")),
            format!(
                "tensor model.layers.1.mlp.side_proj.weight is not used by architecture llama: \
                 {unused}"
            ),
        ),
        // One of another shape: both.
        (
            golden_gguf().with_tensor(gguf_up, &[48, 64]).load(),
            format!("tensor {gguf_up}: expected shape [64, 48], found [48, 64]"),
        ),
        (
            folder(&|weights| turned(weights, up)),
            format!("tensor {up}: expected shape [64, 48], found [48, 64]"),
        ),
        // Positions that are scaled in an unknown way.
        (
            golden_gguf().set(scaling, "stretchy").load(),
            format!("config: {scaling}: expected none, linear, yarn or longrope, found stretchy"),
        ),
        (
            config("rope_scaling", json!({"rope_type": "stretchy", "factor": 2.0})),
            "config: rope_type: expected default, linear, dynamic, yarn, longrope, llama3 or \
             mrope, found \"stretchy\""
                .into(),
        ),
    ] {
        check(found, &expected);
    }
}
