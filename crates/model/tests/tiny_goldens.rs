//! Tiny random models against transformers, activation by activation: the first site that differs
//! is named. Every folder of tests/goldens is a case, as GGUF and as a Hugging Face folder.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use format::Mapping;
use format::safetensors::SafetensorsFile;
use model::batch::{KeysOf, LogitRows};
use model::kv::KvShape;
use model::load::ModelFile;
use model::probe::{RowWeights, RowsAt};
use model::shape::Rows;
use model::{
    Arithmetic, Batch, KvCache, KvType, LoadOptions, Model, Probe, SequenceId, Site, ThreadPool,
    Workspace, WorkspaceSize,
};

/// f32 sums of up to a hundred products in another order than torch's, relative to the largest
/// value of the tensor.
const TOLERANCE: f32 = 1e-5;

/// Folders that are quantised as such, of which there is no GGUF file.
const QUANTIZED: [&str; 11] = [
    "llama-fp8",
    "llama-gptq",
    "llama-gptq8",
    "llama-packed",
    "phi3-gptq",
    "phi3-packed",
    "qwen2-fp8",
    "qwen2-gptq",
    "qwen3-awq",
    "qwen3-fp8",
    "qwen3-packed",
];

struct Golden {
    ids: Vec<u32>,
    /// What a decoder is given, where `ids` are for an encoder.
    target_ids: Vec<u32>,
    first_pos: u32,
    tensors: SafetensorsFile,
}

impl Golden {
    fn read(folder: &Path) -> Self {
        let json = std::fs::read(folder.join("expected.json")).expect("expected.json");
        let json: serde_json::Value = serde_json::from_slice(&json).expect("JSON");
        let ids = |name: &str| {
            let ids = json[name].as_array().into_iter().flatten();
            ids.map(|id| id.as_u64().expect("an id") as u32).collect()
        };
        let first_pos = json["first_pos"].as_u64().unwrap_or(0) as u32;
        let path = folder.join("expected.safetensors");
        let tensors = SafetensorsFile::open(&path, Mapping::Read).expect("expected.safetensors");
        Self { ids: ids("token_ids"), target_ids: ids("target_ids"), first_pos, tensors }
    }

    fn values(&self, name: &str) -> Vec<f32> {
        let tensor = self.tensors.tensor(name).expect("a golden tensor");
        let n = tensor.info.shape.iter().product();
        let mut values = vec![0.0; n];
        kernels::block::decode_row(tensor.info.dtype, &tensor.bytes, &mut values);
        values
    }
}

/// Everything a pass shows, by the goldens' names, in the order it was computed.
struct Recorder {
    /// Of the half that is watched.
    prefix: &'static str,
    n_heads: usize,
    n_tokens: usize,
    first_pos: u32,
    sites: Vec<(String, Vec<f32>)>,
}

impl Probe for Recorder {
    fn wants_weights(&self, _at: RowsAt) -> bool {
        true
    }

    fn weights(&mut self, at: RowsAt, found: &mut RowWeights<'_>) {
        let kind = match at.layer.keys_of {
            KeysOf::Own => "attention",
            KeysOf::Source => "cross",
        };
        let name = format!("{}{kind}.{}", self.prefix, at.layer.layer_idx);
        let (n, n_keys) = (self.n_tokens, found.key_positions.len());
        if self.sites.last().is_none_or(|(last, _)| *last != name) {
            self.sites.push((name, vec![0.0; self.n_heads * n * n_keys]));
        }
        let (_, map) = self.sites.last_mut().expect("just pushed");
        let query = (at.query_pos - self.first_pos) as usize;
        for head_idx in 0..self.n_heads {
            let row = found.key_positions.iter().zip(found.of_head(head_idx));
            for (&key_pos, &weight) in row {
                let key = (key_pos - self.first_pos) as usize;
                map[(head_idx * n + query) * n_keys + key] = weight;
            }
        }
    }

    fn activation(&mut self, site: Site, rows: Rows<'_>) {
        let name = match site {
            Site::Embedding => "embedding".to_owned(),
            Site::AttentionOutput(_) => return,
            Site::Residual { layer_idx } => format!("layer.{layer_idx}"),
            Site::OutputNorm => "output_norm".to_owned(),
        };
        self.sites.push((format!("{}{name}", self.prefix), rows.data().to_vec()));
    }
}

/// A model with a cache and buffers, and one text.
struct Run<'a> {
    model: &'a Model,
    kv: KvCache,
    ws: Workspace,
    id: SequenceId,
    source: Option<SequenceId>,
}

impl<'a> Run<'a> {
    fn new(model: &'a Model, n_ctx: usize, n: usize) -> Self {
        let shape = KvShape::of(&model.config, KvType::F32, KvType::F32);
        let mut kv = KvCache::new(shape, usize::MAX);
        let size = WorkspaceSize { n_ctx, n_tokens_max: n, n_logit_rows_max: n };
        let ws = Workspace::new(model, kernels::detect(), ThreadPool::new(2), size);
        let id = kv.admit();
        kv.reserve(id, n).expect("room for the text");
        Self { model, kv, ws, id, source: None }
    }

    /// Logits of all tokens, where the model has any.
    fn feed(&mut self, ids: &[u32], first_pos: u32, probe: &mut impl Probe) -> Option<Vec<f32>> {
        let mut batch = Batch::default();
        batch.push(self.id, ids, first_pos, LogitRows::All);
        self.source.into_iter().for_each(|source| batch.set_source(source));
        model::forward(self.model, &batch, &mut self.kv, &mut self.ws, probe);
        self.model.output_matrix()?;
        Some(model::unembed(self.model, 0..ids.len(), &mut self.ws).to_vec())
    }

    /// Reads the text that the other tokens are to look at.
    fn encode(&mut self, ids: &[u32], probe: &mut impl Probe) {
        let encoder = self.model.encoder.as_ref().expect("an encoder");
        let shape = KvShape::of(&encoder.config, KvType::F32, KvType::F32);
        let mut encoder_kv = KvCache::new(shape, usize::MAX);
        let source = self.kv.admit();
        self.kv.reserve(source, ids.len()).expect("room for the text");
        let kv = (&mut self.kv, source);
        model::encode(self.model, ids, &mut encoder_kv, kv, &mut self.ws, probe);
        self.source = Some(source);
    }
}

fn record(model: &Model, golden: &Golden) -> Vec<(String, Vec<f32>)> {
    let Golden { ids, target_ids, first_pos, .. } = golden;
    let (n_heads, n_tokens, first_pos) = (model.config.n_heads, ids.len(), *first_pos);
    let mut recorder = Recorder { prefix: "", n_heads, n_tokens, first_pos, sites: Vec::new() };
    let n_max = n_tokens.max(target_ids.len());
    let mut run = Run::new(model, first_pos as usize + n_max, n_max);
    let ids = match model.encoder {
        None => ids,
        Some(_) => {
            recorder.prefix = "encoder.";
            run.encode(ids, &mut recorder);
            (recorder.prefix, recorder.n_tokens) = ("", target_ids.len());
            target_ids
        }
    };
    let logits = run.feed(ids, first_pos, &mut recorder);
    recorder.sites.extend(logits.map(|logits| ("logits".into(), logits)));
    recorder.sites
}

/// Names the first site that differs.
fn check(file: &ModelFile, golden: &Golden) -> Result<(), String> {
    // Integers of quantised folders too are multiplied as the floats that they stand for.
    let options = LoadOptions { arithmetic: Arithmetic::Exact, ..LoadOptions::default() };
    let model = model::load(file, options, &mut |_, _| ());
    let model = model.map_err(|err| err.to_string())?;
    let sites = record(&model, golden);
    if sites.len() != golden.tensors.tensors().count() {
        return Err(format!("{} sites were seen", sites.len()));
    }
    for (name, found) in sites {
        let expected = golden.values(&name);
        assert_eq!(found.len(), expected.len(), "{name}");
        let bound = TOLERANCE * expected.iter().fold(1.0f32, |max, x| max.max(x.abs()));
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let error = (found - expected).abs();
            if error > bound || error.is_nan() {
                return Err(format!("first difference at {name}[{i}]: {found}, not {expected}"));
            }
        }
    }
    Ok(())
}

/// All cases in one form, those apart that it has no name for.
fn check_all(file_name: &str, is_missing: &[&str]) {
    let mut problems = String::new();
    for folder in cases() {
        let case = folder.file_name().expect("a name").to_string_lossy().into_owned();
        let path = folder.join(file_name);
        assert_eq!(!path.exists(), is_missing.contains(&&*case), "{}", path.display());
        if !path.exists() {
            continue;
        }
        let file = ModelFile::open(&path, Mapping::Mmap).expect("a model");
        if let Err(problem) = check(&file, &Golden::read(&folder)) {
            writeln!(problems, "{case}: {problem}").expect("a string takes all");
        }
    }
    assert!(problems.is_empty(), "{problems}");
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/goldens")
}

fn load_folder(case: &str) -> Model {
    let file = ModelFile::open(&goldens().join(case).join("hf"), Mapping::Mmap);
    model::load(&file.expect("a folder"), LoadOptions::default(), &mut |_, _| ()).expect("a model")
}

fn cases() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(goldens()).expect("tests/goldens");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let mut cases: Vec<_> = paths.filter(|path| path.join("hf").is_dir()).collect();
    cases.sort();
    cases
}

#[test]
fn gguf_models_equal_transformers() {
    // What GGUF has no name for, and what it calls `llama`, `olmo2`, `bert` or `deepseek2`.
    let is_missing = [
        "codegen",
        "falcon-alibi",
        "gemma3-eyes",
        "llama-dynamic",
        "opt",
        "qwen3moe-dense",
        "starcoder-heads",
        "t5-near",
        "xglm",
    ];
    let is_another = ["deepseek3", "mistral", "mixtral", "olmo3", "roberta", "distilbert"];
    check_all("model.gguf", &[&is_missing[..], &is_another, &QUANTIZED].concat());
}

#[test]
fn hugging_face_folders_equal_transformers() {
    check_all("hf", &[]);
}

/// M6 where positions depend on the context: the context is the same, whatever the chunks.
#[test]
fn scaled_positions_do_not_depend_on_chunks() {
    for case in [
        "deepseek2-v3",
        "llama-dynamic",
        "minicpm3-longrope",
        "mistral3",
        "phi3-longrope",
        "phi3-longrope-short",
        "xglm",
    ] {
        let golden = Golden::read(&goldens().join(case));
        let model = load_folder(case);
        let run = |n_chunk: usize| {
            let n_ctx = golden.first_pos as usize + golden.ids.len();
            let mut run = Run::new(&model, n_ctx, golden.ids.len());
            let chunks = golden.ids.chunks(n_chunk).enumerate();
            let logits = chunks.map(|(i, ids)| {
                let first_pos = golden.first_pos + (i * n_chunk) as u32;
                run.feed(ids, first_pos, &mut ()).expect("logits")
            });
            logits.collect::<Vec<_>>().concat()
        };
        let whole = run(golden.ids.len());
        for n_chunk in [1, 7] {
            let bits = |logits: Vec<f32>| logits.into_iter().map(f32::to_bits).collect::<Vec<_>>();
            assert_eq!(bits(run(n_chunk)), bits(whole.clone()), "{case}, chunks of {n_chunk}");
        }
    }
}

/// Keys that another context rotates are keys of another model.
#[test]
fn fingerprints_know_the_context_where_it_matters() {
    let check = |case: &str, n_ctx: [usize; 2], is_same: bool| {
        let model = load_folder(case);
        let [a, b] = n_ctx.map(|n_ctx| model.fingerprint(n_ctx));
        assert_eq!(a == b, is_same, "{case}: {n_ctx:?}");
    };
    check("llama", [64, 128], true);
    check("phi3-longrope", [64, 65], false);
    check("phi3-longrope", [65, 128], true);
    check("llama-dynamic", [64, 128], true);
    check("llama-dynamic", [128, 129], false);
}

#[test]
fn every_architecture_has_a_golden() {
    let names: Vec<_> = cases()
        .iter()
        .map(|folder| folder.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    for spec in model::arch::ARCHITECTURES {
        let name = spec.name;
        assert!(names.iter().any(|golden| golden == name), "tests/goldens/{name} is missing");
    }
}
