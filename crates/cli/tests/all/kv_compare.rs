//! `kv compare`: a line a setting, a table, a picture, and errors before the work starts.

use model::kv::{KvShape, KvType, ValuePlace};
use serde_json::Value;
use tiny_random::TinyRandom;

use crate::lab::{Lab, tiny};

const SMALL: [&str; 6] = ["--depths", "0,70", "-n", "6", "--needles", "0"];

fn compare<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["kv", "compare", "-m", model][..], &SMALL, more].concat()
}

/// What the tiny model keeps of a token.
fn position_bytes(k_type: KvType, v_type: KvType) -> usize {
    let TinyRandom { n_kv_heads, head_dim, n_layers, .. } = tiny();
    let layer = model::kv::LayerShape { k_type, v_type, window: None };
    let (values, layers) = (ValuePlace::Own, vec![layer; n_layers]);
    KvShape { n_kv_heads, head_dim, values, layers }.position_bytes()
}

#[test]
fn json_has_a_line_a_setting() {
    let (lab, model) = Lab::with_tiny();
    let lines = lab.json_lines(&compare(&model, &["--json"]));
    let names: Vec<&str> = lines.iter().map(|line| line["kv"].as_str().expect("a name")).collect();
    assert_eq!(names, KvType::ALL.map(KvType::name));
    for (line, kind) in lines.iter().zip(KvType::ALL) {
        let fields: Vec<&str> =
            line.as_object().expect("an object").keys().map(String::as_str).collect();
        let expected = [
            "model",
            "kv",
            "k_type",
            "v_type",
            "policy",
            "bytes_per_token",
            "exact",
            "n_decoded",
            "kl_mean",
            "kl_p99",
            "kl_max",
            "same_top1",
            "nll_change",
            "needles_found",
            "depths",
            "needles",
            "cpu",
            "kernels",
            "threads",
            "commit",
        ];
        assert_eq!(fields, expected);
        assert_eq!(line["bytes_per_token"], position_bytes(kind, kind));
        assert_eq!((&line["n_decoded"], &line["exact"]), (&6.into(), &false.into()));
        let depths = line["depths"].as_array().expect("an array");
        let found: Vec<&Value> = depths.iter().map(|at| &at["depth"]).collect();
        assert_eq!(found, [0, 70]);
        assert!(depths[0]["prefill_tps"].is_null() && depths[1]["prefill_tps"].is_f64());
        assert!(depths.iter().all(|at| at["decode_tps"].is_f64() && at["kv_bytes"].is_u64()));
    }
    for field in ["kl_mean", "kl_p99", "kl_max", "nll_change"] {
        assert_eq!(lines[0][field], 0.0, "f32 beside f32: {field}");
    }
    assert_eq!(lines[0]["same_top1"], 1.0);
    assert!(lines[lines.len() - 1]["kl_mean"].as_f64().is_some_and(|kl| kl > 0.0));
}

#[test]
fn keys_and_values_are_chosen_apart() {
    let (lab, model) = Lab::with_tiny();
    let types = ["--k-types", "f16,q8_0", "--v-types", "q8_0,q4_0", "--json"];
    let lines = lab.json_lines(&compare(&model, &types));
    let found: Vec<_> = lines.iter().map(|line| (&line["kv"], &line["bytes_per_token"])).collect();
    let (f16, q8_0, q4_0) = (KvType::F16, KvType::Q8_0, KvType::Q4_0);
    let pairs = [(f16, q8_0), (f16, q4_0), (q8_0, q8_0), (q8_0, q4_0)];
    let names = ["f16/q8_0", "f16/q4_0", "q8_0", "q8_0/q4_0"];
    for ((found, (k_type, v_type)), name) in found.iter().zip(pairs).zip(names) {
        assert_eq!((found.0, found.1), (&name.into(), &position_bytes(k_type, v_type).into()));
    }
    assert_eq!(found.len(), 4);
}

#[test]
fn needles_are_asked_for() {
    let lab = Lab::new();
    let model = lab.model(TinyRandom { n_ctx: 2048, ..tiny() }.writer());
    let args = ["kv", "compare", "-m", &model, "--depths", "600", "-n", "2", "--needles", "2"];
    let line = lab.json(&[&args[..], &["--k-types", "q8_0", "--json"]].concat());
    let needles = line["needles"].as_array().expect("an array");
    assert_eq!((needles.len(), &line["needles_found"]), (2, &0.into()));
    for needle in needles {
        assert!(needle["pos"].as_u64().is_some_and(|pos| pos < 600), "{needle}");
        assert!(needle["number"].is_u64() && needle["answer"].is_string(), "{needle}");
        assert_eq!(needle["found"], false, "random weights know no number");
    }
    let table = lab.succeeds(&[&args[..], &["--k-types", "q8_0"]].concat()).stdout;
    assert!(table.contains("0/2"), "{table}");
}

#[test]
fn the_table_fits_a_terminal() {
    let (lab, model) = Lab::with_tiny();
    let table = lab.succeeds(&compare(&model, &["--k-types", "f32,bf16", "--v-types", "q5_0"]));
    for line in table.stdout.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    let rows: Vec<Vec<&str>> =
        table.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let starts: Vec<&str> = rows.iter().filter_map(|row| row.first().copied()).collect();
    let tail = ["kv", "f32/q5_0", "70", "bf16/q5_0", "70"];
    assert_eq!(starts[starts.len() - 5..], tail, "{}", table.stdout);
}

#[test]
fn plots_are_pictures() {
    let (lab, model) = Lab::with_tiny();
    let svg = lab.path("cost.svg");
    std::fs::write(&svg, "before").expect("a writable folder");
    let types = ["--k-types", "f32,q8_0", "--v-types", "f32,q4_0", "--plot", "cost.svg"];
    lab.succeeds(&compare(&model, &types));
    let text = std::fs::read_to_string(&svg).expect("it is written");
    let document = roxmltree::Document::parse(&text).expect("an XML document");
    let root = document.root_element();
    assert_eq!(root.tag_name().namespace(), Some("http://www.w3.org/2000/svg"));
    assert_eq!(root.tag_name().name(), "svg");
    let markers = root.descendants().filter_map(|node| {
        let title = node.children().find(|child| child.has_tag_name("title"))?;
        title.text().map(str::to_owned)
    });
    let markers: Vec<String> = markers.collect();
    assert_eq!(markers.len(), 4, "{text}");
    let bytes = position_bytes(KvType::Q8_0, KvType::Q4_0);
    let is_named = |title: &String| title.starts_with(&format!("q8_0/q4_0: {bytes} bytes"));
    assert!(markers.iter().any(is_named), "{markers:?}");
    assert!(text.len() < 30_000, "{} bytes", text.len());

    lab.succeeds(&compare(&model, &["--k-types", "f16", "--plot", "cost.PNG"]));
    let png = std::fs::read(lab.path("cost.PNG")).expect("it is written");
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
}

#[test]
fn errors_come_before_the_work() {
    let (lab, model) = Lab::with_tiny();
    let short = lab.file("short.txt", "e".repeat(50));
    let fails = |more: &[&str], parts: &[&str]| {
        lab.fails(&[&["kv", "compare", "-m", &model], more].concat(), parts);
    };
    // 50 letters and the token before them.
    let deep = ["-f", &short, "--depths", "9,60", "-n", "4"];
    fails(&deep, &["short.txt", "51 tokens", "65 are needed", "depth 60"]);
    fails(&["-f", "absent.txt"], &["cannot read", "absent.txt"]);
    fails(&["--plot", "absent/cost.svg"], &["--plot", "absent/cost.svg"]);
    fails(&["--depths", "4294967295", "-n", "1048576"], &["4296015872 tokens", "memory"]);
    std::fs::create_dir(lab.path("folder.svg")).expect("a writable folder");
    fails(&["--plot", "folder.svg"], &["folder.svg", "folder"]);
    lab.run(&compare(&model, &["--plot", "cost.pdf"])).is_error(2, &["cost.pdf", ".svg", ".png"]);

    let is_usage = |more: &[&str], part: &str| {
        let ran = lab.run(&compare(&model, more));
        assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""), "{ran:?}");
        assert!(ran.stderr.contains(part), "{ran:?}");
    };
    is_usage(&["--k-types", "f16,q9_0"], "q9_0");
    is_usage(&["--v-types", "q9_0"], "known: f32");
    is_usage(&["--k-types", ""], "no type");
    is_usage(&["--depths", "deep"], "--depths");
}

/// The first line has come, the second one has not.
#[cfg(unix)]
#[test]
fn what_was_measured_before_ctrl_c_is_kept() {
    use std::io::{BufRead as _, BufReader, Read as _};
    let lab = Lab::new();
    let model = lab.model(TinyRandom { n_ctx: 1 << 16, ..tiny() }.writer());
    let args = ["kv", "compare", "-m", &model, "--depths", "8", "-n", "3000", "--needles", "0"];
    let mut child = lab.start(&[&args[..], &["--json", "--plot", "cost.svg"]].concat());
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut first = String::new();
    stdout.read_line(&mut first).expect("a line");
    let kill = format!("kill -INT {}", child.id());
    let status = std::process::Command::new("sh").arg("-c").arg(kill).status();
    assert!(status.expect("a shell").success());
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).expect("its end");
    let ran = crate::lab::Ran::of(child.wait_with_output().expect("it ends"));
    assert_eq!(ran.status, Some(130), "{ran:?}");
    let line: Value = serde_json::from_str(&first).expect("an object");
    assert_eq!(line["kv"], "f32");
    assert!(rest.lines().count() < KvType::ALL.len() - 1, "{rest}");
    assert!(ran.stderr.contains("stopped after"), "{ran:?}");
    assert!(lab.path("cost.svg").exists());
}
