//! Small random models that are asked.

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::{Engine, LoadSettings, Loaded, ModelRunner, RunnerOptions, SpecialText, load_model};
use inspect::prompts::Prompts;
use inspect::{AskEngine, Inspector, N_BYTES_MAX};
use kernels::DType;
use model::kv::KvShape;
use model::{KvType, WorkspaceSize};
use tiny_random::TinyRandom;

const N_CTX: usize = 2048;

pub(crate) fn tiny() -> TinyRandom {
    TinyRandom {
        dtype: DType::Q8_0,
        d_model: 64,
        d_ff: 64,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 16,
        n_ctx: N_CTX as u32,
        ..TinyRandom::default()
    }
}

pub(crate) fn load(tiny: &TinyRandom) -> Loaded {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.gguf");
    tiny.write(&path);
    load_model(&path, LoadSettings::default(), &mut |_, _| ()).expect("a model that loads")
}

/// Asks a model, with an engine of its own.
pub(crate) fn inspect<T>(
    loaded: &Loaded,
    question: impl FnOnce(&mut Inspector<'_>, Prompts<'_>) -> T,
) -> T {
    let kv_shape = KvShape::of(&loaded.model.config, KvType::F16, KvType::F16);
    let options = RunnerOptions {
        kv_bytes_max: kv_shape.bytes(2 * N_CTX, 64),
        kv_shape,
        n_threads: 1,
        size: WorkspaceSize { n_ctx: N_CTX, n_tokens_max: 64, n_logit_rows_max: 16 },
        kernels: kernels::detect(),
    };
    let runner = ModelRunner::new(Arc::clone(&loaded.model), &options);
    let mut engine = Engine::new(Box::new(runner), loaded.tokenizer.clone());
    let mut progress = |_| ControlFlow::Continue(());
    let mut ask = AskEngine { engine: &mut engine, progress: &mut progress };
    let mut inspector = Inspector {
        model: Arc::clone(&loaded.model),
        tokenizer: &loaded.tokenizer,
        ask: &mut ask,
        n_bytes_max: N_BYTES_MAX,
    };
    question(&mut inspector, Prompts { tokenizer: &loaded.tokenizer, template: None })
}

pub(crate) fn encode(loaded: &Loaded, text: &str) -> Vec<u32> {
    loaded.tokenizer.encode_prompt(text, SpecialText::AsText)
}
