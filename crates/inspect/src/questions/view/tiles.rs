//! What tokens of the text were worth to a part of the answer, a block of them at a time.

use std::ops::Range;

use model::ModelConfig;
use model::batch::KeysOf;
use serde::Serialize;

use super::{View, rows_of};
use crate::capture::{All, Found, Lens, RowStatistics, SourceRow, Sources, SourcesPlan};
use crate::inspector::{InspectError, Inspector};
use crate::questions::look::targets;

/// Most values of one reply.
pub const N_VALUES_MAX: usize = 65_536;

/// Which part of the answer, and which keys.
#[derive(Clone, Debug)]
pub struct TilesAsked {
    /// Of the answer, counted from its first.
    pub tokens: Range<usize>,
    pub lens: Lens,
    /// Of the text; all before the part of the answer, where they are not given.
    pub keys: Option<Range<usize>>,
    /// Keys that are added up.
    pub block: usize,
    /// Layers and heads whose weights are shown too.
    pub heads: Vec<(usize, usize)>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Tiles {
    pub by: Lens,
    pub block: usize,
    pub keys: [usize; 2],
    pub n_rows: usize,
    /// The weight of the first key, which is in no block, and of learned sinks.
    pub sink: f64,
    pub virtual_sink: f64,
    /// Of each block: in the mean over rows and heads ([`Lens::Weight`]), the share of all
    /// ([`Lens::ValueNorm`]), or the sum over rows and heads ([`Lens::Logit`]).
    pub values: Vec<f64>,
    pub heads: Vec<HeadTiles>,
}

/// The weights of one head, in the mean over rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct HeadTiles {
    pub layer: usize,
    pub head: usize,
    pub sink: f64,
    pub values: Vec<f64>,
}

/// # Errors
/// Tokens, heads and keys that do not exist, more values than one reply holds, and what becomes of
/// requests.
pub fn tiles(
    inspector: &mut Inspector<'_>,
    view: &View,
    asked: &TilesAsked,
) -> Result<Tiles, InspectError> {
    let tokens = view.answer(&asked.tokens)?;
    let keys = asked.keys.clone().unwrap_or(0..tokens.start);
    check(inspector, view, asked, &keys)?;
    let targets = match asked.lens {
        Lens::Logit => {
            let ids = view.until(inspector, tokens.end);
            targets(&inspector.score(ids, tokens.start)?)
        }
        _ => Vec::new(),
    };
    let target = |token: usize| targets.get(token - tokens.start).copied();
    let rows = rows_of(tokens.clone(), |_| 0, target);
    let mut sums = Sums::new(&inspector.model.config, asked, &keys);
    let mut rest = &rows[..];
    while !rest.is_empty() {
        let n = sums.n_rows_that_fit(inspector, rest);
        let (now, later) = rest.split_at(n);
        sums.add(inspector, view, now)?;
        rest = later;
    }
    Ok(sums.tiles(asked, &keys))
}

fn check(
    inspector: &Inspector<'_>,
    view: &View,
    asked: &TilesAsked,
    keys: &Range<usize>,
) -> Result<(), InspectError> {
    let config = &inspector.model.config;
    let unfit = |what: String, expected| Err(InspectError::Unfit { what, expected });
    if keys.is_empty() || keys.end > view.ids.len() {
        let n = view.ids.len();
        let what = format!("keys {} to {} of a text of {n} tokens", keys.start, keys.end);
        return unfit(what, "some that it has");
    }
    for &(layer, head) in &asked.heads {
        if layer >= config.n_layers || head >= config.n_heads {
            let (n_layers, n_heads) = (config.n_layers, config.n_heads);
            let what = format!("head {head} of layer {layer}");
            let what = format!("{what} in a model of {n_layers} layers of {n_heads} heads");
            return unfit(what, "one that it has, counted from 0");
        }
    }
    if asked.block == 0 {
        return unfit("block 0".to_owned(), "at least 1 token a block");
    }
    let n_values = keys.len().div_ceil(asked.block) * (1 + asked.heads.len());
    if n_values > N_VALUES_MAX {
        let what = format!("{n_values} values, the limit is {N_VALUES_MAX}");
        return unfit(what, "larger blocks, fewer keys or fewer heads");
    }
    Ok(())
}

/// What was found of the rows so far: many rows take more room than one pass may.
struct Sums {
    parts: Vec<Option<u32>>,
    n_parts: usize,
    lens: Lens,
    n_rows: usize,
    first: f64,
    virtual_sink: f64,
    values: Vec<f64>,
    norm_sum: f64,
    heads: Vec<OfHead>,
}

struct OfHead {
    /// In `[n_layers * n_heads]`.
    place: usize,
    sink: f64,
    /// `[n_parts]`
    weights: Vec<f64>,
}

impl Sums {
    fn new(config: &ModelConfig, asked: &TilesAsked, keys: &Range<usize>) -> Self {
        let n_parts = keys.len().div_ceil(asked.block);
        let block = |key: usize| ((key - keys.start) / asked.block) as u32;
        let part = |key: usize| (key > 0 && keys.contains(&key)).then(|| block(key));
        let head = |&(layer, head): &(usize, usize)| {
            let place = layer * config.n_heads + head;
            OfHead { place, sink: 0.0, weights: vec![0.0; n_parts] }
        };
        Self {
            parts: (0..keys.end).map(part).collect(),
            n_parts,
            lens: asked.lens,
            n_rows: 0,
            first: 0.0,
            virtual_sink: 0.0,
            values: vec![0.0; n_parts],
            norm_sum: 0.0,
            heads: asked.heads.iter().map(head).collect(),
        }
    }

    fn plan(&self, rows: &[SourceRow]) -> SourcesPlan {
        SourcesPlan {
            keys_of: KeysOf::Own,
            parts: self.parts.clone(),
            n_parts: self.n_parts,
            rows: rows.to_vec(),
            n_units: 1,
            head_weights: None,
            lenses: vec![self.lens],
        }
    }

    /// At least one: whether that fits is seen when it is tried.
    fn n_rows_that_fit(&self, inspector: &Inspector<'_>, rows: &[SourceRow]) -> usize {
        let (model, half) = (&inspector.model, inspector.n_bytes_max / 2);
        let one = self.plan(&rows[..1]).n_bytes(model);
        let of_row = self.plan(&rows[..2.min(rows.len())]).n_bytes(model) - one;
        match of_row {
            0 => rows.len(),
            _ => (1 + half.saturating_sub(one) / of_row).min(rows.len()),
        }
    }

    fn add(
        &mut self,
        inspector: &mut Inspector<'_>,
        view: &View,
        rows: &[SourceRow],
    ) -> Result<(), InspectError> {
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(()) };
        let positions = first.query_pos..last.query_pos + 1;
        let (model, limit) = (inspector.model.clone(), inspector.n_bytes_max);
        let sources = Sources::new(model, self.plan(rows), limit)?;
        let statistics = RowStatistics::new(&inspector.model.config, positions.clone(), limit)?;
        let ids = view.until(inspector, positions.end as usize);
        let All(sources, statistics) = inspector.watch(ids, All(sources, statistics))?;
        let found = sources.found();
        let Some(Found { n_rows, first, virtual_sink, norm_sum, .. }) = found.first().cloned()
        else {
            return Ok(());
        };
        let n = n_rows as f64;
        self.n_rows += n_rows;
        self.first += first * n;
        self.virtual_sink += virtual_sink * n;
        self.norm_sum += norm_sum;
        let (values, scale) = match self.lens {
            Lens::Weight => (&found[0].weights, n),
            Lens::ValueNorm => (&found[0].value_norms, norm_sum),
            Lens::Logit => (&found[0].logits, 1.0),
        };
        add(&mut self.values, values.iter().map(|value| value * scale));
        let (by_head, means) = (sources.by_head(), statistics.means());
        for OfHead { place, sink, weights } in &mut self.heads {
            let found = &by_head[*place * self.n_parts..][..self.n_parts];
            add(weights, found.iter().map(|&weight| f64::from(weight) * n));
            *sink += means[*place].first * n;
        }
        Ok(())
    }

    fn tiles(self, asked: &TilesAsked, keys: &Range<usize>) -> Tiles {
        let n = (self.n_rows as f64).max(1.0);
        let scale = match self.lens {
            Lens::Weight => n,
            Lens::ValueNorm => self.norm_sum.max(f64::MIN_POSITIVE),
            Lens::Logit => 1.0,
        };
        let head = |(&(layer, head), found): (&(usize, usize), OfHead)| {
            let values = found.weights.into_iter().map(|weight| weight / n).collect();
            HeadTiles { layer, head, sink: found.sink / n, values }
        };
        Tiles {
            by: self.lens,
            block: asked.block,
            keys: [keys.start, keys.end],
            n_rows: self.n_rows,
            sink: self.first / n,
            virtual_sink: self.virtual_sink / n,
            values: self.values.into_iter().map(|value| value / scale).collect(),
            heads: asked.heads.iter().zip(self.heads).map(head).collect(),
        }
    }
}

fn add(sums: &mut [f64], values: impl Iterator<Item = f64>) {
    sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
}
