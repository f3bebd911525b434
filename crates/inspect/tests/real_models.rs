//! Three real models against transformers: rows of attention, what was added to logits, and what a
//! text loses without some keys (tests/goldens/attention/*.json, and the rows of the other ones).

use std::ops::ControlFlow;
use std::sync::Arc;

use engine::{Engine, LoadSettings, Loaded, ModelRunner, RunnerOptions, SpecialText, load_model};
use inspect::capture::{
    Lens, RowPlan, Selection, SourceRow, Sources, SourcesPlan, Statistics, StatisticsPlan, Target,
};
use inspect::record::Row;
use inspect::{AskEngine, Inspector, N_BYTES_MAX};
use model::batch::KeysOf;
use model::kv::{Hidden, KvShape};
use model::{Arithmetic, KvType, WorkspaceSize};
use real_models::{golden, model_of};
use serde_json::Value;

/// How far a row may be from the reference: total variation distance, and nats of entropy.
#[derive(Clone, Copy)]
struct Bounds {
    variation: f64,
    entropy: f64,
    of: Of,
}

/// What is bounded.
#[derive(Clone, Copy)]
enum Of {
    EachRow,
    TheMean,
}

/// Exact arithmetic: f32 sums in another order than torch's.
const EXACT: Bounds = Bounds { variation: 1e-4, entropy: 1e-3, of: Of::EachRow };
/// Activations as int8, with a step of 1/127 of the largest of 32, in every product of every layer:
/// the mean row is this close, single ones are up to 0.13 away (docs/log.md).
const DEFAULT: Bounds = Bounds { variation: 2e-2, entropy: 2e-2, of: Of::TheMean };
/// Sums of weights, and of blocks of them.
const SUM: f64 = 1e-5;
/// Terms of a logit, relative to what they add up to or to the largest.
const TERMS: f64 = 1e-3;
/// Log-probabilities in nats, exact.
const LOGPROB: f64 = 1e-3;

fn engine(loaded: &Loaded, arithmetic: Arithmetic) -> Engine {
    let kv_type = if arithmetic == Arithmetic::Exact { KvType::F32 } else { KvType::F16 };
    let options = RunnerOptions {
        kv_shape: KvShape::of(&loaded.model.config, kv_type, kv_type),
        kv_bytes_max: usize::MAX,
        n_threads: std::thread::available_parallelism().map_or(1, Into::into),
        size: WorkspaceSize { n_ctx: 1024, n_tokens_max: 256, n_logit_rows_max: 16 },
        kernels: kernels::detect(),
    };
    let runner = ModelRunner::new(Arc::clone(&loaded.model), &options);
    Engine::new(Box::new(runner), loaded.tokenizer.clone())
}

/// Runs `check` with the model of a golden file.
fn with_model(golden: &Value, arithmetic: Arithmetic, check: impl FnOnce(&mut Inspector<'_>)) {
    let Some(path) = model_of(golden) else { return };
    let settings = LoadSettings { arithmetic, ..LoadSettings::default() };
    let loaded = load_model(&path, settings, &mut |_, _| ()).expect("a model that loads");
    let mut engine = engine(&loaded, arithmetic);
    let progress = &mut |_| ControlFlow::Continue(());
    let mut ask = AskEngine { engine: &mut engine, progress };
    check(&mut Inspector {
        model: Arc::clone(&loaded.model),
        tokenizer: &loaded.tokenizer,
        ask: &mut ask,
        n_bytes_max: N_BYTES_MAX,
    });
}

fn ids(value: &Value) -> Vec<u32> {
    floats(value).iter().map(|&id| id as u32).collect()
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("numbers").iter().map(|x| x.as_f64().expect("a number")).collect()
}

fn index(value: &Value) -> usize {
    value.as_u64().expect("an index") as usize
}

fn all_rows(inspector: &mut Inspector<'_>, ids: &[u32]) -> Vec<Row> {
    let selection = Selection::all(&inspector.model.config);
    let plan = RowPlan { selection, rows: 0..ids.len() as u32, n_top: usize::MAX };
    inspector.rows(ids, plan).expect("rows")
}

/// The row of a head, from rows in the order of the text, then of layers, then of heads.
fn row_of<'a>(rows: &'a [Row], inspector: &Inspector<'_>, golden: &Value) -> &'a Row {
    let config = &inspector.model.config;
    let [layer, head, query] = ["layer", "head", "query"].map(|key| index(&golden[key]));
    let row = &rows[(query * config.n_layers + layer) * config.n_heads + head];
    assert_eq!((row.layer_idx, row.head_idx, row.query_pos), (layer, head, query as u32));
    row
}

/// The distances found, row by row.
#[derive(Default)]
struct Distances {
    variation: Vec<f64>,
    entropy: Vec<f64>,
}

impl Distances {
    fn take(&mut self, row: &Row, expected: &[(u32, f64)], rest: f64, entropy: f64) {
        let found = |pos: u32| {
            let key = row.keys.iter().find(|key| key.0 == pos);
            key.map_or(0.0, |&(_, weight)| f64::from(weight))
        };
        let listed: f64 = expected.iter().map(|&(pos, w)| (found(pos) - w).abs()).sum();
        let of_listed: f64 = expected.iter().map(|&(pos, _)| found(pos)).sum();
        let all: f64 = row.keys.iter().map(|&(_, weight)| f64::from(weight)).sum();
        let variation = (listed + (all - of_listed - rest).abs()) / 2.0;
        self.variation.push(variation);
        self.entropy.push((f64::from(row.entropy) - entropy).abs());
    }

    fn check(&self, bounds: Bounds, what: &str) {
        for (distances, bound) in
            [(&self.variation, bounds.variation), (&self.entropy, bounds.entropy)]
        {
            let mean = distances.iter().sum::<f64>() / distances.len() as f64;
            let worst = distances.iter().copied().fold(0.0, f64::max);
            eprintln!("{what}: mean {mean:.2e}, worst {worst:.2e}");
            let counted = match bounds.of {
                Of::EachRow => worst,
                Of::TheMean => mean,
            };
            assert!(counted <= bound, "{what}: {counted}, expected {bound} at most");
        }
    }
}

/// Rows of all layers of one text, whole.
fn check_rows(name: &str, arithmetic: Arithmetic, bounds: Bounds) {
    let golden = golden(&format!("attention/{name}"));
    with_model(&golden, arithmetic, |inspector| {
        let ids = ids(&golden["token_ids"]);
        let text = golden["text"].as_str().expect("a text");
        assert_eq!(inspector.tokenizer.encode_prompt(text, SpecialText::AsText), ids);
        let rows = all_rows(inspector, &ids);
        for row in &rows {
            let sum: f64 = row.keys.iter().map(|&(_, weight)| f64::from(weight)).sum();
            let sum = sum + f64::from(row.virtual_sink);
            assert!((sum - 1.0).abs() <= SUM, "{sum}");
        }
        let mut distances = Distances::default();
        for expected in golden["rows"].as_array().expect("rows") {
            let weights = (0..).zip(floats(&expected["weights"])).collect::<Vec<_>>();
            let entropy = expected["entropy_nats"].as_f64().expect("nats");
            distances.take(row_of(&rows, inspector, expected), &weights, 0.0, entropy);
        }
        distances.check(bounds, &format!("{name} {arithmetic:?}"));
        check_blocks(inspector, &ids, &rows);
    });
}

/// The heaviest keys of some rows of other texts.
fn check_heaviest(name: &str, arithmetic: Arithmetic, bounds: Bounds) {
    let golden = golden(name);
    with_model(&golden, arithmetic, |inspector| {
        let mut distances = Distances::default();
        for case in golden["cases"].as_array().expect("cases") {
            let ids = ids(&case["token_ids"]);
            if ids.len() > 256 {
                // Rows of a long text are whole ones elsewhere; all of them would take gigabytes.
                continue;
            }
            let rows = all_rows(inspector, &ids);
            for expected in case["attention_rows"].as_array().expect("rows") {
                let keys = floats(&expected["keys"]).into_iter().map(|key| key as u32);
                let keys: Vec<_> = keys.zip(floats(&expected["weights"])).collect();
                let rest = 1.0 - keys.iter().map(|key| key.1).sum::<f64>();
                let entropy = expected["entropy_nats"].as_f64().expect("nats");
                distances.take(row_of(&rows, inspector, expected), &keys, rest, entropy);
            }
        }
        distances.check(bounds, &format!("{name} {arithmetic:?}, heaviest keys"));
    });
}

/// Blocks, as online softmax found them on the way, are sums of rows that were found later.
fn check_blocks(inspector: &mut Inspector<'_>, ids: &[u32], rows: &[Row]) {
    const BLOCK: usize = 64;
    let selection = Selection::all(&inspector.model.config);
    let plan = StatisticsPlan { selection, n_tokens: ids.len() };
    let statistics = Statistics::new(plan, N_BYTES_MAX).expect("room");
    let found = inspector.watch(ids, statistics).expect("statistics");
    assert_eq!(found.bin_len(), BLOCK);
    let config = &inspector.model.config;
    for (layer, head) in
        (0..config.n_layers).flat_map(|layer| (0..config.n_heads).map(move |head| (layer, head)))
    {
        for bin in 0..found.n_bins() {
            let queries = bin * BLOCK..ids.len().min((bin + 1) * BLOCK);
            let mut expected = vec![0.0; bin + 1];
            let mut entropy = 0.0;
            for query in queries.clone() {
                let row = &rows[(query * config.n_layers + layer) * config.n_heads + head];
                entropy += f64::from(row.entropy) / queries.len() as f64;
                for &(pos, weight) in &row.keys {
                    expected[pos as usize / BLOCK] += f64::from(weight) / queries.len() as f64;
                }
            }
            for (found, expected) in found.block_row((layer, head), bin).iter().zip(expected) {
                assert!((f64::from(*found) - expected).abs() <= SUM, "{found}, {expected}");
            }
            let mean = found.mean((layer, head), bin).expect("rows of each bin");
            assert!((f64::from(mean.entropy) - entropy).abs() <= EXACT.entropy);
        }
    }
}

/// What the last row's logits are made of.
fn sources(inspector: &mut Inspector<'_>, ids: &[u32], target: Target) -> Sources {
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        parts: (0..ids.len() as u32).map(Some).collect(),
        n_parts: ids.len(),
        rows: vec![SourceRow { query_pos: ids.len() as u32 - 1, unit: 0, target: Some(target) }],
        n_units: 1,
        head_weights: None,
        lenses: vec![Lens::Weight, Lens::ValueNorm, Lens::Logit],
    };
    inspector.sources(ids, plan).expect("sources")
}

fn check_close(what: &str, found: f64, expected: f64, bound: f64) {
    assert!((found - expected).abs() <= bound, "{what}: {found}, expected {expected}");
}

fn check_terms(name: &str) {
    let golden = golden(&format!("attention/{name}"));
    with_model(&golden, Arithmetic::Exact, |inspector| {
        let (ids, expected) = (ids(&golden["token_ids"]), &golden["attribution"]);
        let [token_id, contrast_id] =
            ["target", "contrast"].map(|key| index(&expected[key]) as u32);
        let found = sources(inspector, &ids, Target { token_id, contrast_id });
        let (heads, found) = (found.head_logits().to_vec(), found.found().remove(0));
        let terms = &found.terms;
        let difference = expected["logit_difference"].as_f64().expect("a number");
        let parts = ["attention_term", "mlp_term"].map(|key| floats(&expected[key]));
        let largest = parts.iter().flatten().fold(difference.abs(), |max, x| max.max(x.abs()));
        check_close("difference", terms.difference, difference, TERMS * largest);
        check_close("sum of terms", terms.sum(), terms.difference, TERMS * difference.abs());
        let embedding = expected["embedding_term"].as_f64().expect("a number");
        check_close("embedding", terms.embedding, embedding, TERMS * largest);
        for (found, expected) in [&terms.attention, &terms.feed_forward].into_iter().zip(&parts) {
            for (found, expected) in found.iter().zip(expected) {
                check_close("term of a layer", *found, *expected, TERMS * largest);
            }
        }
        let of_heads = expected["head_term"].as_array().expect("layers");
        for (layer_idx, layer) in of_heads.iter().enumerate() {
            for (head_idx, expected) in floats(layer).into_iter().enumerate() {
                let found = heads[layer_idx * floats(layer).len() + head_idx];
                check_close("term of a head", found, expected, TERMS * largest);
            }
        }
        let of_keys: f64 = found.logits.iter().sum::<f64>() + found.first_logits;
        let attention: f64 = terms.attention.iter().sum();
        check_close("sum over keys", of_keys + found.other_logits, attention, TERMS * largest);
    });
}

fn check_knock_out(name: &str) {
    let golden = golden(&format!("attention/{name}"));
    with_model(&golden, Arithmetic::Exact, |inspector| {
        let (ids, expected) = (ids(&golden["token_ids"]), &golden["knockout"]);
        let keys = floats(&expected["keys"]);
        let from = index(&expected["from_query"]) as u32;
        let hidden = Hidden { keys: keys[0] as u32..keys[1] as u32, from };
        let first = ids.len() - floats(&expected["log_probs"]).len();
        let sum = |key: &str| floats(&expected[key]).iter().sum::<f64>();
        let seen = inspector.score(&ids, first).expect("a score");
        for (token, expected) in seen.prompt.iter().zip(floats(&expected["log_probs"])) {
            check_close("ln p", f64::from(token.logprob), expected, LOGPROB);
        }
        let found = inspector.score_without(&ids, first, [hidden]).expect("a score")[0];
        check_close("ln p without", found, sum("log_probs_hidden"), 8.0 * LOGPROB);
        assert!(seen.logprob() - found > 1.0, "the keys mattered");
    });
}

#[test]
fn rows_are_those_of_the_reference() {
    for name in ["smollm2", "qwen2", "gemma3"] {
        check_rows(name, Arithmetic::Exact, EXACT);
        check_heaviest(name, Arithmetic::Exact, EXACT);
    }
}

#[test]
fn rows_of_the_default_path_are_close_to_the_reference() {
    for name in ["smollm2", "qwen2", "gemma3"] {
        check_rows(name, Arithmetic::Int8, DEFAULT);
    }
}

#[test]
fn logits_are_sums_of_terms() {
    for name in ["smollm2", "qwen2", "gemma3"] {
        check_terms(name);
    }
}

#[test]
fn knocked_out_keys_cost_what_the_reference_says() {
    for name in ["smollm2", "qwen2", "gemma3"] {
        check_knock_out(name);
    }
}
