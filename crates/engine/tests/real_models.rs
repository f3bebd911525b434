//! Three real models against independent numbers: llama.cpp's token ids, transformers' losses,
//! logits and greedy continuations (tests/goldens/*.json).

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use engine::{
    Embedder, Engine, Event, LoadSettings, Loaded, ModelRunner, Pooling, Request, RequestId,
    RunnerOptions, SamplingParams, SpecialText, cosine, load_model, normalize, score, top_logits,
};
use model::kv::{KvPolicy, KvShape};
use model::{Arithmetic, KvType, WorkspaceSize};
use real_models::{golden, model_of};
use serde_json::Value;

/// Exact arithmetic: f32 sums in another order than torch's, over thirty layers.
const NLL_EXACT: f64 = 1e-3;
const LOGIT_EXACT: f32 = 5e-3;
/// Int8 activations and an f16 cache, on texts of over 500 tokens and on short ones.
const NLL_DEFAULT_LONG: f64 = 0.01;
const NLL_DEFAULT_SHORT: f64 = 0.08;
const N_TOKENS_LONG: usize = 500;

fn load(path: &Path, arithmetic: Arithmetic) -> Loaded {
    let settings = LoadSettings { arithmetic, ..LoadSettings::default() };
    load_model(path, settings, &mut |_, _| ()).expect("a model that loads")
}

fn runner(loaded: &Loaded, kv_type: KvType) -> ModelRunner {
    let options = RunnerOptions {
        kv_shape: KvShape::of(&loaded.model.config, kv_type, kv_type),
        kv_bytes_max: usize::MAX,
        n_threads: std::thread::available_parallelism().map_or(1, Into::into),
        size: WorkspaceSize { n_ctx: 1024, n_tokens_max: 256, n_logit_rows_max: 16 },
        kernels: kernels::detect(),
    };
    ModelRunner::new(Arc::clone(&loaded.model), &options)
}

fn ids(case: &Value, key: &str) -> Vec<u32> {
    let ids = case[key].as_array().expect("ids");
    ids.iter().map(|id| id.as_u64().expect("an id") as u32).collect()
}

fn cases(golden: &Value) -> &Vec<Value> {
    golden["cases"].as_array().expect("cases")
}

fn check_tokens(loaded: &Loaded, golden: &Value) {
    for case in cases(golden) {
        let text = case["text"].as_str().expect("a text");
        let found = loaded.tokenizer.encode_prompt(text, SpecialText::AsText);
        assert_eq!(found, ids(case, "token_ids"), "{}", case["name"]);
    }
}

fn check_scores(loaded: &Loaded, golden: &Value, arithmetic: Arithmetic) {
    let kv_type = if arithmetic == Arithmetic::Exact { KvType::F32 } else { KvType::F16 };
    let mut runner = runner(loaded, kv_type);
    for case in cases(golden) {
        let ids = ids(case, "token_ids");
        let score = score(&mut runner, &ids, KvPolicy::KeepAll, &mut |_| ControlFlow::Continue(()))
            .expect("a score");
        let nll = score.mean_nll().expect("more than one token");
        let expected = case["mean_nll_nats"].as_f64().expect("a number");
        let bound = match arithmetic {
            Arithmetic::Exact => NLL_EXACT,
            Arithmetic::Int8 if ids.len() > N_TOKENS_LONG => NLL_DEFAULT_LONG,
            Arithmetic::Int8 => NLL_DEFAULT_SHORT,
        };
        let name = &case["name"];
        let difference = nll - expected;
        eprintln!("{} {name} {arithmetic:?}: NLL {nll:.5}, {difference:+.5}", golden["file"]);
        assert!(difference.abs() <= bound, "{name}: NLL {nll}, expected {expected} within {bound}");
        if arithmetic == Arithmetic::Exact {
            check_top_logits(&score.last_logits, case);
        }
    }
}

fn check_top_logits(logits: &[f32], case: &Value) {
    let name = &case["name"];
    let expected = case["top_logits"].as_array().expect("logits");
    assert_eq!(u64::from(top_logits(logits, 1)[0].0), expected[0][0], "{name}: argmax");
    for pair in expected {
        let id = pair[0].as_u64().expect("an id") as usize;
        let expected = pair[1].as_f64().expect("a logit") as f32;
        let found = logits[id];
        assert!((found - expected).abs() <= LOGIT_EXACT, "{name}: {id}: {found}, {expected}");
    }
}

/// All texts at once: the engine's batch gives each the answer that it gets alone.
fn check_greedy(loaded: &Loaded, golden: &Value) {
    let runner = runner(loaded, KvType::F32);
    let mut engine = Engine::new(Box::new(runner), loaded.tokenizer.clone());
    let cases = cases(golden).iter().filter(|case| !case["greedy_ids"].is_null());
    let mut answers: BTreeMap<RequestId, (Vec<u32>, Vec<u32>)> = BTreeMap::new();
    for case in cases {
        let expected = ids(case, "greedy_ids");
        let request = Request {
            n_tokens_max: Some(expected.len()),
            ..Request::new(ids(case, "token_ids"), SamplingParams::greedy())
        };
        let id = engine.submit(request).expect("a request that fits");
        answers.insert(id, (Vec::new(), expected));
    }
    while !engine.is_idle() {
        for event in engine.step() {
            if let Event::Token { id, token_id, .. } = event {
                answers.get_mut(&id).expect("a request of ours").0.push(token_id);
            }
        }
    }
    for (found, expected) in answers.into_values() {
        assert_eq!(found, expected[..found.len()]);
        // Only the end of a turn may come before the golden's length.
        let next = expected.get(found.len());
        assert!(next.is_none_or(|&id| loaded.tokenizer.is_end_of_generation(id)));
    }
}

fn check(name: &str) {
    let golden = golden(name);
    let Some(path) = model_of(&golden) else { return };
    let loaded = load(&path, Arithmetic::Int8);
    check_tokens(&loaded, &golden);
    check_scores(&loaded, &golden, Arithmetic::Int8);
    let loaded = load(&path, Arithmetic::Exact);
    check_scores(&loaded, &golden, Arithmetic::Exact);
    check_greedy(&loaded, &golden);
}

#[test]
fn smollm2_equals_the_goldens() {
    check("smollm2");
}

#[test]
fn gemma3_equals_the_goldens() {
    check("gemma3");
}

#[test]
fn qwen2_equals_the_goldens() {
    check("qwen2");
}

/// Vectors of a real encoder: weights are floats, so both arithmetics are one.
const VECTOR_EXACT: f32 = 2e-6;
/// The cosine with what transformers has, of weights in Q8_0: the empty text is the worst.
const COSINE_Q8_0: f64 = 0.998;

fn embed(loaded: &Loaded, texts: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let n_longest = texts.iter().map(Vec::len).max().expect("texts");
    let sizes = (n_longest, 256);
    let mut embedder = Embedder::new(Arc::clone(&loaded.model), sizes, 2, kernels::detect());
    let mut vectors = Vec::new();
    let result = embedder.embed(texts, Pooling::Mean, &mut |mut vector| {
        normalize(&mut vector);
        vectors.push(vector);
        ControlFlow::Continue(())
    });
    result.expect("vectors");
    vectors
}

#[test]
fn minilm() {
    let golden = golden("minilm");
    let Some(path) = model_of(&golden) else { return };
    let expected: Vec<Vec<f32>> = cases(&golden)
        .iter()
        .map(|case| serde_json::from_value(case["embedding"].clone()).expect("numbers"))
        .collect();
    let floats = load(&path, Arithmetic::Exact);
    let settings = LoadSettings { quantize: Some(kernels::DType::Q8_0), ..LoadSettings::default() };
    let blocks = load_model(&path, settings, &mut |_, _| ()).expect("a model that loads");
    let texts: Vec<Vec<u32>> = cases(&golden).iter().map(|case| ids(case, "token_ids")).collect();
    for (case, ids) in cases(&golden).iter().zip(&texts) {
        let text = case["text"].as_str().expect("a text");
        assert_eq!(floats.tokenizer.encode_whole(text, SpecialText::AsText), *ids, "{text:?}");
    }
    let (found, of_blocks) = (embed(&floats, &texts), embed(&blocks, &texts));
    assert_eq!([found.len(), of_blocks.len()], [expected.len(); 2]);
    for (i, expected) in expected.iter().enumerate() {
        let error = found[i].iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(error <= VECTOR_EXACT, "text {i}: off by {error}");
        let alike = cosine(&of_blocks[i], expected);
        assert!(alike >= COSINE_Q8_0, "text {i} in Q8_0: {alike}");
    }
    // Two that mean the same, and one that does not.
    for threes in found[..9].chunks_exact(3) {
        let [a, b, other] = [0, 1, 2].map(|i| &threes[i]);
        let (alike, unlike) = (cosine(a, b), cosine(a, other).max(cosine(b, other)));
        assert!(alike > unlike + 0.3, "{alike} beside {unlike}");
    }
}
