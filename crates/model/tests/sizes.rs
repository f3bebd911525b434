//! What is predicted from a model's header is what is then allocated, byte for byte. Its own
//! program, because the test harness has threads that allocate when they like.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use format::Mapping;
use format::gguf::GgufFile;
use kernels::DType;
use model::kv::KvShape;
use model::load::ModelFile;
use model::{
    KvCache, KvType, LoadOptions, Model, Pages, ThreadPool, Workspace, WorkspaceSize, load,
};
use tiny_random::{Output, TinyLatent, TinyRandom};

struct Counting;

static N_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_BYTES.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        N_BYTES.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Bytes that the result of `make` holds on to.
fn allocated<T>(make: impl FnOnce() -> T) -> (usize, T) {
    let before = N_BYTES.load(Ordering::Relaxed);
    let made = make();
    (N_BYTES.load(Ordering::Relaxed) - before, made)
}

fn main() {
    for tiny in tiny_models() {
        let file = GgufFile::from_bytes(tiny.bytes().into(), "tiny").expect("a model");
        check(&format!("{tiny:?}"), &ModelFile::Gguf(file));
    }
    // With sinks, and biases of experts and routers.
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens");
    let biased = ["gpt-oss", "gpt-oss-mxfp4"].map(|case| goldens.join(case).join("model.gguf"));
    for path in real_models::all().into_iter().chain(biased) {
        check(
            &path.display().to_string(),
            &ModelFile::open(&path, Mapping::Mmap).expect("a model"),
        );
    }
}

fn tiny_models() -> [TinyRandom; 9] {
    let tiny = TinyRandom::default();
    let odd =
        TinyRandom { d_model: 64, d_ff: 160, n_heads: 6, n_kv_heads: 2, head_dim: 40, ..tiny };
    [
        TinyRandom { dtype: DType::Q4K, ..TinyRandom::default() },
        odd,
        TinyRandom { architecture: "qwen2", output: Output::Tied, ..TinyRandom::default() },
        TinyRandom { architecture: "gemma3", window: Some(100), ..TinyRandom::default() },
        TinyRandom { n_experts: 5, dtype: DType::Q8_0, ..TinyRandom::default() },
        TinyRandom { n_experts: 8, has_expert_groups: true, d_ff: 512, ..TinyRandom::default() },
        latent(TinyLatent::default(), DType::F16),
        latent(TinyLatent { d_query: None, is_split: true, ..TinyLatent::default() }, DType::Q8_0),
        // The query's is the widest vector.
        latent(TinyLatent { d_query: Some(1024), ..TinyLatent::default() }, DType::F32),
    ]
}

fn latent(latent: TinyLatent, dtype: DType) -> TinyRandom {
    let (architecture, latent) = ("minicpm3", Some(latent));
    TinyRandom { architecture, latent, dtype, ..TinyRandom::default() }
}

fn check(name: &str, file: &ModelFile) {
    let options = LoadOptions { pages: Pages::Leave, ..LoadOptions::default() };
    let model = load(file, options, &mut |_, _| ()).expect("a model");
    check_weights(name, &model, file);
    for (n_tokens_max, n_logit_rows_max, n_threads) in [(256, 4, 2), (256, 1, 1), (3, 16, 2)] {
        let size = WorkspaceSize { n_ctx: 256, n_tokens_max, n_logit_rows_max };
        check_workspace(name, &model, size, n_threads);
    }
    for (n_positions, n_together) in [(64, 64), (1000, 256)] {
        check_cache(name, &model, n_positions, n_together);
        check_growth(name, &model, n_positions, n_together);
    }
}

/// The files that are tested keep their vectors as f32, as they lie in memory.
fn check_weights(name: &str, model: &Model, file: &ModelFile) {
    let ModelFile::Gguf(file) = file else { panic!("{name}: no GGUF file") };
    let tensor_bytes = |shape: &[usize], dtype: DType| {
        let n_values = shape.iter().product();
        dtype.row_bytes(n_values).expect("whole blocks")
    };
    let tensors = file.tensors().map(|info| tensor_bytes(&info.shape, info.dtype));
    assert_eq!(model.n_weight_bytes(), tensors.sum::<usize>(), "{name}");
}

fn check_workspace(name: &str, model: &Model, size: WorkspaceSize, n_threads: usize) {
    let pool = ThreadPool::new(n_threads);
    let kernels = kernels::detect();
    let (n_bytes, _workspace) = allocated(|| Workspace::new(model, kernels, pool, size));
    assert_eq!(size.n_bytes(&model.config, n_threads), n_bytes, "{name}: {size:?}");
}

/// Lists of blocks and positions are the same for every type: whatever the type adds is blocks.
fn check_cache(name: &str, model: &Model, n_positions: usize, n_together: usize) {
    let mut lists = None;
    for k_type in KvType::ALL {
        for v_type in KvType::ALL {
            let shape = KvShape::of(&model.config, k_type, v_type);
            let mut kv = KvCache::new(shape, usize::MAX);
            let id = kv.admit();
            let (n_bytes, ()) = allocated(|| kv.reserve(id, n_positions).expect("room"));
            let predicted = kv.used_bytes();
            let rest = n_bytes - predicted;
            assert_eq!(*lists.get_or_insert(rest), rest, "{name}: {k_type:?}, {v_type:?}");
            let is_full = kv.shape().layers.iter().all(|layer| layer.window.is_none());
            if is_full {
                assert_eq!(kv.shape().bytes(n_positions, n_together), predicted, "{name}");
            }
        }
    }
    // Of a layer: two numbers a block for its planes; of a position: its token and its place.
    let n_blocks = n_positions.div_ceil(64).next_power_of_two().max(4);
    let lists_max = model.config.n_layers * n_blocks * 400 + 16 * n_positions + 4096;
    assert!(lists.is_some_and(|lists| lists <= lists_max), "{name}: {lists:?}, {lists_max}");
}

/// A text that grows never takes more than predicted, and layers with a window at most the block
/// less that they would need if their window began in the middle of one.
fn check_growth(name: &str, model: &Model, n_positions: usize, n_together: usize) {
    let shape = KvShape::of(&model.config, KvType::F16, KvType::Q8_0);
    let mut kv = KvCache::new(shape.clone(), usize::MAX);
    let id = kv.admit();
    let mut peak = 0;
    for first in (0..n_positions).step_by(n_together) {
        let end = (first + n_together).min(n_positions);
        kv.reserve(id, end).expect("room");
        peak = peak.max(kv.used_bytes());
        let positions: Vec<u32> = (first as u32..end as u32).collect();
        kv.append(id, &vec![0; end - first], &positions);
    }
    let predicted = shape.bytes(n_positions, n_together);
    let windowed = shape.layers.iter().filter(|layer| layer.window.is_some());
    let slack: usize = windowed.map(|layer| shape.layer_block_bytes(layer)).sum();
    assert!((predicted - slack..=predicted).contains(&peak), "{name}: {predicted}, {peak}");
}
