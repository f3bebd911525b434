//! Vectors of texts, by a small encoder.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use engine::{Embedder, LoadSettings, Loaded, Pooling, SpecialText, load_model, normalize};
use serde_json::{Value, json};
use server::{Limits, Model, Models, Reading, ServedEncoder, ServerOptions};

use crate::lab::Lab;

const EMBEDDINGS: &str = "/v1/embeddings";
const N_TOKENS_MAX: usize = 64;

fn bert() -> Loaded {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/bert/hf");
    load_model(&folder, LoadSettings::default(), &mut |_, _| ()).expect("a model")
}

fn embedder(loaded: &Loaded) -> Embedder {
    Embedder::new(Arc::clone(&loaded.model), (N_TOKENS_MAX, 64), 1, kernels::detect())
}

fn lab() -> Lab {
    lab_with(ServerOptions::default())
}

fn lab_with(options: ServerOptions) -> Lab {
    let loaded = bert();
    let embedder = embedder(&loaded);
    let reading = Reading {
        tokenizer: loaded.tokenizer,
        prefix: String::new(),
        pooling: Pooling::Mean,
        n_tokens_max: N_TOKENS_MAX,
    };
    let encoder = ServedEncoder::start("bert".into(), embedder, reading);
    let mut models = Models::default();
    models.add("bert".into(), Model::Encoder(Arc::new(encoder)));
    Lab::serve(models, options)
}

fn vectors(reply: &Value) -> Vec<Vec<f32>> {
    let data = reply["data"].as_array().expect("a list");
    let vector = |entry: &Value| serde_json::from_value(entry["embedding"].clone());
    data.iter().map(|entry| vector(entry).expect("numbers")).collect()
}

#[test]
fn vectors_are_those_of_the_model() {
    let (lab, loaded) = (lab(), bert());
    let texts = ["a red hen", "the sun"];
    let ids = texts.map(|text| loaded.tokenizer.encode_whole(text, SpecialText::AsText));
    let mut expected = Vec::new();
    let take = &mut |mut vector: Vec<f32>| {
        normalize(&mut vector);
        expected.push(vector);
        ControlFlow::Continue(())
    };
    embedder(&loaded).embed(&ids, Pooling::Mean, take).expect("vectors");
    let all = lab.post(EMBEDDINGS, &json!({"model": "bert", "input": texts})).json();
    assert_eq!(vectors(&all), expected);
    let n_tokens: usize = ids.iter().map(Vec::len).sum();
    assert_eq!(all["usage"], json!({"prompt_tokens": n_tokens, "total_tokens": n_tokens}));
    assert_eq!((&all["object"], &all["data"][1]["index"]), (&json!("list"), &json!(1)));
    for one in [json!(texts[0]), json!(ids[0]), json!([ids[0]])] {
        let one = lab.post(EMBEDDINGS, &json!({"input": one})).json();
        assert_eq!(vectors(&one), expected[..1]);
    }
    let body = json!({"input": texts[1], "encoding_format": "base64"});
    let reply = lab.post(EMBEDDINGS, &body).json();
    let bytes = reply["data"][0]["embedding"].as_str().expect("a text");
    let bytes = BASE64_STANDARD.decode(bytes).expect("base64");
    let found: Vec<f32> = bytes.as_chunks().0.iter().map(|x| f32::from_le_bytes(*x)).collect();
    assert_eq!(found, expected[1]);
}

#[test]
fn what_has_no_vector_is_refused() {
    let lab = lab();
    for (body, status, field) in [
        (json!({}), 400, "input"),
        (json!({"input": []}), 400, "input"),
        (json!({"input": {"text": "a"}}), 400, "input"),
        (json!({"input": [999_999]}), 400, "input"),
        (json!({"input": "a ".repeat(500)}), 400, "input"),
        (json!({"input": "a", "encoding_format": "f16"}), 400, "encoding_format"),
        (json!({"input": "a", "dimensions": 8}), 400, "dimensions"),
        (json!({"input": "a", "model": "other"}), 404, "model"),
    ] {
        let reply = lab.post(EMBEDDINGS, &body);
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (status, &json!(field)),
            "{body}"
        );
    }
    let chat = json!({"model": "bert", "messages": [{"role": "user", "content": "a"}]});
    let reply = lab.post("/v1/chat/completions", &chat);
    assert_eq!(reply.status, 400, "{reply:?}");
    assert!(reply.body.contains("/v1/embeddings"), "{reply:?}");
    assert_eq!(lab.get("/v1/models")["data"][0]["id"], "bert");
}

/// Those who hang up while they wait give their places back.
#[test]
fn who_hangs_up_frees_a_place() {
    let limits = Limits { n_in_flight: 4, ..Limits::default() };
    let lab = lab_with(ServerOptions { limits, ..ServerOptions::default() });
    let many = json!({"input": vec!["a ".repeat(50); 500]}).to_string();
    for _ in 0..12 {
        let head =
            format!("POST {EMBEDDINGS} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{many}", many.len());
        drop(lab.send(&head));
    }
    const N_TRIES: usize = 10_000;
    let is_free = |_: &usize| lab.post(EMBEDDINGS, &json!({"input": "a"})).status == 200;
    (0..N_TRIES).find(is_free).expect("places are free in time");
}

#[test]
fn texts_come_in_the_order_of_their_likeness() {
    let lab = lab();
    let documents = json!(["the sun", {"text": "a red hen"}, "a blue hen and the moon"]);
    let body = json!({"query": "a red hen", "documents": documents, "return_documents": true});
    let results = lab.post("/v1/rerank", &body).json()["results"].clone();
    let results = results.as_array().expect("a list");
    assert_eq!(
        (&results[0]["index"], &results[0]["document"]["text"]),
        (&json!(1), &json!("a red hen"))
    );
    let scores: Vec<f64> = results
        .iter()
        .map(|result| result["relevance_score"].as_f64().expect("a number"))
        .collect();
    assert!((scores[0] - 1.0).abs() < 1e-6 && scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    let one = json!({"query": "a red hen", "documents": documents, "top_n": 1});
    let one = lab.post("/rerank", &one).json();
    assert_eq!(one["results"].as_array().map(Vec::len), Some(1));
    for (body, field) in [
        (json!({"documents": documents}), "query"),
        (json!({"query": "x"}), "documents"),
        (json!({"query": "x", "documents": []}), "documents"),
        (json!({"query": "x", "documents": [1]}), "documents"),
        (json!({"query": "x ".repeat(10_000), "documents": ["x"]}), "query"),
    ] {
        let reply = lab.post("/v1/rerank", &body);
        assert_eq!(
            (reply.status, &reply.json()["error"]["param"]),
            (400, &json!(field)),
            "{reply:?}"
        );
    }
    let embedded = lab.post("/api/embed", &json!({"model": "bert", "input": ["a red hen"]})).json();
    assert_eq!(embedded["embeddings"][0].as_array().map(Vec::len), Some(vectors_width(&lab)));
}

fn vectors_width(lab: &Lab) -> usize {
    let reply = lab.post(EMBEDDINGS, &json!({"input": "a red hen"})).json();
    vectors(&reply)[0].len()
}
