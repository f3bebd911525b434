//! A model whose values are a part of its keys, through the whole program.

use serde_json::Value;
use tiny_random::{TinyLatent, TinyRandom};

use crate::lab::{Lab, tiny};

/// Its keys hold 32 numbers that are values too, and 16 that rotate.
const WIDTHS: (usize, usize) = (32, 16);

fn lab() -> (Lab, String) {
    let (d_latent, rope_dim) = WIDTHS;
    let latent = TinyLatent { d_query: None, d_latent, rope_dim, ..TinyLatent::default() };
    let lab = Lab::new();
    let tiny = TinyRandom { architecture: "minicpm3", latent: Some(latent), ..tiny() };
    let model = lab.model(tiny.writer());
    (lab, model)
}

#[test]
fn what_is_planned_is_what_a_token_takes() {
    let (lab, model) = lab();
    let shown = lab.json(&["show", &model, "--json"]);
    let n_bytes = 2 * (WIDTHS.0 + WIDTHS.1) * tiny().n_layers;
    assert_eq!(shown["kv_bytes_per_token"], n_bytes);
    let plan = lab.json(&["plan", "-m", &model, "--ctx", "512", "--kv", "f16", "--json"]);
    assert_eq!(plan["kv_bytes"], 512 * n_bytes);
}

#[test]
fn types_of_their_own_for_values_are_refused() {
    let (lab, model) = lab();
    let expected = "choose one type of cache for both";
    let run = ["run", "-m", &model, "--raw", "-n", "4", "hello"];
    for kv in ["q8_0/q4_0", "f16:0=q8_0/f16"] {
        lab.run(&[&run[..], &["--kv", kv]].concat()).is_error(2, &[expected]);
    }
    let compare = ["kv", "compare", "-m", &model, "--v-types", "f16"];
    lab.run(&compare).is_error(2, &[expected]);
    lab.succeeds(&[&run[..], &["--kv", "q8_0:0=f16"]].concat());
}

#[test]
fn caches_are_compared_saved_and_cut() {
    let (lab, model) = lab();
    let small = ["--depths", "150", "-n", "6", "--needles", "0", "--json"];
    let policies = ["--kv-policy", "all", "--kv-policy", "window=64"];
    let compare = [&["kv", "compare", "-m", &model, "--k-types", "f32,q8_0,q4_0"][..], &small];
    let lines = lab.json_lines(&[&compare.concat()[..], &policies].concat());
    assert_eq!(lines.len(), 6);
    assert_eq!(lines[0]["kl_mean"], 0.0, "f32 beside f32");

    let document = lab.file("contract.txt", "the quick brown fox goes home again; ".repeat(12));
    let run = |args: &[&str]| -> Value {
        let fixed = ["run", "-m", &model, "--raw", "-n", "8", "--seed", "3", "--json"];
        lab.json(&[&fixed[..], &["-f", &document, "who?"], args].concat())
    };
    for kv in ["f16", "q4_0"] {
        let first = run(&["--save-kv", "a.kv", "--kv", kv]);
        let again = run(&["--load-kv", "a.kv", "--kv", kv]);
        assert_eq!(first["ids"], again["ids"]);
        assert_eq!(again["context"]["recomputed"], 1);
    }
    for policy in ["window=64", "blocks=1", "snapkv=256", "expected=256"] {
        assert!(run(&["--kv-policy", policy])["ids"].is_array(), "{policy}");
    }
}
