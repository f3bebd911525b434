//! `lookback show`: what a model is, from its file.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use engine::{LoadSettings, load_model};
use serde::Serialize;

use crate::args::ShowArgs;
use crate::interrupt::Interrupt;
use crate::machine::human_bytes;
use crate::open::{self, Show};
use crate::output;

#[derive(Serialize)]
struct ShowJson<'a> {
    path: String,
    architecture: &'a str,
    file_bytes: u64,
    parameters: u64,
    n_layers: usize,
    d_model: usize,
    d_ff: usize,
    n_heads: usize,
    n_kv_heads: usize,
    head_dim: usize,
    n_vocab: usize,
    n_ctx: usize,
    /// Sliding window of some layers; `null` when every layer sees everything.
    window: Option<u32>,
    n_sliding_layers: usize,
    tied_output: bool,
    chat_template: bool,
    /// Bytes of weights by type.
    types: BTreeMap<&'static str, u64>,
    /// Bytes of the cache for one token, f16.
    kv_bytes_per_token: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tensors: Vec<TensorJson>,
}

#[derive(Serialize)]
struct TensorJson {
    name: String,
    r#type: &'static str,
    shape: [usize; 2],
    bytes: usize,
}

pub(crate) fn show(args: &ShowArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let path = open::resolve_or_pull(&args.model, show, &interrupt)?;
    let loaded = load_model(&path, LoadSettings::default(), &mut |_, _| ())?;
    let json = describe(&path, &loaded, args.tensors);
    if args.output.json {
        output::json(&json)?;
        return Ok(ExitCode::SUCCESS);
    }
    print_human(&json)?;
    Ok(ExitCode::SUCCESS)
}

fn describe<'a>(
    path: &std::path::Path,
    loaded: &'a engine::Loaded,
    with_tensors: bool,
) -> ShowJson<'a> {
    let (model, c) = (&loaded.model, &loaded.model.config);
    let mut types = BTreeMap::new();
    let (mut tensors, mut parameters) = (Vec::new(), 0);
    for matrix in model.matrices() {
        parameters += (matrix.n_out * matrix.n_in) as u64;
        *types.entry(matrix.dtype.name()).or_insert(0) += matrix.n_bytes() as u64;
        tensors.push(TensorJson {
            name: matrix.name.clone(),
            r#type: matrix.dtype.name(),
            shape: [matrix.n_out, matrix.n_in],
            bytes: matrix.n_bytes(),
        });
    }
    if !with_tensors {
        tensors.clear();
    }
    let n_sliding_layers =
        c.layer_kinds.iter().filter(|&&kind| kind == model::spec::LayerKind::Sliding).count();
    let f16 = model::KvType::F16;
    ShowJson {
        path: path.display().to_string(),
        architecture: model.spec.name,
        file_bytes: model.n_bytes,
        parameters,
        n_layers: c.n_layers,
        d_model: c.d_model,
        d_ff: c.d_ff,
        n_heads: c.n_heads,
        n_kv_heads: c.n_kv_heads,
        head_dim: c.head_dim,
        n_vocab: c.n_vocab,
        n_ctx: c.n_ctx,
        window: (n_sliding_layers > 0).then_some(c.window),
        n_sliding_layers,
        tied_output: model.output.is_none(),
        chat_template: loaded.template.is_some(),
        types,
        kv_bytes_per_token: model::kv::KvShape::of(c, f16, f16).position_bytes(),
        tensors,
    }
}

fn print_human(json: &ShowJson<'_>) -> Result<()> {
    let row = |name: &str, value: String| output::line(format_args!("{name:<14}{value}"));
    row("file", format!("{} ({})", json.path, human_bytes(json.file_bytes)))?;
    row("architecture", json.architecture.to_string())?;
    row("parameters", format!("{:.1} million", json.parameters as f64 / 1e6))?;
    row(
        "layers",
        format!("{}, width {}, feed-forward {}", json.n_layers, json.d_model, json.d_ff),
    )?;
    let heads =
        format!("{} query, {} key-value, width {}", json.n_heads, json.n_kv_heads, json.head_dim);
    row("heads", heads)?;
    if let Some(window) = json.window {
        row("window", format!("{window} tokens in {} layers", json.n_sliding_layers))?;
    }
    row("context", format!("{} tokens", json.n_ctx))?;
    row("cache", format!("{} a token (f16)", human_bytes(json.kv_bytes_per_token as u64)))?;
    let tied = if json.tied_output { ", output tied to the embedding" } else { "" };
    row("vocabulary", format!("{}{tied}", json.n_vocab))?;
    row("template", if json.chat_template { "yes" } else { "none: runs raw" }.to_string())?;
    let types: Vec<_> =
        json.types.iter().map(|(name, bytes)| format!("{name} {}", human_bytes(*bytes))).collect();
    row("weights", types.join(", "))?;
    for tensor in &json.tensors {
        let [n_out, n_in] = tensor.shape;
        let (name, kind) = (&tensor.name, tensor.r#type);
        output::line(format_args!("{name:<28} {kind:<7} {n_out} x {n_in}"))?;
    }
    Ok(())
}
