//! Tiny random models, ready to run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::{
    Engine, LoadSettings, Loaded, ModelRunner, Request, RunnerOptions, SamplingParams, load_model,
};
use kernels::DType;
use model::kv::KvShape;
use model::{KvType, WorkspaceSize};
use tiny_random::{N_VOCAB, TinyLatent, TinyRandom};

use crate::outcome::greedy;

pub(crate) const N_CTX: usize = 200;

/// One with full layers only, one whose window is shorter than the texts, and one whose values are
/// a part of its keys.
pub(crate) fn models() -> [Loaded; 3] {
    let tiny = small();
    let windowed = TinyRandom { architecture: "gemma3", window: Some(20), ..tiny.clone() };
    let latent = TinyLatent { d_query: Some(32), d_latent: 32, ..TinyLatent::default() };
    let latent = TinyRandom { architecture: "minicpm3", latent: Some(latent), ..tiny.clone() };
    [load(&tiny), load(&windowed), load(&latent)]
}

pub(crate) fn small() -> TinyRandom {
    TinyRandom {
        dtype: DType::Q8_0,
        d_model: 64,
        d_ff: 64,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 16,
        ..TinyRandom::default()
    }
}

pub(crate) fn load(tiny: &TinyRandom) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.gguf");
    tiny.write(&path);
    load_model(&path, LoadSettings::default(), &mut |_, _| ()).expect("a model that loads")
}

/// How much an engine over a tiny model can do at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) n_ctx: usize,
    pub(crate) n_positions_max: usize,
    pub(crate) n_tokens_max: usize,
    pub(crate) n_threads: usize,
}

/// Room for eight contexts; prompts need several steps.
pub(crate) const SIZE: Size =
    Size { n_ctx: N_CTX, n_positions_max: 8 * 256, n_tokens_max: 32, n_threads: 1 };

pub(crate) fn engine(loaded: &Loaded, size: Size) -> Engine {
    Engine::new(Box::new(runner(loaded, size)), loaded.tokenizer.clone())
}

/// One that rounds no key and no value.
pub(crate) fn engine_of_floats(loaded: &Loaded, size: Size) -> Engine {
    let runner = runner_with(loaded, size, [KvType::F32; 2]);
    Engine::new(Box::new(runner), loaded.tokenizer.clone())
}

pub(crate) fn runner(loaded: &Loaded, size: Size) -> ModelRunner {
    runner_with(loaded, size, [KvType::F16, KvType::Q8_0])
}

fn runner_with(loaded: &Loaded, size: Size, [k_type, v_type]: [KvType; 2]) -> ModelRunner {
    let shape = KvShape::of(&loaded.model.config, k_type, v_type);
    let options = RunnerOptions {
        kv_bytes_max: shape.bytes(size.n_positions_max, size.n_tokens_max),
        kv_shape: shape,
        n_threads: size.n_threads,
        size: WorkspaceSize {
            n_ctx: size.n_ctx,
            n_tokens_max: size.n_tokens_max,
            n_logit_rows_max: 4,
        },
        kernels: kernels::detect(),
    };
    ModelRunner::new(Arc::clone(&loaded.model), &options)
}

pub(crate) fn golden_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens")
}

/// Random tokens.
pub(crate) fn text(seed: u64, n: usize) -> Vec<u32> {
    let values = tiny_random::uniform(n, seed);
    values.into_iter().map(|x| ((x + 1.0) * 0.5 * (N_VOCAB - 1) as f32) as u32).collect()
}

/// Continues a random text; draws from the model's whole distribution, so that no two answers are
/// alike by chance.
pub(crate) fn request(seed: u64, n_prompt: usize, n_tokens_max: usize) -> Request {
    let sampling = SamplingParams { seed, ..SamplingParams::plain() };
    Request { sampling, n_tokens_max: Some(n_tokens_max), ..greedy(&text(seed, n_prompt)) }
}
