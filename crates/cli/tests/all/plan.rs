//! `lookback plan`: bytes that are those of a run, speeds that are measured once.

use std::path::PathBuf;

use serde_json::Value;
use tiny_random::TinyRandom;

use crate::lab::{Lab, Ran, tiny};

fn plan(lab: &Lab, model: &str, args: &[&str]) -> Value {
    lab.json(&[&["plan", "-m", model, "--json"], args].concat())
}

fn calibration(lab: &Lab) -> PathBuf {
    lab.models_dir().join(".calibration.json")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn parts_add_up() {
    let lab = Lab::new();
    let gemma3 = TinyRandom { architecture: "gemma3", window: Some(8), ..tiny() };
    let model = lab.model(gemma3.writer());
    let plan = plan(&lab, &model, &["--ctx", "512", "--kv", "q8_0", "--parallel", "3"]);
    let parts = ["weights_bytes", "kv_bytes", "scratch_bytes"].map(|name| number(&plan[name]));
    assert_eq!(number(&plan["total_bytes"]), parts.iter().sum::<f64>());
    let layers = plan["per_layer"].as_array().expect("layers");
    let kv_bytes: f64 = layers.iter().map(|layer| number(&layer["kv_bytes"])).sum();
    assert_eq!(kv_bytes, parts[1]);
    assert_eq!(layers.iter().filter(|layer| layer["window"] == 8).count(), 1);
    assert_eq!(plan["fits"], true);
    assert!(number(&plan["prefill_s"]) > 0.0 && number(&plan["decode_tps"]) > 0.0);
}

#[test]
fn a_policy_takes_less() {
    let lab = Lab::new();
    let model = lab.model(TinyRandom { n_ctx: 4096, ..tiny() }.writer());
    let plan = |policy: &[&str]| {
        let plan = plan(&lab, &model, policy);
        // How much faster depends on the noise of the calibration.
        let at_end = &plan["token_s"][2]["s"];
        (number(&plan["kv_bytes"]), number(&plan["prefill_s"]), number(at_end))
    };
    let all = plan(&[]);
    let window = plan(&["--kv-policy", "window=128"]);
    assert!(window.0 < all.0 && window.1 <= all.1 && window.2 <= all.2, "{window:?}, {all:?}");
    let part = plan(&["--kv-policy", "snapkv=256"]);
    assert!((part.0, part.1) == (all.0, all.1) && part.2 <= all.2, "{part:?}, {all:?}");
}

#[test]
fn the_cache_of_a_run_is_the_one_that_was_planned() {
    let (lab, model) = Lab::with_tiny();
    let run = || {
        let args = ["run", "-m", &model, "one two three", "-n", "60", "--temperature", "0"];
        lab.json(&[&args[..], &["--kv", "q5_0", "--json"]].concat())
    };
    let before = run();
    assert_eq!(before["predicted"], Value::Null);
    plan(&lab, &model, &["--kv", "q5_0"]);
    let after = run();
    let (predicted, measured) = (&after["predicted"], &after["measured"]);
    assert_eq!(predicted["kv_bytes"], measured["kv_bytes"]);
    assert_eq!(after["kv_bytes"], measured["kv_bytes"]);
    for name in ["prefill_s", "decode_s"] {
        assert!(number(&predicted[name]) > 0.0 && number(&measured[name]) > 0.0, "{after}");
    }
}

#[test]
fn a_calibration_is_kept_until_it_is_asked_for_again() {
    let (lab, model) = Lab::with_tiny();
    let first = plan(&lab, &model, &[]);
    let kept = std::fs::read(calibration(&lab)).expect("a calibration");
    assert_eq!(plan(&lab, &model, &[])["prefill_s"], first["prefill_s"]);
    assert_eq!(std::fs::read(calibration(&lab)).expect("a calibration"), kept);
    plan(&lab, &model, &["--recalibrate"]);
    assert_ne!(std::fs::read(calibration(&lab)).expect("a calibration"), kept);
    // Another type of cache is another calibration beside it.
    plan(&lab, &model, &["--kv", "f32"]);
    let text = std::fs::read(calibration(&lab)).expect("a calibration");
    let all: Value = serde_json::from_slice(&text).expect("JSON");
    assert_eq!(all["calibrations"].as_array().map(Vec::len), Some(2));
}

#[test]
fn a_damaged_calibration_is_made_again() {
    let (lab, model) = Lab::with_tiny();
    let warnings = |ran: &Ran| ran.stderr.lines().filter(|l| l.starts_with("warning: ")).count();
    let args = ["plan", "-m", &model, "--json"];
    lab.succeeds(&args);
    let whole = std::fs::read_to_string(calibration(&lab)).expect("a calibration");
    let broken = [
        whole[..whole.len() / 2].to_owned(),
        String::new(),
        "[]".to_owned(),
        whole.replace("\"unembed\":", "\"unembed\":-"),
        whole.replace("\"layers\":[[", "\"layers\":[[9e9,1],["),
    ];
    for text in broken {
        assert_ne!(text, whole);
        lab.file("models/.calibration.json", &text);
        let run = lab.json(&["run", "-m", &model, "hello", "-n", "2", "--json"]);
        assert_eq!(run["predicted"], Value::Null);
        let ran = lab.succeeds(&args);
        assert_eq!(warnings(&ran), 1, "{text}: {ran:?}");
        assert!(ran.stderr.contains(".calibration.json"), "{ran:?}");
        assert_eq!(warnings(&lab.succeeds(&args)), 0);
    }
}

#[test]
fn people_get_a_table() {
    let (lab, model) = Lab::with_tiny();
    let page = lab.succeeds(&["plan", "-m", &model, "--ctx", "256"]).stdout;
    for part in ["weights", "scratch", "fits, ", "prompt", "192 tokens in", "answer", "64 tokens"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for part in ["2 layers of 256 tokens", "at 0, ", "at 255", "passes the weights at", "q4_0 512"]
    {
        assert!(page.contains(part), "{part}: {page}");
    }
}

#[test]
fn fits_answers_by_its_status() {
    let lab = Lab::new();
    let long = TinyRandom { n_ctx: 1 << 30, ..tiny() };
    let model = lab.model(long.writer());
    let fits = ["plan", "-m", &model, "--fits", "--ctx"];
    let ran = lab.succeeds(&[&fits[..], &["512"]].concat());
    assert!(ran.stdout.starts_with("fits: "), "{ran:?}");
    let huge = (1 << 30).to_string();
    let parts = ["does not fit", huge.as_str(), "available", "shorter context"];
    lab.fails(&[&fits[..], &[huge.as_str(), "--parallel", "4096"]].concat(), &parts);
    let args = ["--ctx", &huge, "--parallel", "4096", "--json"];
    let ran = lab.run(&[&["plan", "-m", &model, "--fits"], &args[..]].concat());
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert_eq!(ran.json_lines()[0]["fits"], false);
    assert_eq!(ran.json_lines()[0]["prefill_s"], Value::Null);
    assert!(!calibration(&lab).exists());
}

#[test]
fn requests_that_make_no_sense() {
    let (lab, model) = Lab::with_tiny();
    let plan = |args: &[&str]| lab.run(&[&["plan", "-m", &model], args].concat());
    plan(&["--ctx", "513"]).is_error(1, &["--ctx 513", "512"]);
    plan(&["--ctx", "64", "--prompt", "65"]).is_error(2, &["--prompt 65", "context has 64"]);
    plan(&["--generate", "512"]).is_error(2, &["--generate 512", "context has 512"]);
    for (flag, value) in [("--ctx", "0"), ("--kv", "f8"), ("--prompt", "0"), ("--parallel", "0")] {
        let ran = plan(&[flag, value]);
        assert_eq!(ran.status, Some(2), "{ran:?}");
        assert!(ran.stderr.contains(flag) && ran.stderr.contains(value), "{ran:?}");
    }
}

#[test]
fn auto_takes_the_context_that_the_text_needs() {
    let (lab, model) = Lab::with_tiny();
    let note = |args: &[&str], expected: &str| {
        let ran = lab.run_with_input(&[args, &["-m", &model, "--ctx", "auto"]].concat(), "one\n");
        assert_eq!(ran.status, Some(0), "{ran:?}");
        let notes: Vec<_> = ran.stderr.lines().filter(|l| l.contains("--ctx auto")).collect();
        assert!(notes.len() == 1 && notes[0].contains(expected), "{expected}: {ran:?}");
    };
    let text = "e".repeat(80);
    // The beginning of a text is a token too.
    note(&["run", &text, "--raw", "-n", "20"], "128 tokens (81 of the prompt, room for 47 more)");
    note(&["run", &text, "--raw", "-n", "600"], "512 tokens (81 of the prompt, room for 431 more)");
    note(&["run", &text, "--raw"], "512 tokens");
    note(&["score", &text], "128 tokens (81 of the prompt");
    note(&["chat", "-n", "4"], "512 tokens (as the conversation grows)");
    // Too long for the model, with both numbers.
    let long = "e".repeat(600);
    lab.fails(&["run", "-m", &model, "--raw", "--ctx", "auto", &long], &["601", "512"]);
}
