//! M5: once a sequence is admitted, a token allocates nothing. Its own program, because the test
//! harness has threads that allocate when they like.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use format::Mapping;
use format::gguf::GgufFile;
use model::batch::LogitRows;
use model::kv::KvShape;
use model::load::ModelFile;
use model::{
    Batch, KvCache, KvType, LoadOptions, Model, SequenceId, ThreadPool, Workspace, WorkspaceSize,
};
use tiny_random::{TinyLatent, TinyRandom};

struct Counting;

static N_ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; counting touches no memory of it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        N_ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let tiny = TinyRandom { dtype: kernels::DType::Q4_1, ..TinyRandom::default() };
    no_allocation_per_token(&load(&tiny));
    no_allocation_per_token(&load(&TinyRandom { n_experts: 5, ..tiny.clone() }));
    let groups = TinyRandom { n_experts: 8, has_expert_groups: true, d_ff: 512, ..tiny };
    no_allocation_per_token(&load(&groups));
    let latent = Some(TinyLatent::default());
    let dtype = kernels::DType::Q8_0;
    let tiny = TinyRandom { architecture: "minicpm3", latent, dtype, ..TinyRandom::default() };
    no_allocation_per_token(&load(&tiny));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens/t5/model.gguf");
    no_allocation_per_token(&load_file(GgufFile::open(&path, Mapping::Read).expect("a model")));
}

fn load(tiny: &TinyRandom) -> Model {
    load_file(GgufFile::from_bytes(tiny.bytes().into(), "tiny").expect("a model"))
}

fn load_file(file: GgufFile) -> Model {
    let file = ModelFile::Gguf(file);
    model::load(&file, LoadOptions::default(), &mut |_, _| ()).expect("a model")
}

/// What the decoder's tokens look at, where there is an encoder.
fn read(model: &Model, kv: &mut KvCache, ws: &mut Workspace) -> Option<SequenceId> {
    let encoder = model.encoder.as_ref()?;
    let shape = KvShape::of(&encoder.config, KvType::F16, KvType::F16);
    let (mut encoder_kv, source) = (KvCache::new(shape, usize::MAX), kv.admit());
    kv.reserve(source, 40).expect("room");
    model::encode(model, &[4; 40], &mut encoder_kv, (kv, source), ws, &mut ());
    Some(source)
}

fn no_allocation_per_token(model: &Model) {
    let mut kv = KvCache::new(KvShape::of(&model.config, KvType::F16, KvType::F16), usize::MAX);
    let size = WorkspaceSize { n_ctx: 128, n_tokens_max: 40, n_logit_rows_max: 1 };
    let mut ws = Workspace::new(model, kernels::detect(), ThreadPool::new(2), size);
    let source = read(model, &mut kv, &mut ws);
    let id = kv.admit();
    kv.reserve(id, 512).expect("room");
    let mut batch = Batch::default();
    let mut step = |pos: u32, tokens: &[u32]| {
        batch.clear();
        batch.push(id, tokens, pos, LogitRows::Last);
        source.into_iter().for_each(|source| batch.set_source(source));
        model::forward(model, &batch, &mut kv, &mut ws, &mut ());
        std::hint::black_box(model::unembed(model, 0..1, &mut ws));
    };
    // The first step gives the batch its capacity.
    step(0, &[3; 40]);
    let before = N_ALLOCATIONS.load(Ordering::Relaxed);
    (40..240).for_each(|pos| step(pos, &[pos % 7]));
    // Rows enough for threads to share the writing of keys, across blocks.
    (240..480).step_by(40).for_each(|pos| step(pos, &[5; 40]));
    assert_eq!(N_ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
