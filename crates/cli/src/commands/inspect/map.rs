//! `lookback inspect map`: how attention behaves over a whole text.

use std::time::Instant;

use anyhow::Result;
use engine::SpecialText;
use inspect::capture::{MeanStats, Statistics, StatisticsPlan};
use serde::Serialize;

use super::files::Pictures;
use super::map_pictures;
use super::rows::selection;
use super::session::Session;
use crate::inspect_args::{MapArgs, MapShowArg};
use crate::{open, output};

#[derive(Serialize)]
struct MapJson<'a> {
    model: &'a str,
    n_tokens: usize,
    /// Positions of a bin.
    bin_len: usize,
    seconds: f64,
    heads: Vec<HeadJson>,
}

#[derive(Serialize)]
struct HeadJson {
    layer: usize,
    head: usize,
    /// By bin of queries.
    bins: Vec<Option<MeanStats>>,
    /// By bin of queries: what the bins of keys up to it weigh.
    blocks: Vec<Vec<f32>>,
}

pub(super) fn map(args: &MapArgs) -> Result<()> {
    let text = open::read_text(args.text.text.as_deref(), args.text.file.as_deref(), "text")?;
    let pictures = Pictures::at(&args.pictures)?;
    let session = Session::open(&args.session)?;
    let ids = session.loaded.tokenizer.encode_prompt(&text, SpecialText::AsText);
    let selection = selection(&session, &args.chosen)?;
    let mut engine = session.engine(ids.len(), 0)?;
    let start = Instant::now();
    let found = session.inspect(&mut engine, |inspector| {
        let plan = StatisticsPlan { selection, n_tokens: ids.len() };
        let statistics = Statistics::new(plan, inspector.n_bytes_max)?;
        Ok(inspector.watch(&ids, statistics)?)
    })?;
    let seconds = start.elapsed().as_secs_f64();
    pictures.write(|| match args.show {
        MapShowArg::Blocks => map_pictures::blocks(session.name(), &found),
        MapShowArg::Layers => Ok(map_pictures::layers(session.name(), &found)),
    })?;
    if session.is_json() {
        let heads = heads(&found).collect();
        let (model, n_tokens, bin_len) = (session.name(), ids.len(), found.bin_len());
        return output::json(&MapJson { model, n_tokens, bin_len, seconds, heads });
    }
    output::line(format_args!("{} tokens, read in {seconds:.2} s\n", ids.len()))?;
    output::line(
        "layer  entropy   first token  last 64 keys  distance  (mean over heads and rows)",
    )?;
    for (layer, &layer_idx) in found.selection().layers().iter().enumerate() {
        let MeanStats { entropy, first, local, distance, .. } = mean_of_layer(&found, layer);
        output::line(format_args!(
            "{layer_idx:>5}  {entropy:>7.2}  {:>11.1}%  {:>11.1}%  {distance:>8.0}",
            100.0 * first,
            100.0 * local
        ))?;
    }
    Ok(())
}

fn heads(found: &Statistics) -> impl Iterator<Item = HeadJson> {
    let layers = found.selection().layers().iter().enumerate();
    layers.flat_map(move |(layer, &layer_idx)| {
        found.selection().heads().iter().enumerate().map(move |(head, &head_idx)| HeadJson {
            layer: layer_idx,
            head: head_idx,
            bins: (0..found.n_bins()).map(|bin| found.mean((layer, head), bin)).collect(),
            blocks: (0..found.n_bins()).map(|bin| found.block_row((layer, head), bin)).collect(),
        })
    })
}

pub(super) fn mean_of_layer(found: &Statistics, layer: usize) -> MeanStats {
    let heads = 0..found.selection().heads().len();
    let bins = heads.flat_map(|head| (0..found.n_bins()).map(move |bin| (head, bin)));
    let all: Vec<MeanStats> =
        bins.filter_map(|(head, bin)| found.mean((layer, head), bin)).collect();
    let mean = |of: &dyn Fn(&MeanStats) -> f32| all.iter().map(of).sum::<f32>() / all.len() as f32;
    MeanStats {
        entropy: mean(&|stats| stats.entropy),
        first: mean(&|stats| stats.first),
        local: mean(&|stats| stats.local),
        distance: mean(&|stats| stats.distance),
    }
}
