//! Files that are well-formed but no model: each is one line that names the key or the tensor.

mod both_formats;
mod defaults;
mod encoder_decoder;
mod gpt_oss;
mod latent;
mod positions;
mod quantized;
mod senses;

use std::path::Path;

use format::gguf::{GgufFile, Value, Writer};
use format::{Mapping, Tensor, TensorInfo};
use kernels::DType;
use model::load::ModelFile;
use model::{LoadError, LoadOptions, Model};
use serde_json::json;
use tiny_random::{N_VOCAB, Output, TinyRandom};

const D_MODEL: usize = 32;

fn llama() -> TinyRandom {
    TinyRandom {
        d_model: D_MODEL,
        d_ff: 64,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 8,
        ..TinyRandom::default()
    }
}

fn gemma3() -> TinyRandom {
    TinyRandom { architecture: "gemma3", window: Some(16), output: Output::Tied, ..llama() }
}

/// A GGUF file in pieces.
struct Parts {
    metadata: Vec<(String, Value)>,
    tensors: Vec<Tensor>,
}

impl Parts {
    fn of(tiny: &TinyRandom) -> Self {
        Self::of_file(&GgufFile::from_bytes(tiny.bytes().into(), "tiny").expect("a model"))
    }

    fn of_file(file: &GgufFile) -> Self {
        let metadata = file.metadata().iter().map(|(key, value)| (key.into(), value.clone()));
        let tensors = file.tensors().map(|info| file.tensor(&info.name).expect("a tensor"));
        Self { metadata: metadata.collect(), tensors: tensors.collect() }
    }

    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self = self.without_key(key);
        self.metadata.push((key.into(), value.into()));
        self
    }

    fn without_key(mut self, key: &str) -> Self {
        self.metadata.retain(|(known, _)| known != key);
        self
    }

    fn without_tensor(mut self, name: &str) -> Self {
        let n_tensors = self.tensors.len();
        self.tensors.retain(|tensor| tensor.info.name != name);
        assert_eq!(self.tensors.len(), n_tensors - 1, "{name}");
        self
    }

    fn with_tensor(mut self, name: &str, shape: &[usize]) -> Self {
        self.tensors.retain(|tensor| tensor.info.name != name);
        let bytes = 1f32.to_le_bytes().repeat(shape.iter().product()).into();
        let info = TensorInfo { name: name.into(), dtype: DType::F32, shape: shape.into() };
        self.tensors.push(Tensor { info, bytes });
        self
    }

    fn load(self) -> Result<Model, LoadError> {
        let mut writer = Writer::new();
        for (key, value) in self.metadata {
            writer.set(&key, value);
        }
        for tensor in self.tensors {
            writer.tensor(tensor.info, tensor.bytes);
        }
        let bytes = writer.into_bytes("tiny").expect("a file that the format can hold");
        let file = ModelFile::Gguf(GgufFile::from_bytes(bytes.into(), "tiny").expect("a file"));
        load(&file)
    }
}

fn load(file: &ModelFile) -> Result<Model, LoadError> {
    model::load(file, LoadOptions::default(), &mut |_, _| ())
}

#[track_caller]
fn check(result: Result<Model, LoadError>, expected: &str) {
    let message = result.err().map(|error| error.to_string());
    assert_eq!(message.as_deref(), Some(expected));
}

/// Another value of one key; `expected` goes on after the key.
#[track_caller]
fn check_key(tiny: &TinyRandom, key: &str, value: impl Into<Value>, expected: &str) {
    let key = format!("{}.{key}", tiny.architecture);
    check(Parts::of(tiny).set(&key, value).load(), &format!("config: {key}: expected {expected}"));
}

/// As [`check_key`], where it is the type that is wrong.
#[track_caller]
fn check_type(tiny: &TinyRandom, key: &str, value: impl Into<Value>, expected: &str) {
    let key = format!("{}.{key}", tiny.architecture);
    let expected = format!("tiny: metadata key {key:?}: expected {expected}");
    check(Parts::of(tiny).set(&key, value).load(), &expected);
}

#[test]
fn counts_out_of_range_are_named() {
    let llama = llama();
    for n in [0u32, 513, 1 << 31] {
        check_key(&llama, "block_count", n, &format!("1 to 512, found {n}"));
    }
    for n in [0u32, 5000] {
        check_key(&llama, "attention.head_count", n, &format!("1 to 4096, found {n}"));
    }
    for n in [0u32, 3, 8] {
        let expected = format!("a divisor of the number of heads, 4, found {n}");
        check_key(&llama, "attention.head_count_kv", n, &expected);
    }
    check_key(&llama, "embedding_length", 0u32, "1 to 1048576, found 0");
    check_key(&llama, "embedding_length", u32::MAX, "1 to 1048576, found 4294967295");
    check_key(&llama, "feed_forward_length", 0u32, "1 to 1048576, found 0");
    check_key(&llama, "context_length", 0u32, "1 to 1073741824, found 0");
    check_key(&llama, "context_length", u32::MAX, "1 to 1073741824, found 4294967295");
}

#[test]
fn counts_of_another_type_are_named() {
    let llama = llama();
    check_type(&llama, "block_count", 2.0f32, "u32, found f32 2");
    check_type(&llama, "block_count", "2", "u32, found string \"2\"");
    check_type(&llama, "block_count", -1i32, "u32, found i32 -1");
    check_type(&llama, "block_count", 1u64 << 32, "u32, found u64 4294967296");
    check_type(&llama, "attention.head_count", &[4u32, 4][..], "u32, found array of 2 u32");
    check_type(&llama, "rope.freq_base", 10_000u32, "f32, found u32 10000");
    check_type(&llama, "rope.scaling.type", 1u32, "string, found u32 1");
}

#[test]
fn heads_that_cannot_be_are_named() {
    let llama = llama();
    check_key(&llama, "attention.value_length", 16u32, "key_length = 8, found 16");
    let both = |n: u32| {
        let parts = Parts::of(&llama).set("llama.attention.key_length", n);
        parts.set("llama.attention.value_length", n).load()
    };
    for n in [0u32, 2000] {
        let expected = format!("config: llama.attention.key_length: expected 1 to 1024, found {n}");
        check(both(n), &expected);
    }
    // RoPE turns all of a head where the file does not say how much.
    let even = "an even number from 2 to the head's width";
    check(both(7), &format!("config: llama.rope.dimension_count: expected {even}, 7, found 7"));
    for n in [0u32, 1, 3, 10, 512] {
        let expected = format!("{even}, 8, found {n}");
        check_key(&llama, "rope.dimension_count", n, &expected);
    }
    // Many narrow heads: their width is d_model / n_heads, less than one.
    let narrow = Parts::of(&llama).without_key("llama.attention.key_length");
    let narrow = narrow.without_key("llama.attention.value_length");
    let narrow = narrow.set("llama.attention.head_count", 64u32).load();
    check(narrow, "config: llama.attention.key_length: expected 1 to 1024, found 0");
}

#[test]
fn numbers_that_are_none_or_not_positive_are_named() {
    for key in [
        "attention.layer_norm_rms_epsilon",
        "attention.scale",
        "rope.freq_base",
        "attn_logit_softcapping",
        "final_logit_softcapping",
    ] {
        for x in [0.0, -1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            check_key(&llama(), key, x, &format!("a positive number, found {x}"));
        }
    }
    check_key(&gemma3(), "rope.freq_base_swa", 0.0f32, "a positive number, found 0");
}

#[test]
fn windows_and_their_pattern_are_checked() {
    let gemma3 = gemma3();
    check_key(&gemma3, "attention.sliding_window", 0u32, "1 to 4294967295, found 0");
    let no_window = Parts::of(&gemma3).without_key("gemma3.attention.sliding_window").load();
    let expected = "config: gemma3.attention.sliding_window: expected 1 to 4294967295, found 0";
    check(no_window, expected);
    let pattern = "attention.sliding_window_pattern";
    for flags in [&[][..], &[true], &[true, false, true]] {
        let expected = format!("one entry for each of 2 layers, found {}", flags.len());
        check_key(&gemma3, pattern, flags, &expected);
    }
    check_type(&gemma3, pattern, "all", "u32, found string \"all\"");
}

#[test]
fn numbers_that_are_missing_are_named() {
    for key in [
        "block_count",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
        "context_length",
        "attention.layer_norm_rms_epsilon",
    ] {
        let key = format!("llama.{key}");
        let expected = format!("tiny: metadata key {key:?} is missing");
        check(Parts::of(&llama()).without_key(&key).load(), &expected);
    }
}

#[test]
fn architectures_that_are_unknown_are_named_with_their_nearest() {
    let unknown = |name: &str, nearest: &str| {
        let expected = format!(
            "architecture {name:?} is not supported{nearest}; docs/models.md lists those that are"
        );
        check(Parts::of(&llama()).set("general.architecture", name).load(), &expected);
    };
    unknown("rwkv7", "");
    unknown("qwen9", ", \"qwen3\" is");
    unknown("lama", ", \"llama\" is");
    let nameless = Parts::of(&llama()).without_key("general.architecture").load();
    check(nameless, "tiny: metadata key \"general.architecture\" is missing");
}

#[test]
fn missing_tensors_are_named() {
    for (name, shape) in [
        ("output_norm.weight", "[32]"),
        ("blk.0.attn_norm.weight", "[32]"),
        ("blk.1.attn_k.weight", "[16, 32]"),
        ("blk.1.ffn_down.weight", "[32, 64]"),
    ] {
        let expected = format!("tensor {name} is missing: expected shape {shape}");
        check(Parts::of(&llama()).without_tensor(name).load(), &expected);
    }
    let embedding = Parts::of(&llama()).without_tensor("token_embd.weight").load();
    check(embedding, "tensor token_embd.weight is missing");
    // More layers than the file has.
    let deeper = Parts::of(&llama()).set("llama.block_count", 3u32).load();
    check(deeper, "tensor blk.2.attn_norm.weight is missing: expected shape [32]");
}

#[test]
fn misshapen_tensors_are_named_with_both_shapes() {
    for (name, found, expected) in [
        ("blk.0.attn_q.weight", &[32, 16][..], "[32, 32]"),
        ("blk.0.attn_v.weight", &[32, 16], "[16, 32]"),
        ("blk.1.ffn_up.weight", &[64], "[64, 32]"),
        ("blk.1.ffn_norm.weight", &[31], "[32]"),
        ("output_norm.weight", &[1, 32], "[32]"),
        ("token_embd.weight", &[32], "[32, 32]"),
        ("output.weight", &[N_VOCAB - 1, 32], "[288, 32]"),
        ("rope_freqs.weight", &[8], "[4]"),
    ] {
        let expected = format!("tensor {name}: expected shape {expected}, found {found:?}");
        check(Parts::of(&llama()).with_tensor(name, found).load(), &expected);
    }
}

#[test]
fn layer_tensors_that_nobody_reads_are_named() {
    let unused = |name: &str, architecture: &str| {
        format!(
            "tensor {name} is not used by architecture {architecture}: the file holds another kind \
             of model than it says"
        )
    };
    for name in ["blk.0.attn_q.bias", "blk.0.ffn_gate_inp.weight", "blk.2.attn_norm.weight"] {
        check(Parts::of(&llama()).with_tensor(name, &[32]).load(), &unused(name, "llama"));
    }
    // Qwen's biases under Llama's name would be lost.
    let mut qwen2 = Parts::of(&TinyRandom { architecture: "qwen2", ..llama() });
    for (key, _) in &mut qwen2.metadata {
        *key = key.replace("qwen2.", "llama.");
    }
    let renamed = qwen2.set("general.architecture", "llama").load();
    check(renamed, &unused("blk.0.attn_q.bias", "llama"));
}

#[test]
fn output_is_tied_where_it_is_missing() {
    let untied = Parts::of(&llama()).load().expect("a model");
    assert_eq!(untied.output_matrix().expect("logits").name, "output.weight");
    let tied = Parts::of(&llama()).without_tensor("output.weight").load().expect("a model");
    assert_eq!(tied.output_matrix().expect("logits").name, "token_embd.weight");
}

/// A golden's folder with another config.json; `None` leaves a key out.
fn load_folder(
    case: &str,
    changes: &[(&str, Option<serde_json::Value>)],
) -> Result<Model, LoadError> {
    load_edited_folder(case, changes, |weights| weights.to_vec())
}

/// The same with other weights.
fn load_edited_folder(
    case: &str,
    changes: &[(&str, Option<serde_json::Value>)],
    edit: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<Model, LoadError> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(case);
    let folder = tempfile::tempdir().expect("a folder");
    let read = |name: &str| std::fs::read(golden.join("hf").join(name)).expect("a golden's file");
    let mut json: serde_json::Value = serde_json::from_slice(&read("config.json")).expect("JSON");
    let object = json.as_object_mut().expect("an object");
    for (key, value) in changes {
        match value {
            Some(value) => object.insert((*key).into(), value.clone()),
            None => object.remove(*key),
        };
    }
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes);
    write("config.json", json.to_string().as_bytes()).expect("a writable folder");
    write("model.safetensors", &edit(&read("model.safetensors"))).expect("a writable folder");
    load(&ModelFile::open(folder.path(), Mapping::Read)?)
}

#[test]
fn config_json_with_junk_for_a_number_is_named() {
    let counts = [
        "num_hidden_layers",
        "hidden_size",
        "intermediate_size",
        "num_attention_heads",
        "num_key_value_heads",
        "head_dim",
        "max_position_embeddings",
    ];
    let numbers =
        ["rms_norm_eps", "rope_theta", "query_pre_attn_scalar", "final_logit_softcapping"];
    let junk = [json!("2"), json!(-1), json!(0), json!([2]), json!({}), json!(true), json!("")];
    let not_counts = [json!(1.5), json!(1e300), json!(u64::MAX), json!(1u64 << 32)];
    let check = |key: &str, junk: &serde_json::Value| {
        let error = load_folder("llama", &[(key, Some(junk.clone()))]).err();
        let message = error.unwrap_or_else(|| panic!("{key}: {junk} was accepted")).to_string();
        assert!(message.starts_with(&format!("config: {key}: expected ")), "{message}");
        assert!(!message.contains('\n'), "{message}");
    };
    for key in counts {
        junk.iter().chain(&not_counts).for_each(|junk| check(key, junk));
    }
    for key in numbers {
        junk.iter().for_each(|junk| check(key, junk));
    }
    check("rms_norm_eps", &json!(1e-300));
    check("rope_scaling", &json!("linear"));
    check("rope_parameters", &json!("default"));
    check("layer_types", &json!("full_attention"));
    check("layer_types", &json!(["full_attention", "chunked_attention"]));
    check("layer_types", &json!(["full_attention"]));
}

#[test]
fn config_json_null_is_as_good_as_absent() {
    for key in ["num_hidden_layers", "hidden_size", "num_attention_heads"] {
        let expected =
            format!("config: {key}: expected a whole number, found nothing in config.json");
        check(load_folder("llama", &[(key, None)]), &expected);
        check(load_folder("llama", &[(key, Some(json!(null)))]), &expected);
    }
    for key in ["rope_scaling", "rms_norm_eps", "rope_theta", "sliding_window"] {
        assert!(load_folder("llama", &[(key, None)]).is_ok());
        assert!(load_folder("llama", &[(key, Some(json!(null)))]).is_ok());
    }
}

#[test]
fn config_json_that_does_not_fit_the_tensors_is_named_by_tensor() {
    let width = load_folder("llama", &[("hidden_size", Some(json!(50)))]);
    check(width, "tensor model.embed_tokens.weight: expected shape [96, 50], found [96, 48]");
    let deeper = load_folder("llama", &[("num_hidden_layers", Some(json!(3)))]);
    let name = "model.layers.2.input_layernorm.weight";
    check(deeper, &format!("tensor {name} is missing: expected shape [48]"));
    let shallower = load_folder("llama", &[("num_hidden_layers", Some(json!(1)))]).err();
    let message = shallower.expect("an error").to_string();
    assert!(message.starts_with("tensor model.layers.1."), "{message}");
    // The output matrix that config.json says there is.
    let untied = load_folder("gemma3", &[("tie_word_embeddings", Some(json!(false)))]);
    check(untied, "tensor lm_head.weight is missing: expected shape [96, 32]");
    let nameless = load_folder("llama", &[("architectures", Some(json!("LlamaForCausalLM")))]);
    check(nameless, "architecture \"\" is not supported; docs/models.md lists those that are");
}

#[test]
fn experts_are_where_they_can_be() {
    let experts = TinyRandom { n_experts: 4, ..llama() };
    let parallel = Parts::of(&experts).set("llama.use_parallel_residual", true).load();
    let none = "expected none: this architecture has no experts, found 4";
    check(parallel, &format!("config: llama.expert_count: {none}"));
    let used = Parts::of(&experts).set("llama.expert_used_count", 5u32).load();
    check(used, "config: llama.expert_used_count: expected 1 to 4, found 5");
    let grouped = |n_groups: u32, n_used: u32| {
        let parts = Parts::of(&experts).set("llama.expert_group_count", n_groups);
        parts.set("llama.expert_group_used_count", n_used).load()
    };
    let divisor = "expected a divisor of the number of experts, 4, found 3";
    check(grouped(3, 1), &format!("config: llama.expert_group_count: {divisor}"));
    // Two experts do not fit into a group of one.
    let used = "expected 2 to 4, found 1";
    check(grouped(4, 1), &format!("config: llama.expert_group_used_count: {used}"));
    let gating = Parts::of(&experts).set("llama.expert_gating_func", 9u32).load();
    check(gating, "config: llama.expert_gating_func: expected 0 to 3, found 9");
    let dense = Parts::of(&experts).set("llama.leading_dense_block_count", 1u32).load();
    let message = dense.err().expect("an error").to_string();
    assert!(message.starts_with("tensor blk.0.ffn_gate.weight is missing"), "{message}");
    let further = Parts::of(&experts).set("llama.nextn_predict_layers", 1u32).load();
    assert_eq!(further.expect("a model").layers.len(), experts.n_layers - 1);
    let fewer = Parts::of(&experts).set("llama.expert_count", 3u32).load();
    let message = fewer.err().expect("an error").to_string();
    assert!(
        message.starts_with("tensor blk.0.ffn_gate_inp.weight: expected shape [3,"),
        "{message}"
    );
}

/// What the decoder loop does not do is refused, never left out silently.
#[test]
fn variants_that_are_not_supported_are_refused() {
    let refused = |key: &'static str, value: serde_json::Value, expected: &str| {
        let found = value.to_string();
        let message = format!("config: {key}: expected {expected}, found {found}");
        check(load_folder("llama", &[(key, Some(value))]), &message);
    };
    refused("hidden_act", json!("gelu"), "silu or swish or swiglu");
    refused("use_sliding_window", json!(true), "false");
    refused("use_bidirectional_attention", json!(true), "false");
    refused("rope_scaling", json!({"factor": 4.0}), "a rope_type beside the factor");
}

/// A folder that says its output is tied may still carry the matrix: it is not used.
#[test]
fn a_tied_output_wins_over_a_stale_matrix() {
    assert!(load_folder("llama", &[("tie_word_embeddings", Some(json!(true)))]).is_ok());
}
