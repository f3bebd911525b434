//! GGUF and safetensors of one model: the same tokens in, the same tokens out.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    Engine, LoadSettings, Loaded, ModelRunner, Request, RunnerOptions, SpecialText, load_model,
    score,
};
use model::kv::{KvPolicy, KvShape};
use model::{Arithmetic, KvType, WorkspaceSize};

use crate::outcome::{Answer, greedy, run};

/// Sums of up to a hundred products in another order: converters permute the rows of q and k where
/// the RoPE pairing differs.
const TOLERANCE: f32 = 1e-5;
const N_ANSWER: usize = 40;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens").join(name)
}

fn load(path: &Path) -> Loaded {
    let settings = LoadSettings { arithmetic: Arithmetic::Exact, ..LoadSettings::default() };
    load_model(path, settings, &mut |_, _| ()).expect("a model that loads")
}

fn runner(loaded: &Loaded) -> ModelRunner {
    let n_ctx = loaded.model.config.n_ctx;
    let options = RunnerOptions {
        kv_shape: KvShape::of(&loaded.model.config, KvType::F32, KvType::F32),
        kv_bytes_max: usize::MAX,
        n_threads: 1,
        size: WorkspaceSize { n_ctx, n_tokens_max: 64, n_logit_rows_max: 1 },
        kernels: kernels::detect(),
    };
    ModelRunner::new(Arc::clone(&loaded.model), &options)
}

fn answer(loaded: &Loaded, prompt: &[u32]) -> Answer {
    let mut engine = Engine::new(Box::new(runner(loaded)), loaded.tokenizer.clone());
    let request = Request { n_tokens_max: Some(N_ANSWER), ..greedy(prompt) };
    run(&mut engine, &request).answer
}

fn check(name: &str, tolerance: f32) {
    let folder = golden(name);
    let json = std::fs::read(folder.join("expected.json")).expect("expected.json");
    let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
    let text = json["text"].as_str().expect("a text");
    let models = [load(&folder.join("model.gguf")), load(&folder.join("hf"))];
    let prompts = models.each_ref().map(|m| m.tokenizer.encode_prompt(text, SpecialText::AsText));
    assert_eq!(prompts[0], prompts[1], "{name}");
    let [gguf, hf] = models.each_ref().map(|loaded| {
        let result = score(&mut runner(loaded), &prompts[0], KvPolicy::KeepAll, &mut |_| {
            ControlFlow::Continue(())
        });
        result.expect("a score").last_logits
    });
    let scale = gguf.iter().fold(1.0f32, |max, x| max.max(x.abs()));
    for (id, (a, b)) in gguf.iter().zip(&hf).enumerate() {
        assert!((a - b).abs() <= tolerance * scale, "{name}: logit {id}: {a}, {b}");
    }
    let [gguf, hf] = models.each_ref().map(|loaded| answer(loaded, &prompts[0]));
    assert_eq!(gguf.ids, hf.ids, "{name}");
    assert_eq!(gguf.text(), hf.text(), "{name}");
    assert!(!gguf.ids.is_empty(), "{name}");
}

#[test]
fn gguf_equals_safetensors() {
    check("qwen2", 0.0);
    check("gemma3", 0.0);
    check("llama", TOLERANCE);
    check("llama-rope-scaled", TOLERANCE);
}
