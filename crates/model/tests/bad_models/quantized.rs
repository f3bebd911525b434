//! Folders that are quantised: what their matrices become, and what is wrong with them.

use std::path::Path;

use format::Mapping;
use kernels::DType;
use model::load::ModelFile;
use model::weights::FeedForwardWeights;
use model::{Arithmetic, LoadError, LoadOptions, Model};
use serde_json::json;

use super::both_formats::with_word;
use super::{check, load_edited_folder, load_folder};

/// Types of the first layer's output of attention with integer and with float arithmetic.
#[track_caller]
fn check_types(case: &str, int8: DType, exact: DType) {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(case);
    let file = ModelFile::open(&golden.join("hf"), Mapping::Read).expect("a folder");
    for (arithmetic, expected) in [(Arithmetic::Int8, int8), (Arithmetic::Exact, exact)] {
        let options = LoadOptions { arithmetic, ..LoadOptions::default() };
        let model = model::load(&file, options, &mut |_, _| ()).expect("a model");
        let found = model.layers[0].attn_output.weight.dtype;
        assert_eq!(found, expected, "{case}, {arithmetic:?}");
    }
}

#[test]
fn blocks_hold_what_they_can_hold_exactly() {
    check_types("llama-gptq", DType::Q4_0, DType::Q4_0);
    check_types("llama-gptq8", DType::Q8_0, DType::Q8_0);
    check_types("phi3-gptq", DType::Q5_0, DType::Q5_0);
    check_types("qwen3-awq", DType::Q5_0, DType::Q5_0);
    check_types("llama-packed", DType::Q4_0, DType::Q4_0);
    check_types("phi3-packed", DType::Q8_0, DType::Q8_0);
    check_types("qwen3-fp8", DType::Q8_0, DType::F32);
    // Columns of a block have different scales.
    check_types("qwen2-gptq", DType::Q8_0, DType::F32);
    check_types("qwen3-packed", DType::Q8_0, DType::F32);
}

/// Experts that a folder has in blocks of four bits stay what they are, whatever is asked for.
#[test]
fn experts_in_blocks_stay_blocks() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/gpt-oss-mxfp4");
    let file = ModelFile::open(&golden.join("hf"), Mapping::Read).expect("a folder");
    for (arithmetic, quantize) in
        [(Arithmetic::Int8, None), (Arithmetic::Exact, None), (Arithmetic::Int8, Some(DType::Q8_0))]
    {
        let options = LoadOptions { arithmetic, quantize, ..LoadOptions::default() };
        let model = model::load(&file, options, &mut |_, _| ()).expect("a model");
        let FeedForwardWeights::Experts(experts) = &model.layers[0].feed_forward else {
            panic!("no experts");
        };
        for expert in &experts.experts {
            for linear in expert.gate.iter().chain([&expert.up, &expert.down]) {
                assert_eq!(linear.weight.dtype, DType::Mxfp4, "{}", linear.weight.name);
            }
        }
    }
}

#[test]
fn experts_in_blocks_that_do_not_fit_are_named() {
    let load = |key: &str, value: usize| load_folder("gpt-oss-mxfp4", &[(key, Some(json!(value)))]);
    let stem = "model.layers.0.mlp.experts.gate_up_proj";
    let shape = format!("tensor {stem}_blocks: expected shape");
    check(
        load("intermediate_size", 64),
        &format!("{shape} [4, 128, 2, 16], found [4, 192, 2, 16]"),
    );
    let floats = load_folder("gpt-oss-mxfp4", &[("quantization_config", None)]);
    check(floats, &format!("tensor {stem} is missing: expected shape [4, 64, 192]"));
    for (key, found, expected) in [("swiglu_limit", 6.0, "7"), ("swiglu_alpha", 1.5, "1.702")] {
        let folder = load_folder("gpt-oss", &[(key, Some(json!(found)))]);
        check(folder, &format!("config: {key}: expected {expected}, found {found}"));
    }
}

/// A golden's folder with another value in its `quantization_config`.
fn change(case: &str, key: &str, value: serde_json::Value) -> Result<Model, LoadError> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(case);
    let config = std::fs::read(golden.join("hf/config.json")).expect("config.json");
    let config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
    let mut quantization = config["quantization_config"].clone();
    quantization[key] = value;
    load_folder(case, &[("quantization_config", Some(quantization))])
}

#[track_caller]
fn check_key(case: &str, key: &str, value: serde_json::Value, expected: &str) {
    check(change(case, key, value), expected);
}

#[test]
fn methods_that_are_not_read_are_named() {
    for method in ["bitsandbytes", "hqq", "eetq", ""] {
        let expected = format!(
            "weights that are quantised by {method:?} cannot be read, those by gptq, awq, fp8, \
             mxfp4 and compressed-tensors (FP8, packed integers) can: take the model's folder of \
             floats, or a GGUF file of it"
        );
        check_key("llama-gptq", "quant_method", json!(method), &expected);
    }
    let key = |key: &str, what: &str| format!("config: quantization_config.{key}: expected {what}");
    for bits in [json!(2), json!(3), json!(null)] {
        let expected = key("bits", &format!("4 or 8, found {bits}"));
        check_key("llama-gptq", "bits", bits, &expected);
    }
    let format = key("checkpoint_format", "gptq or gptq_v2, found \"marlin\"");
    check_key("llama-gptq", "checkpoint_format", json!("marlin"), &format);
    let version = key("version", "gemm or GEMM, found \"gemv\"");
    check_key("qwen3-awq", "version", json!("gemv"), &version);
    check_key("qwen3-awq", "bits", json!(8), &key("bits", "4, found 8"));
    let group = key("group_size", "a positive number, or -1, found 0");
    check_key("qwen3-awq", "group_size", json!(0), &group);
}

#[test]
fn variants_of_fp8_that_are_not_read_are_named() {
    let key = |key: &str, what: &str| format!("config: quantization_config.{key}: expected {what}");
    for size in [json!([128]), json!([0, 128]), json!(128)] {
        let expected = key("weight_block_size", &format!("two positive numbers, found {size}"));
        check_key("qwen3-fp8", "weight_block_size", size, &expected);
    }
    let format = "float-quantized or naive-quantized or pack-quantized, found \"int-quantized\"";
    check_key("llama-fp8", "format", json!("int-quantized"), &key("format", format));
    let group = |key: &str, value: serde_json::Value| {
        let mut weights = json!({"num_bits": 8, "type": "float", "strategy": "tensor"});
        weights[key] = value;
        json!({"group_0": {"weights": weights}})
    };
    for (name, value, expected) in [
        ("type", json!("int"), "float, found \"int\""),
        ("num_bits", json!(4), "8, found 4"),
        ("strategy", json!("group"), "tensor or channel or block, found \"group\""),
    ] {
        let expected = key(&format!("config_groups.group_0.weights.{name}"), expected);
        check_key("llama-fp8", "config_groups", group(name, value), &expected);
    }
    // Blocks of another size.
    let scale = "tensor model.layers.0.self_attn.q_proj.weight_scale_inv: expected shape [1, 1]";
    let scale = format!("{scale}, found [2, 2]");
    check_key("qwen3-fp8", "weight_block_size", json!([64, 64]), &scale);
}

#[test]
fn variants_of_packed_integers_that_are_not_read_are_named() {
    let key = |key: &str, what: &str| format!("config: quantization_config.{key}: expected {what}");
    let weights = json!({"type": "int", "num_bits": 4, "strategy": "group", "group_size": 32});
    let with = |key: &str, value: &serde_json::Value| {
        let mut weights = weights.clone();
        weights[key] = value.clone();
        weights
    };
    let one = |weights| json!({"group_0": {"weights": weights}});
    for (name, value, expected) in [
        ("type", json!("float"), "int, found \"float\""),
        ("num_bits", json!(3), "4 or 8, found 3"),
        ("num_bits", json!(null), "4 or 8, found null"),
        ("strategy", json!("tensor"), "group or channel, found \"tensor\""),
        ("group_size", json!(0), "a positive number, found 0"),
        ("group_size", json!(null), "a positive number, found null"),
    ] {
        let expected = key(&format!("config_groups.group_0.weights.{name}"), expected);
        check_key("llama-packed", "config_groups", one(with(name, &value)), &expected);
    }
    // Of another group, which has modules of its own.
    for (name, value) in
        [("num_bits", json!(8)), ("group_size", json!(64)), ("symmetric", json!(false))]
    {
        let groups = json!({
            "group_0": {"weights": weights}, "group_1": {"weights": with(name, &value)},
        });
        let expected = format!("that of the other groups, found {value}");
        let expected = key(&format!("config_groups.group_1.weights.{name}"), &expected);
        check_key("llama-packed", "config_groups", groups, &expected);
    }
    let none = key("config_groups", "a group of modules, found {}");
    check_key("llama-packed", "config_groups", json!({}), &none);
    let format = json!({"group_0": {"weights": weights, "format": "nvfp4-pack-quantized"}});
    let what = "pack-quantized, found \"nvfp4-pack-quantized\"";
    check_key("llama-packed", "config_groups", format, &key("config_groups.group_0.format", what));
    let rotated = key("transform_config", "nothing, found {\"config_groups\":{}}");
    check_key("llama-packed", "transform_config", json!({"config_groups": {}}), &rotated);
    // Other parts than the numbers say.
    let tensor = |part: &str| format!("tensor model.layers.0.self_attn.q_proj.{part}");
    let packed = format!("{}: expected shape [64, 16], found [64, 8]", tensor("weight_packed"));
    check_key("llama-packed", "config_groups", one(with("num_bits", &json!(8))), &packed);
    let scale = format!("{}: expected shape [64, 1], found [64, 2]", tensor("weight_scale"));
    check_key("llama-packed", "config_groups", one(with("group_size", &json!(64))), &scale);
    let zeros = format!("{} is missing: expected shape [8, 2]", tensor("weight_zero_point"));
    check_key("llama-packed", "config_groups", one(with("symmetric", &json!(false))), &zeros);
    // Zeros that the numbers do not know of.
    let symmetric = one(with("actorder", &json!("group")));
    let unused = "is not used by architecture qwen3: the file holds another kind of model than it \
                  says";
    let message = change("qwen3-packed", "config_groups", symmetric).err().expect("an error");
    let message = message.to_string();
    assert!(message.contains("weight_zero_point") && message.ends_with(unused), "{message}");
}

/// The group of an input that there is not, in both layouts that have an order.
#[test]
fn groups_that_there_are_not_are_named() {
    for (case, part) in [("qwen2-gptq", "g_idx"), ("qwen3-packed", "weight_g_idx")] {
        let name = format!("model.layers.0.self_attn.q_proj.{part}");
        for found in [2i32, i32::MAX, -1] {
            let edit = |file: &[u8]| with_word(file, &name, 5, found);
            let expected = format!("config: {name}: expected groups below 2, found {found}");
            check(load_edited_folder(case, &[], edit), &expected);
        }
    }
}

#[test]
fn parts_that_do_not_fit_are_named() {
    let tensor = |part: &str, expected: &str| {
        format!("tensor model.layers.0.self_attn.q_proj.{part}: expected shape {expected}")
    };
    let qzeros = tensor("qzeros", "[1, 8], found [2, 8]");
    check_key("llama-gptq", "group_size", json!(64), &qzeros);
    let qweight = tensor("qweight", "[16, 64], found [8, 64]");
    check_key("llama-gptq", "bits", json!(8), &qweight);
    // The same tensors by another layout.
    check_key(
        "llama-gptq",
        "quant_method",
        json!("awq"),
        &tensor("qweight", "[64, 8], found [8, 64]"),
    );
    let floats = load_folder("llama-gptq", &[("quantization_config", None)]);
    let name = "model.layers.0.self_attn.q_proj.weight";
    check(floats, &format!("tensor {name} is missing: expected shape [64, 64]"));
}
