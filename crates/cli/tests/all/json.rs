//! `--json`: exactly the fields that scripts rely on, in order, with nothing around them.

use format::gguf::GgufFile;
use serde_json::Value;
use tiny_random::TinyRandom;

use crate::lab::{Lab, ids, tiny};

type Field = (&'static str, fn(&Value) -> bool);

fn check(value: &Value, fields: &[Field]) {
    let object = value.as_object().expect("an object");
    let found: Vec<&str> = object.keys().map(String::as_str).collect();
    let expected: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, expected);
    for (name, is_right) in fields {
        assert!(is_right(&object[*name]), "{name}: {}", object[*name]);
    }
}

fn is_array_of(value: &Value, is_right: fn(&Value) -> bool) -> bool {
    value.as_array().is_some_and(|items| items.iter().all(is_right))
}

fn are_ids(value: &Value) -> bool {
    is_array_of(value, Value::is_u64)
}

fn are_texts(value: &Value) -> bool {
    is_array_of(value, Value::is_string)
}

fn are_numbers(value: &Value) -> bool {
    is_array_of(value, Value::is_f64)
}

fn is_count_or_null(value: &Value) -> bool {
    value.is_u64() || value.is_null()
}

fn is_number_or_null(value: &Value) -> bool {
    value.is_f64() || value.is_null()
}

fn is_text_or_null(value: &Value) -> bool {
    value.is_string() || value.is_null()
}

fn are_timings(value: &Value) -> bool {
    check(
        value,
        &[
            ("load_ms", Value::is_f64),
            ("prefill_tokens", Value::is_u64),
            ("prefill_tps", Value::is_f64),
            ("decode_tokens", Value::is_u64),
            ("decode_tps", Value::is_f64),
        ],
    );
    true
}

fn is_finish_reason(value: &Value) -> bool {
    value == "stop" || value == "length"
}

fn are_counts(value: &Value) -> bool {
    check(value, &[("drafted", Value::is_u64), ("accepted", Value::is_u64)]);
    true
}

fn are_measured(value: &Value) -> bool {
    let seconds = Value::is_f64;
    check(value, &[("kv_bytes", Value::is_u64), ("prefill_s", seconds), ("decode_s", seconds)]);
    true
}

fn check_run(lab: &Lab, model: &str) {
    let value = lab.json(&["run", "-m", model, "one two", "-n", "5", "--json"]);
    check(
        &value,
        &[
            ("model", Value::is_string),
            ("prompt_ids", are_ids),
            ("ids", are_ids),
            ("text", Value::is_string),
            ("finish_reason", is_finish_reason),
            ("timings", are_timings),
            ("context", Value::is_object),
            ("speculation", are_counts),
            ("predicted", Value::is_null),
            ("measured", are_measured),
            ("kv_bytes", Value::is_u64),
            ("peak_rss_bytes", is_count_or_null),
        ],
    );
    assert_eq!(value["model"], model);
}

#[test]
fn run() {
    for architecture in ["llama", "qwen2", "gemma3"] {
        // gemma3 needs its window, the others have none.
        let window = (architecture == "gemma3").then_some(8);
        let lab = Lab::new();
        let model = lab.model(TinyRandom { architecture, window, ..tiny() }.writer());
        check_run(&lab, &model);
    }
    let (lab, model) = Lab::with_chat();
    check_run(&lab, &model);
}

#[test]
fn chat_prints_an_object_an_answer() {
    let (lab, model) = Lab::with_chat();
    let args = ["chat", "-m", &model, "-n", "5", "--json"];
    let ran = lab.run_with_input(&args, "one\n/system Be brief.\ntwo\n/stats\n");
    assert_eq!(ran.status, Some(0), "{ran:?}");
    let answers = ran.json_lines();
    assert_eq!(answers.len(), 2);
    for answer in &answers {
        check(
            answer,
            &[
                ("text", Value::is_string),
                ("finish_reason", is_finish_reason),
                ("timings", are_timings),
                ("context", Value::is_object),
                ("speculation", are_counts),
                ("kv_bytes", Value::is_u64),
            ],
        );
    }
}

#[test]
fn chat_prints_an_object_an_error() {
    let (lab, model) = Lab::with_chat();
    let long = "e".repeat(600);
    let args = ["chat", "-m", &model, "-n", "5", "--json"];
    let ran = lab.run_with_input(&args, &format!("{long}\none\n"));
    assert_eq!(ran.status, Some(1), "{ran:?}");
    let lines = ran.json_lines();
    assert_eq!(lines.len(), 2);
    let is_too_long = |value: &Value| value.as_str().is_some_and(|text| text.contains("too long"));
    check(&lines[0], &[("error", is_too_long)]);
    assert!(lines[1]["text"].is_string());
}

#[test]
fn tokenize() {
    let (lab, model) = Lab::with_tiny();
    let value = lab.json(&["tokenize", "-m", &model, "the \u{1F999}", "--json"]);
    check(&value, &[("ids", are_ids), ("pieces", are_texts)]);
    assert_eq!(value["ids"].as_array().map(Vec::len), value["pieces"].as_array().map(Vec::len));
}

#[test]
fn score() {
    let (lab, model) = Lab::with_tiny();
    let fields: [Field; 6] = [
        ("ids", are_ids),
        ("logprobs", |value| is_array_of(value, is_number_or_null)),
        ("mean_nll_nats", is_number_or_null),
        ("perplexity", is_number_or_null),
        ("bits_per_byte", is_number_or_null),
        ("top_logits", |value| {
            is_array_of(value, |pair| pair[0].is_u64() && pair[1].is_f64() && pair[2].is_null())
        }),
    ];
    let value = lab.json(&["score", "-m", &model, "the cat", "--top", "3", "--json"]);
    check(&value, &fields);
    assert_eq!(value["top_logits"].as_array().map(Vec::len), Some(3));
    let logprobs = value["logprobs"].as_array().expect("checked above");
    assert!(logprobs[0].is_null() && logprobs[1..].iter().all(Value::is_f64));
    let mean_nll = value["mean_nll_nats"].as_f64().expect("more than one token");
    let perplexity = value["perplexity"].as_f64().expect("more than one token");
    assert_eq!(perplexity, mean_nll.exp());

    let smaller = ["--quantize", "q8_0"];
    let plain = ["score", "-m", &model, "the cat"];
    let quantized = lab.json(&[&plain[..], &smaller, &["--json"]].concat());
    assert_eq!(quantized["mean_nll_nats_unquantized"], value["mean_nll_nats"]);
    assert_ne!(quantized["mean_nll_nats"], value["mean_nll_nats"]);
    let human = lab.run(&[&plain[..], &smaller].concat());
    assert!(human.stdout.contains("by quantising, from"), "{human:?}");
    let unknown = lab.run(&[&plain[..], &["--quantize", "q3"]].concat());
    assert_eq!(unknown.status, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("expected q8_0"), "{unknown:?}");

    let again = lab.json(&["score", "-m", &model, "--ids", &joined(&value["ids"]), "--json"]);
    assert_eq!(again["logprobs"], value["logprobs"]);

    let one = lab.json(&["score", "-m", &model, "--ids", "7", "--json"]);
    check(&one, &fields);
    assert!(one["mean_nll_nats"].is_null());
}

fn joined(value: &Value) -> String {
    ids(value).iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

#[test]
fn bench_prints_a_line_a_test() {
    let (lab, model) = Lab::with_tiny();
    let args = ["bench", "-m", &model, "-p", "8", "-n", "4", "-d", "0,16", "-r", "2"];
    let lists = ["--kv", "f16,q8_0", "--parallel", "1,3", "--json"];
    let lines = lab.json_lines(&[&args[..], &lists].concat());
    let mut tests = Vec::new();
    for line in &lines {
        check(
            line,
            &[
                ("test", Value::is_string),
                ("kv", Value::is_string),
                ("tps", Value::is_f64),
                ("runs", are_numbers),
                ("gbps", is_number_or_null),
                ("bandwidth_share", is_number_or_null),
                ("peak_rss_bytes", is_count_or_null),
                ("load_ms", Value::is_f64),
                ("cpu", Value::is_string),
                ("kernels", Value::is_string),
                ("threads", Value::is_u64),
                ("commit", Value::is_string),
            ],
        );
        assert_eq!(line["runs"].as_array().map(Vec::len), Some(2));
        let text = |field: &str| line[field].as_str().expect("checked above").to_owned();
        tests.push(text("test") + " " + &text("kv"));
    }
    let at_depths = ["pp8@d0", "tg4@d0", "tg4x3@d0", "pp8@d16", "tg4@d16", "tg4x3@d16"];
    let expected = ["f16", "q8_0"].map(|kv| at_depths.map(|test| format!("{test} {kv}")));
    assert_eq!(tests, expected.concat());
}

#[test]
fn bench_of_prompts_and_depths_of_several_passes() {
    let (lab, model) = Lab::with_tiny();
    let args = ["bench", "-m", &model, "-p", "600", "-n", "1", "-d", "600", "-r", "1", "--exact"];
    let lines = lab.json_lines(&[&args[..], &["--json"]].concat());
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["kv"], "f32");
        // Far more is read to measure the bandwidth than this model takes.
        let peak = line["peak_rss_bytes"].as_u64();
        assert!(peak.is_none_or(|n_bytes| n_bytes < 128 << 20), "{line}");
    }
}

/// A model that was pulled before: no source knows its checksum, and the name says where it goes.
const PULLED: (&str, &str) = ("hf:owner/repo/tiny.gguf", "owner--repo--tiny.gguf");

#[test]
fn models_pull_show_and_rm_agree_on_a_model() {
    let lab = Lab::new();
    let bytes = tiny().bytes();
    let (name, file) = PULLED;
    let path = lab.file(&format!("models/{file}"), &bytes);

    let rows = lab.json_lines(&["models", "--json"]);
    for row in &rows {
        check(
            row,
            &[
                ("name", Value::is_string),
                ("path", is_text_or_null),
                ("bytes", is_count_or_null),
                ("description", is_text_or_null),
                ("licence", is_text_or_null),
            ],
        );
    }
    let row = rows.iter().find(|row| row["name"] == name).expect("it is there");
    assert_eq!((&row["path"], &row["bytes"]), (&path.as_str().into(), &bytes.len().into()));

    let pulled = lab.json(&["pull", name, "--json"]);
    check(&pulled, &[("name", Value::is_string), ("path", Value::is_string)]);
    assert_eq!(pulled["path"], path);

    let shown = lab.json(&["show", name, "--tensors", "--json"]);
    check_show(&shown);
    check_tensors(&shown, &bytes);
    assert_eq!((&shown["path"], &shown["file_bytes"]), (&row["path"], &row["bytes"]));
    let brief = lab.json(&["show", name, "--json"]);
    assert!(brief.get("tensors").is_none());

    let removed = lab.json(&["rm", name, "--json"]);
    check(&removed, &[("name", Value::is_string), ("bytes", Value::is_u64)]);
    assert_eq!(removed["bytes"], row["bytes"]);
    let names = lab.json_lines(&["models", "--json"]);
    assert!(names.iter().all(|row| row["name"] != name && row["path"].is_null()));
}

/// Norms too, and nothing twice.
fn check_tensors(value: &Value, bytes: &[u8]) {
    let file = GgufFile::from_bytes(bytes.to_vec().into(), "tiny").expect("a model");
    let expected: Vec<_> = file.tensors().map(|info| info.name.as_str()).collect();
    let tensors = value["tensors"].as_array().expect("an array");
    let found: Vec<_> = tensors.iter().filter_map(|tensor| tensor["name"].as_str()).collect();
    assert_eq!(found, expected);
    let n_values: usize = file.tensors().map(|info| info.shape.iter().product::<usize>()).sum();
    assert_eq!(value["parameters"], n_values);
}

fn check_show(value: &Value) {
    let is_tensor = |tensor: &Value| {
        check(
            tensor,
            &[
                ("name", Value::is_string),
                ("type", Value::is_string),
                ("shape", are_ids),
                ("bytes", Value::is_u64),
            ],
        );
        true
    };
    assert!(is_array_of(&value["tensors"], is_tensor));
    check(
        value,
        &[
            ("path", Value::is_string),
            ("architecture", Value::is_string),
            ("file_bytes", Value::is_u64),
            ("parameters", Value::is_u64),
            ("n_layers", Value::is_u64),
            ("d_model", Value::is_u64),
            ("d_ff", Value::is_u64),
            ("n_heads", Value::is_u64),
            ("n_kv_heads", Value::is_u64),
            ("head_dim", Value::is_u64),
            ("n_vocab", Value::is_u64),
            ("n_ctx", Value::is_u64),
            ("window", is_count_or_null),
            ("n_sliding_layers", Value::is_u64),
            ("tied_output", Value::is_boolean),
            ("chat_template", Value::is_boolean),
            ("types", |value| {
                value.as_object().is_some_and(|types| types.values().all(Value::is_u64))
            }),
            ("kv_bytes_per_token", Value::is_u64),
            ("tensors", Value::is_array),
        ],
    );
}

#[test]
fn plan() {
    let (lab, model) = Lab::with_tiny();
    let is_bool_or_null = |value: &Value| value.is_boolean() || value.is_null();
    let value = lab.json(&["plan", "-m", &model, "--ctx", "256", "--json"]);
    check(
        &value,
        &[
            ("weights_bytes", Value::is_u64),
            ("kv_bytes", Value::is_u64),
            ("scratch_bytes", Value::is_u64),
            ("total_bytes", Value::is_u64),
            ("fits", is_bool_or_null),
            ("prefill_s", Value::is_f64),
            ("decode_tps", Value::is_f64),
            ("per_layer", Value::is_array),
            ("available_bytes", is_count_or_null),
            ("ctx", |value| value == 256),
            ("kv", |value| value == "f16"),
            ("kv_policy", |value| value == "all"),
            ("parallel", |value| value == 1),
            ("prompt", |value| value == 192),
            ("generate", |value| value == 64),
            ("threads", Value::is_u64),
            ("token_s", Value::is_array),
            ("prefill_flops", Value::is_f64),
            ("token_flops", Value::is_f64),
            ("weights_bytes_read", Value::is_u64),
            ("cache_passes_weights", is_count_or_null),
            ("attention_passes_matrices", is_count_or_null),
            ("largest_ctx", Value::is_array),
        ],
    );
    let layer: &[Field] = &[
        ("layer", Value::is_u64),
        ("window", is_count_or_null),
        ("positions", Value::is_u64),
        ("kv_bytes", Value::is_u64),
        ("weights_bytes", Value::is_u64),
    ];
    value["per_layer"].as_array().into_iter().flatten().for_each(|value| check(value, layer));
    let token: &[Field] = &[("depth", Value::is_u64), ("s", Value::is_f64)];
    value["token_s"].as_array().into_iter().flatten().for_each(|value| check(value, token));
    let largest: &[Field] = &[("kv", Value::is_string), ("ctx", is_count_or_null)];
    value["largest_ctx"].as_array().into_iter().flatten().for_each(|value| check(value, largest));
}
