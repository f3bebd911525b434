//! Laws of the whole model: two ways, one answer.

use format::gguf::{GgufFile, Writer};
use format::{Mapping, TensorInfo};
use kernels::{DType, Kernels};
use model::batch::LogitRows;
use model::kv::{Importance, KvPolicy, KvShape};
use model::load::ModelFile;
use model::probe::{LayerAt, RowWeights, RowsAt, Statistics};
use model::shape::Rows;
use model::{
    Arithmetic, Batch, KvCache, KvType, LoadOptions, Model, Probe, SequenceId, Site, ThreadPool,
    Workspace, WorkspaceSize,
};
use tiny_random::{N_VOCAB, Output, TinyLatent, TinyRandom};

/// Types with each of the integer forms, and floats.
const DTYPES: [DType; 9] = [
    DType::F32,
    DType::F16,
    DType::Q4_1,
    DType::Q5_0,
    DType::Q8_0,
    DType::Q4K,
    DType::Q6K,
    DType::Iq4Xs,
    DType::Nvfp4,
];
const N_TOKENS: usize = 75;

fn load(tiny: &TinyRandom, arithmetic: Arithmetic) -> Model {
    let file = GgufFile::from_bytes(tiny.bytes().into(), "tiny").expect("a model");
    load_file(&ModelFile::Gguf(file), arithmetic)
}

fn load_file(file: &ModelFile, arithmetic: Arithmetic) -> Model {
    let options = LoadOptions { arithmetic, ..LoadOptions::default() };
    model::load(file, options, &mut |_, _| ()).expect("a model that loads")
}

fn text(seed: u64, n: usize) -> Vec<u32> {
    let values = tiny_random::uniform(n, seed);
    values.into_iter().map(|x| ((x + 1.0) * 0.5 * (N_VOCAB - 1) as f32) as u32).collect()
}

/// A model with a cache and buffers.
struct Run<'a> {
    model: &'a Model,
    kv: KvCache,
    ws: Workspace,
    batch: Batch,
}

impl<'a> Run<'a> {
    fn new(model: &'a Model, kernels: &'static Kernels, n_threads: usize) -> Self {
        let shape = KvShape::of(&model.config, KvType::F16, KvType::Q8_0);
        let (n_ctx, n) = (model.config.n_ctx, 2 * N_TOKENS);
        let size = WorkspaceSize { n_ctx, n_tokens_max: n, n_logit_rows_max: n };
        let ws = Workspace::new(model, kernels, ThreadPool::new(n_threads), size);
        Self { model, kv: KvCache::new(shape, usize::MAX), ws, batch: Batch::default() }
    }

    fn admit(&mut self) -> SequenceId {
        let id = self.kv.admit();
        self.kv.reserve(id, 2 * N_TOKENS).expect("room");
        id
    }

    /// Logits of all tokens of the batch.
    fn forward(&mut self, probe: &mut impl Probe) -> Vec<f32> {
        model::forward(self.model, &self.batch, &mut self.kv, &mut self.ws, probe);
        let n_rows = self.batch.logit_rows.len();
        model::unembed(self.model, 0..n_rows, &mut self.ws).to_vec()
    }

    fn feed(&mut self, id: SequenceId, ids: &[u32], first_pos: usize) -> Vec<f32> {
        self.batch.clear();
        self.batch.push(id, ids, first_pos as u32, LogitRows::All);
        self.forward(&mut ())
    }

    fn feed_in_chunks(&mut self, ids: &[u32], n_chunk: usize) -> Vec<f32> {
        let id = self.admit();
        let chunks = ids.chunks(n_chunk).enumerate();
        let logits = chunks.map(|(i, chunk)| self.feed(id, chunk, i * n_chunk));
        logits.collect::<Vec<_>>().concat()
    }
}

#[track_caller]
fn check_same(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    let differs = a.iter().zip(b).position(|(a, b)| a.to_bits() != b.to_bits());
    assert_eq!(differs, None, "{what}: {:?}", differs.map(|at| (a[at], b[at])));
}

/// M6, bitwise: chunks, threads and company change nothing.
#[test]
fn a_row_does_not_depend_on_its_neighbours() {
    let (ids, others) = (text(1, N_TOKENS), text(2, 33));
    let dense = DTYPES.map(|dtype| TinyRandom { dtype, ..TinyRandom::default() });
    let experts = [DType::F16, DType::Q4K];
    let experts = experts.map(|dtype| TinyRandom { dtype, n_experts: 5, ..TinyRandom::default() });
    let latent = [DType::F32, DType::Q4K].map(latent);
    let groups =
        TinyRandom { n_experts: 8, has_expert_groups: true, d_ff: 512, ..dense[0].clone() };
    for tiny in dense.iter().chain(&experts).chain([&groups]).chain(&latent) {
        let model = load(tiny, Arithmetic::Int8);
        for kernels in kernels::tables() {
            let what = format!("{}, {} experts, {}", tiny.dtype, tiny.n_experts, kernels.name);
            let whole = Run::new(&model, kernels, 1).feed_in_chunks(&ids, N_TOKENS);
            for n_chunk in [1, 30] {
                let chunked = Run::new(&model, kernels, 1).feed_in_chunks(&ids, n_chunk);
                check_same(&whole, &chunked, &what);
            }
            let threaded = Run::new(&model, kernels, 3).feed_in_chunks(&ids, N_TOKENS);
            check_same(&whole, &threaded, &what);
            let mut run = Run::new(&model, kernels, 2);
            let (other, id) = (run.admit(), run.admit());
            run.batch.push(other, &others, 0, LogitRows::All);
            run.batch.push(id, &ids, 0, LogitRows::All);
            let both = run.forward(&mut ());
            check_same(&whole, &both[others.len() * N_VOCAB..], &what);
        }
    }
}

fn latent(dtype: DType) -> TinyRandom {
    let latent = Some(TinyLatent::default());
    TinyRandom { architecture: "minicpm3", latent, dtype, ..TinyRandom::default() }
}

/// The same for texts whose tokens look ahead, in layers with a window and in full ones; what is
/// read are hidden states.
#[test]
fn a_whole_text_does_not_depend_on_its_neighbours() {
    let (ids, others) = (text(1, N_TOKENS), text(2, 33));
    for dtype in [DType::F32, DType::Q4K] {
        let tiny =
            TinyRandom { dtype, is_causal: false, window: Some(20), ..TinyRandom::default() };
        let model = load(&tiny, Arithmetic::Int8);
        assert!(!model.continues_text());
        let hidden = |n_threads, texts: &[&[u32]]| {
            let mut run = Run::new(&model, kernels::detect(), n_threads);
            for text in texts {
                let id = run.admit();
                run.batch.push(id, text, 0, LogitRows::All);
            }
            model::forward(&model, &run.batch, &mut run.kv, &mut run.ws, &mut ());
            let n_rows = run.batch.n_tokens();
            model::hidden(&model, n_rows - ids.len()..n_rows, &run.ws).data().to_vec()
        };
        let alone = hidden(1, &[&ids]);
        check_same(&alone, &hidden(3, &[&ids]), "by more threads");
        check_same(&alone, &hidden(2, &[&others, &ids]), "beside another");
        let mut changed = ids.clone();
        *changed.last_mut().expect("a text") ^= 1;
        let first = |hidden: &[f32]| hidden[..model.config.d_model].to_vec();
        assert_ne!(first(&alone), first(&hidden(1, &[&changed])), "the first sees the last");
    }
}

/// Every kernel gives the same bits on every table, so whole models do.
#[test]
fn models_agree_on_every_table() {
    let ids = text(3, N_TOKENS);
    let plain = DTYPES.map(|dtype| TinyRandom { dtype, ..TinyRandom::default() });
    let gemma = TinyRandom {
        architecture: "gemma3",
        window: Some(20),
        softcap: Some(5.0),
        ..TinyRandom::default()
    };
    let experts = TinyRandom { dtype: DType::Q5_0, n_experts: 4, ..TinyRandom::default() };
    for tiny in plain.iter().chain([&gemma, &experts]) {
        for arithmetic in [Arithmetic::Int8, Arithmetic::Exact] {
            let model = load(tiny, arithmetic);
            let run = |kernels| Run::new(&model, kernels, 2).feed_in_chunks(&ids, N_TOKENS);
            let expected = run(kernels::scalar());
            for kernels in kernels::tables() {
                check_same(&expected, &run(kernels), kernels.name);
            }
        }
    }
}

#[test]
fn mapped_weights_equal_owned_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiny.gguf");
    TinyRandom { dtype: DType::Q4K, ..TinyRandom::default() }.write(&path);
    let logits = [Mapping::Mmap, Mapping::Read].map(|mapping| {
        let file = ModelFile::open(&path, mapping).expect("a model");
        let model = load_file(&file, Arithmetic::Int8);
        Run::new(&model, kernels::detect(), 2).feed_in_chunks(&text(4, N_TOKENS), N_TOKENS)
    });
    check_same(&logits[0], &logits[1], "mapped and owned");
}

/// Floats that are quantised while loading are what a file of that type holds.
#[test]
fn quantised_while_loading_is_quantised_before() {
    let ids = text(4, N_TOKENS);
    let dense = TinyRandom::default();
    for tiny in [TinyRandom { n_experts: 3, ..dense.clone() }, dense] {
        let run =
            |model: &Model| Run::new(model, kernels::detect(), 2).feed_in_chunks(&ids, N_TOKENS);
        let before = TinyRandom { dtype: DType::Q8_0, ..tiny.clone() };
        let expected = run(&load(&before, Arithmetic::Int8));
        let file = GgufFile::from_bytes(tiny.bytes().into(), "tiny").expect("a model");
        let options = LoadOptions { quantize: Some(DType::Q8_0), ..LoadOptions::default() };
        let model = model::load(&ModelFile::Gguf(file), options, &mut |_, _| ());
        check_same(&expected, &run(&model.expect("a model that loads")), "quantised");
    }
}

/// Numbers beside matrices, one for each expert, give the bits of matrices that they are in:
/// powers of two.
#[test]
fn scales_beside_matrices_are_in_their_products() {
    let ids = text(4, N_TOKENS);
    for n_experts in [0, 3] {
        let tiny = TinyRandom { n_experts, dtype: DType::F32, ..TinyRandom::default() };
        let file = GgufFile::from_bytes(tiny.bytes().into(), "tiny").expect("a model");
        let mut writer = Writer::new();
        for (key, value) in file.metadata().iter() {
            writer.set(key, value.clone());
        }
        for info in file.tensors() {
            let mut bytes = file.tensor(&info.name).expect("a tensor").bytes.to_vec();
            if info.shape.len() > 1 {
                let n = if info.shape.len() == 3 { info.shape[0] } else { 1 };
                let scales: Vec<f32> = (0..n).map(|i| 0.125 * 4f32.powi(i as i32)).collect();
                let n_bytes = bytes.len() / n;
                for (matrix, scale) in bytes.chunks_exact_mut(n_bytes).zip(&scales) {
                    for w in matrix.as_chunks_mut().0 {
                        *w = (f32::from_le_bytes(*w) / scale).to_le_bytes();
                    }
                }
                let name = info.name.replace(".weight", ".scale");
                let scale = TensorInfo { name, dtype: DType::F32, shape: vec![n] };
                let bytes: Vec<u8> = scales.iter().flat_map(|x| x.to_le_bytes()).collect();
                writer.tensor(scale, bytes);
            }
            writer.tensor(info.clone(), bytes);
        }
        let file = writer.into_bytes("scaled").expect("a model that the format can hold");
        let file = GgufFile::from_bytes(file.into(), "scaled").expect("a model");
        let scaled = load_file(&ModelFile::Gguf(file), Arithmetic::Int8);
        let [expected, found] = [load(&tiny, Arithmetic::Int8), scaled]
            .map(|model| Run::new(&model, kernels::detect(), 2).feed_in_chunks(&ids, N_TOKENS));
        check_same(&expected, &found, "scaled");
    }
}

/// A2: an edited turn is computed where the old one was.
#[test]
fn truncated_then_recomputed_is_the_same() {
    let model = load(&TinyRandom::default(), Arithmetic::Int8);
    let (ids, wrong) = (text(5, N_TOKENS), text(6, N_TOKENS));
    let whole = Run::new(&model, kernels::detect(), 2).feed_in_chunks(&ids, N_TOKENS);
    let mut run = Run::new(&model, kernels::detect(), 2);
    let id = run.admit();
    run.feed(id, &ids[..40], 0);
    run.feed(id, &wrong[..30], 40);
    run.kv.truncate(id, 40);
    run.kv.reserve(id, N_TOKENS).expect("room");
    let rest = run.feed(id, &ids[40..], 40);
    check_same(&whole[40 * N_VOCAB..], &rest, "after an edit");
    run.kv.release(id);
    let again = run.feed_in_chunks(&ids, N_TOKENS);
    check_same(&whole, &again, "in a place that was another's");
}

/// Asks for everything and counts it.
#[derive(Default)]
struct Everything {
    n_statistics: usize,
    n_sites: usize,
    sums: Vec<f32>,
    n_hidden: usize,
}

impl Probe for Everything {
    fn wants_statistics(&self, layer: LayerAt) -> bool {
        layer.layer_idx == 0
    }

    fn wants_weights(&self, _at: RowsAt) -> bool {
        true
    }

    fn statistics(&mut self, _layer: LayerAt, found: &Statistics<'_>) {
        let tokens = found.bands().iter().flat_map(Clone::clone);
        assert!(tokens.clone().all(|idx| found.row(idx, 0).log_sum_exp.is_finite()));
        self.n_statistics += tokens.count();
    }

    fn weights(&mut self, at: RowsAt, found: &mut RowWeights<'_>) {
        let visible = found.key_positions.iter().filter(|&&pos| pos <= at.query_pos).count();
        for head_idx in 0..found.log_sum_exp.len() {
            let weights = found.of_head(head_idx);
            assert!(weights[visible..].iter().all(|&w| w == 0.0));
            self.sums.push(weights.iter().sum());
            self.n_hidden += weights[..visible].iter().filter(|&&w| w == 0.0).count();
        }
    }

    fn activation(&mut self, _site: Site, _rows: Rows<'_>) {
        self.n_sites += 1;
    }
}

/// A4: with a probe the answer is the same, and every row of weights sums to one.
#[test]
fn a_probe_changes_nothing() {
    let tiny = TinyRandom { window: Some(20), softcap: Some(5.0), ..TinyRandom::default() };
    let model = load(&tiny, Arithmetic::Int8);
    let ids = text(7, N_TOKENS);
    let plain = Run::new(&model, kernels::detect(), 2).feed_in_chunks(&ids, N_TOKENS);
    let mut run = Run::new(&model, kernels::detect(), 2);
    let id = run.admit();
    run.batch.push(id, &ids, 0, LogitRows::All);
    let mut probe = Everything::default();
    check_same(&plain, &run.forward(&mut probe), "with a probe");
    assert_eq!(probe.n_statistics, N_TOKENS);
    assert_eq!(probe.sums.len(), N_TOKENS * tiny.n_heads * tiny.n_layers);
    assert_eq!(probe.n_sites, 2 * tiny.n_layers + 2);
    assert!(probe.sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
}

/// What a policy let go of has no weight, and the rest sums to one.
#[test]
fn a_probe_sees_what_was_kept() {
    const N_PROMPT: usize = 5 * N_TOKENS;
    let tiny = TinyRandom { n_ctx: 2 * N_PROMPT as u32, ..TinyRandom::default() };
    let model = load(&tiny, Arithmetic::Int8);
    let ids = text(8, N_PROMPT + 1);
    for by in [Importance::Observed, Importance::Expected] {
        let mut run = Run::new(&model, kernels::detect(), 2);
        let policy = KvPolicy::Evict { by, n_keys: 256, n_prompt: N_PROMPT as u32 };
        let id = run.kv.admit_empty(policy);
        run.kv.reserve(id, N_PROMPT + 1).expect("room");
        for (i, chunk) in ids[..N_PROMPT].chunks(N_TOKENS).enumerate() {
            run.feed(id, chunk, i * N_TOKENS);
        }
        let held = run.kv.used_bytes();
        model::evict(&model, &mut run.kv, id, &mut run.ws);
        assert_eq!(held - run.kv.used_bytes(), 2 * 64 * run.kv.shape().position_bytes());
        run.batch.clear();
        run.batch.push(id, &ids[N_PROMPT..], N_PROMPT as u32, LogitRows::All);
        let mut probe = Everything::default();
        run.forward(&mut probe);
        assert!(probe.sums.iter().all(|sum| (sum - 1.0).abs() < 1e-5));
        // Two of six blocks.
        assert_eq!(probe.n_hidden, 2 * 64 * probe.sums.len());
    }
}

/// Int8 activations cost little: the logits stay close to the oracle's.
#[test]
fn int8_is_close_to_exact() {
    /// Of the largest logit: two layers of 256 products with steps of 1/127 of a group's largest.
    const TOLERANCE: f32 = 0.05;
    let ids = text(8, N_TOKENS);
    for dtype in DType::all() {
        for output in [Output::Tied, Output::Untied] {
            let tiny = TinyRandom { dtype, output, ..TinyRandom::default() };
            let [exact, int8] = [Arithmetic::Exact, Arithmetic::Int8].map(|arithmetic| {
                let model = load(&tiny, arithmetic);
                Run::new(&model, kernels::detect(), 2).feed_in_chunks(&ids, N_TOKENS)
            });
            let scale = exact.iter().fold(0.0f32, |max, x| max.max(x.abs()));
            for (int8, exact) in int8.iter().zip(&exact) {
                assert!((int8 - exact).abs() <= TOLERANCE * scale, "{dtype}: {int8}, {exact}");
            }
        }
    }
}
