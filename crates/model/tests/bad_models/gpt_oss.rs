//! Experts stored by columns, or in blocks of four bits, and what else is that model's own.

use std::path::{Path, PathBuf};

use format::Mapping;
use format::gguf::GgufFile;
use kernels::DType;
use model::load::ModelFile;
use model::weights::{DenseWeights, FeedForwardWeights};
use model::{LoadOptions, Model, Pages};
use serde_json::json;

use super::{Parts, check, load, load_folder};

const FLOATS: &str = "gpt-oss";
const BLOCKS: &str = "gpt-oss-mxfp4";

fn golden(case: &str, name: &str) -> PathBuf {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens");
    goldens.join(case).join(name)
}

/// Name, type, shape, and the byte that it is full of.
type Replaced<'a> = (&'a str, &'a str, &'a [usize], u8);

/// The folder of blocks with other tensors, of experts of another width.
#[track_caller]
fn check_tensors(replaced: &[Replaced<'_>], d_ff: usize, expected: &str) {
    const STEM: &str = "model.layers.0.mlp.experts";
    let stored = std::fs::read(golden(BLOCKS, "hf/model.safetensors")).expect("weights");
    let (length, rest) = stored.split_first_chunk().expect("a length");
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: serde_json::Value = serde_json::from_slice(header).expect("JSON");
    let mut all = Vec::new();
    for (name, entry) in header.as_object_mut().expect("an object") {
        let Some([begin, end]) = entry["data_offsets"]
            .as_array()
            .map(|offsets| [0, 1].map(|i| offsets[i].as_u64().expect("an offset") as usize))
        else {
            continue;
        };
        let begins = all.len();
        let other = replaced.iter().find(|other| *name == format!("{STEM}.{}", other.0));
        match other {
            None => all.extend_from_slice(&data[begin..end]),
            Some((_, dtype, shape, byte)) => {
                let size = if *dtype == "BF16" { 2 } else { 1 };
                all.resize(begins + size * shape.iter().product::<usize>(), *byte);
                (entry["dtype"], entry["shape"]) = (json!(dtype), json!(shape));
            }
        }
        entry["data_offsets"] = json!([begins, all.len()]);
    }
    let config = std::fs::read(golden(BLOCKS, "hf/config.json")).expect("config.json");
    let mut config: serde_json::Value = serde_json::from_slice(&config).expect("JSON");
    config["intermediate_size"] = json!(d_ff);
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, bytes: &[u8]| {
        std::fs::write(folder.path().join(name), bytes).expect("a writable folder");
    };
    write("config.json", config.to_string().as_bytes());
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    write("model.safetensors", &[&length, header.as_bytes(), &all].concat());
    let file = ModelFile::open(folder.path(), Mapping::Read).expect("a folder");
    check(load(&file), expected);
}

#[test]
fn parts_of_blocks_that_do_not_fit_are_named() {
    const SCALES: &str = "gate_up_proj_scales";
    const NIBBLES: &str = "gate_up_proj_blocks";
    let check = |replaced: &[Replaced<'_>], part: &str, what: &str| {
        let expected = format!("tensor model.layers.0.mlp.experts.{part}: expected {what}");
        check_tensors(replaced, 96, &expected);
    };
    let floats = (SCALES, "F8_E4M3", &[4, 192, 2][..], 127);
    check(&[floats], SCALES, "type U8, found F8_E4M3");
    let wider = (SCALES, "U8", &[4, 192, 3][..], 127);
    check(&[wider], SCALES, "shape [4, 192, 2], found [4, 192, 3]");
    let flat = (NIBBLES, "U8", &[4, 192, 2][..], 0);
    check(&[flat], NIBBLES, "shape [4, 192, 2, 16], found [4, 192, 2]");
    // Rows that end within a block.
    let narrow = [
        (SCALES, "U8", &[4, 80, 2][..], 127),
        (NIBBLES, "U8", &[4, 80, 2, 16], 0x11),
        ("gate_up_proj_bias", "BF16", &[4, 80], 0),
    ];
    let expected = "expected rows of blocks of 32, found 40";
    let name = "config: model.layers.0.mlp.experts.down_proj_blocks";
    check_tensors(&narrow, 40, &format!("{name}: {expected}"));
    // No number, and more than f32 holds: 0.5 is finite still.
    let check_value = |scale: u8, value: &str| {
        let replaced =
            [(SCALES, "U8", &[4, 192, 2][..], scale), (NIBBLES, "U8", &[4, 192, 2, 16], 0x71)];
        let name = format!("tensor model.layers.0.mlp.experts.{NIBBLES}");
        check_tensors(&replaced, 96, &format!("{name}: {value}, expected a finite number"));
    };
    check_value(255, "value 0 is NaN");
    check_value(254, "value 1 is inf");
}

#[test]
fn sizes_that_do_not_fit_are_named_by_tensor() {
    let check_key = |case: &str, key: &str, value: u32, expected: &str| {
        let expected = format!("tensor model.layers.0.mlp.{expected}");
        check(load_folder(case, &[(key, Some(json!(value)))]), &expected);
    };
    let router = "router.weight: expected shape [7, 32], found [4, 32]";
    check_key(FLOATS, "num_local_experts", 7, router);
    let joined = "experts.gate_up_proj: expected shape [4, 32, 82], found [4, 32, 80]";
    check_key(FLOATS, "intermediate_size", 41, joined);
    let largest = "experts.gate_up_proj_blocks: expected shape [4, 2097152, 2, 16]";
    check_key(BLOCKS, "intermediate_size", 1 << 20, &format!("{largest}, found [4, 192, 2, 16]"));
}

#[test]
fn tensors_that_only_this_model_has_are_asked_for() {
    let parts = || {
        let file = GgufFile::open(&golden(FLOATS, "model.gguf"), Mapping::Read);
        Parts::of_file(&file.expect("a model"))
    };
    for (name, shape) in [
        ("blk.1.attn_sinks.weight", "[4]"),
        ("blk.0.ffn_gate_inp.bias", "[4]"),
        ("blk.0.ffn_gate_exps.bias", "[4, 40]"),
        ("blk.1.ffn_down_exps.bias", "[4, 32]"),
    ] {
        let missing = format!("tensor {name} is missing: expected shape {shape}");
        check(parts().without_tensor(name).load(), &missing);
        let misshapen = format!("tensor {name}: expected shape {shape}, found [3]");
        check(parts().with_tensor(name, &[3]).load(), &misshapen);
    }
    let many = parts().set("gpt-oss.expert_count", 5000u32).load();
    check(many, "config: gpt-oss.expert_count: expected 1 to 4096, found 5000");
}

fn load_with(case: &str, options: LoadOptions) -> Model {
    let file = ModelFile::open(&golden(case, "hf"), Mapping::Read).expect("a folder");
    model::load(&file, options, &mut |_, _| ()).expect("a model")
}

fn expert(model: &Model) -> &DenseWeights {
    match &model.layers[0].feed_forward {
        FeedForwardWeights::Experts(weights) => &weights.experts[1],
        FeedForwardWeights::Dense(_) => panic!("no experts"),
    }
}

#[test]
fn columns_are_quantised_by_rows() {
    let quantize = Some(DType::Q8_0);
    let quantized = load_with(FLOATS, LoadOptions { quantize, ..LoadOptions::default() });
    let floats = load_with(FLOATS, LoadOptions::default());
    let (quantized, floats) = (expert(&quantized), expert(&floats));
    assert_eq!(quantized.up.weight.dtype, DType::Q8_0);
    // Rows of 40 are no whole blocks.
    assert_eq!(quantized.down.weight.dtype, DType::BF16);
    for row_idx in 0..floats.up.weight.n_out {
        let (mut found, mut expected) = ([0.0; 32], [0.0; 32]);
        quantized.up.weight.decode_row(row_idx, &mut found);
        floats.up.weight.decode_row(row_idx, &mut expected);
        let most = expected.iter().fold(0f32, |most, x| most.max(x.abs()));
        // Half a step, and the rounding of the scale.
        let bound = most / 127.0 * 0.51;
        assert!(found.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= bound), "{row_idx}");
    }
}

#[test]
fn models_that_are_only_described_have_the_same_sizes() {
    for case in [FLOATS, BLOCKS] {
        let described = load_with(case, LoadOptions { pages: Pages::Leave, ..Default::default() });
        let loaded = load_with(case, LoadOptions::default());
        assert_eq!(described.n_weight_bytes(), loaded.n_weight_bytes(), "{case}");
    }
}
