//! `lookback show`: what a model is, from its file.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use engine::{LoadSettings, load_file};
use format::{Mapping, TensorInfo};
use model::Pages;
use model::load::ModelFile;
use model::weights::OutputMatrix;
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
    /// Of the half that reads the prompt, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    n_encoder_layers: Option<usize>,
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
    /// What of the file is not for texts, and so not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    skipped: Option<SkippedJson>,
    /// Bytes of weights by type.
    types: BTreeMap<&'static str, u64>,
    /// Bytes of the cache for one token, f16; 0 where nothing stays cached.
    kv_bytes_per_token: usize,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tensors: Vec<TensorJson>,
}

#[derive(Serialize)]
struct SkippedJson {
    r#for: &'static str,
    tensors: usize,
    bytes: u64,
}

#[derive(Serialize)]
struct TensorJson {
    name: String,
    r#type: &'static str,
    shape: Vec<usize>,
    bytes: usize,
}

pub(crate) fn show(args: &ShowArgs) -> Result<ExitCode> {
    let interrupt = Interrupt::install()?;
    let show = if args.output.json { Show::Nothing } else { Show::Progress };
    let path = open::resolve_or_pull(&args.model, show, &interrupt)?;
    let file = ModelFile::open(&path, Mapping::Mmap)?;
    let settings = LoadSettings { pages: Pages::Leave, ..LoadSettings::default() };
    let loaded = load_file(&file, settings, &mut |_, _| ())?;
    let mut json = describe(&path, &loaded, tensors(&file));
    if !args.tensors {
        json.tensors.clear();
    }
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
    tensors: Vec<TensorJson>,
) -> ShowJson<'a> {
    let (model, c) = (&loaded.model, &loaded.model.config);
    let (mut types, mut parameters) = (BTreeMap::new(), 0);
    for tensor in &tensors {
        parameters += tensor.shape.iter().product::<usize>() as u64;
        *types.entry(tensor.r#type).or_insert(0) += tensor.bytes as u64;
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
        n_encoder_layers: model.encoder.as_ref().map(|encoder| encoder.config.n_layers),
        d_model: c.d_model,
        d_ff: c.d_ff,
        n_heads: c.n_heads,
        n_kv_heads: c.n_kv_heads,
        head_dim: c.head_dim,
        n_vocab: c.n_vocab,
        n_ctx: c.n_ctx,
        window: (n_sliding_layers > 0).then_some(c.window),
        n_sliding_layers,
        tied_output: matches!(model.output, OutputMatrix::Tied),
        chat_template: loaded.template.is_some(),
        skipped: model.skipped.what().map(|what| SkippedJson {
            r#for: what,
            tensors: model.skipped.n_tensors(),
            bytes: model.skipped.n_bytes,
        }),
        types,
        kv_bytes_per_token: match model.continues_text() {
            true => model::kv::KvShape::of(c, f16, f16).position_bytes(),
            // What is computed of a text is forgotten with its vector.
            false => 0,
        },
        tensors,
    }
}

/// Every tensor, in the order of the file.
fn tensors(file: &ModelFile) -> Vec<TensorJson> {
    let infos: Vec<&TensorInfo> = match file {
        ModelFile::Gguf(file) => file.tensors().collect(),
        ModelFile::HuggingFace { folder, .. } => folder.tensors().collect(),
    };
    let json = |info: &TensorInfo| {
        let n_values = info.shape.iter().product();
        let bytes = info.dtype.row_bytes(n_values).expect("the reader checked whole blocks");
        let (name, shape) = (info.name.clone(), info.shape.clone());
        TensorJson { name, r#type: info.dtype.name(), shape, bytes }
    };
    infos.into_iter().map(json).collect()
}

fn print_human(json: &ShowJson<'_>) -> Result<()> {
    let row = |name: &str, value: String| output::line(format_args!("{name:<14}{value}"));
    row("file", format!("{} ({})", json.path, human_bytes(json.file_bytes)))?;
    row("architecture", json.architecture.to_string())?;
    row("parameters", format!("{:.1} million", json.parameters as f64 / 1e6))?;
    let encoder = json.n_encoder_layers.map(|n| format!("{n} of the encoder, "));
    let (encoder, n_layers) = (encoder.unwrap_or_default(), json.n_layers);
    let widths = format!("width {}, feed-forward {}", json.d_model, json.d_ff);
    row("layers", format!("{encoder}{n_layers}, {widths}"))?;
    let heads =
        format!("{} query, {} key-value, width {}", json.n_heads, json.n_kv_heads, json.head_dim);
    row("heads", heads)?;
    if let Some(window) = json.window {
        row("window", format!("{window} tokens in {} layers", json.n_sliding_layers))?;
    }
    row("context", format!("{} tokens", json.n_ctx))?;
    let cache = match json.kv_bytes_per_token {
        0 => "none: it reads whole texts, for `lookback embed`".into(),
        n => format!("{} a token (f16)", human_bytes(n as u64)),
    };
    row("cache", cache)?;
    let tied = if json.tied_output { ", output tied to the embedding" } else { "" };
    row("vocabulary", format!("{}{tied}", json.n_vocab))?;
    row("template", if json.chat_template { "yes" } else { "none: runs raw" }.to_string())?;
    let types: Vec<_> =
        json.types.iter().map(|(name, bytes)| format!("{name} {}", human_bytes(*bytes))).collect();
    row("weights", types.join(", "))?;
    if let Some(SkippedJson { r#for, tensors, bytes }) = &json.skipped {
        row("not for texts", format!("{tensors} for {}, {}", r#for, human_bytes(*bytes)))?;
    }
    for tensor in &json.tensors {
        let (name, kind) = (&tensor.name, tensor.r#type);
        let shape: Vec<_> = tensor.shape.iter().map(usize::to_string).collect();
        output::line(format_args!("{name:<32} {kind:<7} {}", shape.join(" x ")))?;
    }
    Ok(())
}
