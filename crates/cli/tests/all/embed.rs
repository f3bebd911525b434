//! `lookback embed`: vectors, how alike they are, and lines in and out.

use std::path::Path;

use serde_json::{Value, json};

use crate::lab::{Lab, Ran};

/// An encoder whose folder says nothing of pooling.
pub(crate) fn bert() -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/bert/hf");
    folder.to_str().expect("a path").to_owned()
}

fn embed(args: &[&str]) -> Vec<Value> {
    Lab::new().json_lines(&[&["embed", "-m", &bert()], args].concat())
}

fn vector(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).expect("a list of numbers")
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-6, "{found}, not {expected}");
}

#[test]
fn vectors_as_json() {
    let lines = embed(&["a red hen", "the sun", "--pooling", "mean", "--json"]);
    let [all] = &lines[..] else { panic!("{lines:?}") };
    let keys: Vec<&String> = all.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["model", "dimensions", "pooling", "normalized", "embeddings"]);
    let embeddings = all["embeddings"].as_array().expect("a list");
    assert_eq!((embeddings.len(), &all["normalized"]), (2, &json!(true)));
    for (index, embedding) in embeddings.iter().enumerate() {
        assert_eq!(embedding["index"], json!(index));
        let vector = vector(&embedding["embedding"]);
        assert_eq!(json!(vector.len()), all["dimensions"]);
        assert_near(dot(&vector, &vector), 1.0);
    }
    let lines = embed(&["a red hen", "--pooling", "mean", "--no-normalize", "--json"]);
    let (longer, unit) = (&lines[0]["embeddings"][0], &embeddings[0]);
    let (longer, unit) = (vector(&longer["embedding"]), vector(&unit["embedding"]));
    let length = dot(&longer, &longer).sqrt();
    longer.iter().zip(&unit).for_each(|(x, unit)| assert_near(x / length, *unit));
}

#[test]
fn a_cosine_of_two_texts() {
    let of = |a: &str, b: &str| {
        let lines = embed(&[a, b, "--similarity", "--pooling", "mean", "--json"]);
        lines[0]["similarity"].as_f64().expect("a number")
    };
    assert_near(of("a red hen", "a red hen"), 1.0);
    let lines = embed(&["a red hen", "the sun", "--pooling", "mean", "--json"]);
    let [a, b] = [0, 1].map(|i| vector(&lines[0]["embeddings"][i]["embedding"]));
    assert_near(of("a red hen", "the sun"), dot(&a, &b));
}

#[test]
fn lines_in_and_lines_out() {
    let lab = Lab::new();
    let lines = "\"a red hen\"\n\n{\"text\": \"the sun\", \"id\": \"s\"}\n";
    let args = ["embed", "-m", &bert(), "--jsonl", "--pooling", "mean"];
    let check = |ran: Ran| {
        assert_eq!(ran.status, Some(0), "{ran:?}");
        let found = ran.json_lines();
        let head = |line: &Value| [line["index"].clone(), line["id"].clone()];
        assert_eq!(
            found.iter().map(head).collect::<Vec<_>>(),
            [[json!(0), Value::Null], [json!(1), json!("s")]]
        );
        found
    };
    let piped = check(lab.run_with_input(&args, lines));
    let file = lab.file("texts.jsonl", lines);
    assert_eq!(check(lab.run(&[&args[..], &["-f", &file]].concat())), piped);
    let texts = embed(&["a red hen", "the sun", "--pooling", "mean", "--json"]);
    for (i, line) in piped.iter().enumerate() {
        assert_eq!(line["embedding"], texts[0]["embeddings"][i]["embedding"]);
    }
}

#[test]
fn what_is_taken_unasked_is_said() {
    let ran = Lab::new().succeeds(&["embed", "-m", &bert(), "a red hen"]);
    assert!(ran.stderr.contains("mean is taken; --pooling says otherwise"), "{ran:?}");
    assert!(ran.stdout.contains("pooling mean, of length 1"), "{ran:?}");
}

/// Any model that continues texts can be asked.
#[test]
fn a_decoder_gives_its_last_hidden_state() {
    let (lab, model) = Lab::with_tiny();
    let lines = lab.json_lines(&["embed", "-m", &model, "one two", "--json"]);
    assert_eq!(lines[0]["pooling"], "last");
}

#[test]
fn requests_that_make_no_sense() {
    let lab = Lab::new();
    let model = bert();
    let fails = |args: &[&str], parts: &[&str]| {
        lab.fails(&[&["embed", "-m", &model, "--pooling", "mean"], args].concat(), parts);
    };
    let long = "a ".repeat(2000);
    fails(&[&long], &["the text has", "tokens, the model reads", "--truncate"]);
    assert_eq!(lab.json_lines(&["embed", "-m", &model, &long, "--truncate", "--json"]).len(), 1);
    fails(&["a", "--prompt", "query"], &["--prompt query", "no prompts", "--prefix"]);
    let file = lab.file("texts.jsonl", "\"a\"\n[1]\n");
    fails(&["--jsonl", "-f", &file], &["line 2: expected a string, or an object with \"text\""]);
    let usage = |args: &[&str], parts: &[&str]| {
        lab.run(&[&["embed", "-m", &model], args].concat()).is_error(2, parts);
    };
    usage(&["a", "--similarity"], &["--similarity: expected two texts, found 1"]);
    let t5 = model.replace("bert", "t5");
    lab.fails(&["embed", "-m", &t5, "a"], &["with an encoder", "`lookback run`"]);
}

#[test]
fn an_encoder_answers_nothing_else() {
    let (lab, model) = (Lab::new(), bert());
    for command in [&["run", "-m", &model, "a"][..], &["score", "-m", &model, "a b"]] {
        lab.fails(command, &["is an encoder: it reads whole texts", "`lookback embed`"]);
    }
    lab.run_with_input(&["chat", "-m", &model], "a\n").is_error(1, &["is an encoder"]);
    let shown = lab.succeeds(&["show", &model]).stdout;
    assert!(!shown.contains("a token (f16)"), "{shown}");
    assert_eq!(lab.json(&["show", &model, "--json"])["kv_bytes_per_token"], 0);
}
