//! Widths of latent attention.

use serde_json::json;
use tiny_random::TinyLatent;

use super::*;

fn latent(is_split: bool) -> TinyRandom {
    let latent = Some(TinyLatent { is_split, ..TinyLatent::default() });
    TinyRandom { architecture: "minicpm3", latent, ..llama() }
}

#[test]
fn widths_out_of_range_are_named() {
    let joined = latent(false);
    check_key(&joined, "attention.kv_lora_rank", 0u32, "1 to 1008, found 0");
    // Beside 16 dimensions that rotate.
    check_key(&joined, "attention.kv_lora_rank", 1009u32, "1 to 1008, found 1009");
    check_key(&joined, "attention.key_length", 16u32, "17 to 1024, found 16");
    check_key(&joined, "attention.value_length", 0u32, "1 to 1024, found 0");
    check_key(&joined, "attention.q_lora_rank", 1u32 << 21, "1 to 1048576, found 2097152");
    check_key(&joined, "rope.dimension_count", 0u32, "2 to 1024, found 0");
    let odd = Parts::of(&joined).set("minicpm3.rope.dimension_count", 15u32).load();
    let expected = "expected an even number from 2 to the head's width, 271, found 15";
    check(odd, &format!("config: minicpm3.rope.dimension_count: {expected}"));
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let missing = |is_split: bool, name: &str, shape: &str| {
        let expected = format!("tensor {name} is missing: expected shape {shape}");
        check(Parts::of(&latent(is_split)).without_tensor(name).load(), &expected);
    };
    missing(false, "blk.0.attn_q_a.weight", "[256, 32]");
    missing(false, "blk.1.attn_kv_a_norm.weight", "[256]");
    missing(false, "blk.1.attn_kv_b.weight", "[384, 256]");
    missing(true, "blk.0.attn_v_b.weight", "[4, 64, 256]");
    let narrow = Parts::of(&latent(true)).with_tensor("blk.0.attn_k_b.weight", &[4, 32, 256]);
    let expected = "expected shape [4, 256, 32], found [4, 32, 256]";
    check(narrow.load(), &format!("tensor blk.0.attn_k_b.weight: {expected}"));
}

#[test]
fn layers_of_no_known_kind_are_named() {
    let types = "config: mlp_layer_types: expected a list of dense and sparse, found";
    for found in [json!(["dense", "other"]), json!("sparse")] {
        let folder = load_folder("deepseek3", &[("mlp_layer_types", Some(found.clone()))]);
        check(folder, &format!("{types} {found}"));
    }
    // The last layer has experts, and is said to have none.
    let folder = load_folder("deepseek3", &[("mlp_layer_types", Some(json!(["dense", "dense"])))]);
    let name = "model.layers.1.mlp.gate_proj.weight";
    check(folder, &format!("tensor {name} is missing: expected shape [40, 48]"));
}
