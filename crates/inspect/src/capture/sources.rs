//! What the parts of a text were worth to some of its rows, by several lenses at once.

use std::sync::Arc;

use engine::Watcher;
use kernels::KEY_BLOCK;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowWeights};
use model::shape::Rows;
use model::{Model, Site};
use serde::Serialize;

use super::logits::{LogitTerms, NoLogitTerms, Readout, Target, output_matrix};
use super::value_norms::{ValueNorms, dot};
use super::{PlanTooLarge, check_size};

/// How a key's part in a row is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lens {
    /// The softmax weight, in the mean over heads: where rows read, whatever is there.
    Weight,
    /// The weight times the length of the vector that the value adds to the residual, summed over
    /// heads.
    ValueNorm,
    /// What the value adds to the logit of the token that was written, less that of the contrast,
    /// on the direct way to the output: signed, in logits.
    Logit,
}

impl Lens {
    /// Those that apply to a model.
    pub fn all_of(model: &Model) -> Vec<Self> {
        let logit = output_matrix(model).ok().map(|_| Self::Logit);
        [Self::Weight, Self::ValueNorm].into_iter().chain(logit).collect()
    }

    /// Of those the one whose first source is most often what an answer loses most without:
    /// `inspect trial look` measures it.
    pub fn default_of(model: &Model) -> Self {
        if output_matrix(model).is_ok() { Self::Logit } else { Self::ValueNorm }
    }
}

/// Which rows, and which parts of the text.
#[derive(Clone, Debug)]
pub struct SourcesPlan {
    /// The text's own keys, or those of the text that an encoder has read.
    pub keys_of: KeysOf,
    /// `[n_keys]`: the part that each key belongs to; keys behind the last belong to none.
    pub parts: Vec<Option<u32>>,
    pub n_parts: usize,
    /// Ascending by position.
    pub rows: Vec<SourceRow>,
    /// Rows of one unit are summed: a word, a sentence, an answer.
    pub n_units: usize,
    /// `[n_layers, n_heads]`: what each head counts in sums over heads; `None`: all alike.
    pub head_weights: Option<Vec<f32>>,
    /// Whether values are weighed too.
    pub lenses: Vec<Lens>,
}

/// A row whose sources are wanted.
#[derive(Clone, Copy, Debug)]
pub struct SourceRow {
    pub query_pos: u32,
    pub unit: usize,
    /// For [`Lens::Logit`]: what it wrote, and what against.
    pub target: Option<Target>,
}

/// What the parts were worth to the rows of one unit.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Found {
    pub n_rows: usize,
    /// The text's first key apart, which takes what is needed nowhere; and learned sinks, which
    /// stand for no token. Both in the mean over rows and heads.
    pub first: f64,
    pub virtual_sink: f64,
    /// `[n_parts]`, in the mean over rows and heads; what is left to one is that of keys in no
    /// part.
    pub weights: Vec<f64>,
    /// `[n_parts]`, as shares of the sum over all keys.
    pub value_norms: Vec<f64>,
    /// That sum, over rows and heads.
    pub norm_sum: f64,
    /// `[n_parts]`, summed over rows.
    pub logits: Vec<f64>,
    /// The same of keys in no part, and of the first key.
    pub other_logits: f64,
    pub first_logits: f64,
    /// Summed over rows.
    pub terms: LogitTerms,
}

/// Adds up what parts are worth while rows are computed.
pub struct Sources {
    model: Arc<Model>,
    plan: SourcesPlan,
    norms: ValueNorms,
    /// `[n_rows]`
    rows: Vec<RowState>,
    /// `[n_layers]` of `[n_rows]` of `[n_heads, value_dim]`
    directions: Vec<Vec<Vec<f32>>>,
    units: Vec<Found>,
    /// `[n_units]`: lengths of all keys' vectors
    norm_sums: Vec<f64>,
    /// `[n_layers, n_heads, n_parts]`, summed over all rows
    by_head: Vec<f32>,
    /// `[n_layers, n_heads]`: what each head added to the logits, summed over all rows
    head_logits: Vec<f64>,
}

/// Sums of one row that are scaled when the layer, and when the last layer, is done.
struct RowState {
    readout: Option<Readout>,
    /// `[n_parts + 2]`: parts, keys of none, the first key
    layer: Vec<f64>,
    all: Vec<f64>,
    /// `[n_heads]`, and `[n_layers, n_heads]`
    layer_heads: Vec<f64>,
    heads: Vec<f64>,
}

/// Of a block's keys: less of a row's weight than this is left out of what values are weighed for.
const NEGLIGIBLE: f32 = 1e-7;

#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum SourcesError {
    #[error(transparent)]
    TooLarge(#[from] PlanTooLarge),
    #[error(transparent)]
    NoLogits(#[from] NoLogitTerms),
}

impl SourcesPlan {
    fn has(&self, lens: Lens) -> bool {
        self.lenses.contains(&lens)
    }

    /// Bytes of all sums, and of what values are multiplied with.
    pub fn n_bytes(&self, model: &Model) -> usize {
        let c = &model.config;
        let n_heads = c.n_layers * c.n_heads;
        let value_dim = c.value_place().width(c.head_dim);
        let of_parts = self.n_parts * (n_heads * 4 + self.n_units * 3 * 8);
        let of_norms = match self.has(Lens::ValueNorm) {
            true => n_heads * (self.parts.len() + value_dim * value_dim) * 4,
            false => 0,
        };
        let of_logits = match self.has(Lens::Logit) {
            true => self.rows.len() * (n_heads * value_dim * 4 + (2 * self.n_parts + n_heads) * 8),
            false => 0,
        };
        of_parts + of_norms + of_logits
    }
}

impl Sources {
    /// # Errors
    /// A plan that is too large, or a lens that the model has not.
    pub fn new(
        model: Arc<Model>,
        plan: SourcesPlan,
        n_bytes_max: usize,
    ) -> Result<Self, SourcesError> {
        check_size(plan.n_bytes(&model), n_bytes_max)?;
        assert!(plan.rows.is_sorted_by(|a, b| a.query_pos < b.query_pos));
        let c = &model.config;
        let n_heads = c.n_layers * c.n_heads;
        assert!(plan.head_weights.as_ref().is_none_or(|weights| weights.len() == n_heads));
        let is_read = plan.has(Lens::Logit);
        let readout = |row: &SourceRow| match row.target.filter(|_| is_read) {
            Some(target) => Readout::new(&model, target).map(Some),
            None => Ok(None),
        };
        let readouts: Vec<_> = plan.rows.iter().map(readout).collect::<Result<_, _>>()?;
        let of_rows: Vec<&Readout> = readouts.iter().flatten().collect();
        let n_directions = if of_rows.is_empty() { 0 } else { c.n_layers };
        let directions = (0..n_directions).map(|layer_idx| {
            let mut found = Readout::of_values(&model, layer_idx, &of_rows).into_iter();
            readouts
                .iter()
                .map(|row| row.as_ref().and_then(|_| found.next()).unwrap_or_default())
                .collect()
        });
        let directions = directions.collect();
        let rows = readouts.into_iter().map(|readout| RowState {
            readout,
            layer: vec![0.0; plan.n_parts + 2],
            all: vec![0.0; plan.n_parts + 2],
            layer_heads: vec![0.0; c.n_heads],
            heads: vec![0.0; n_heads],
        });
        let rows = rows.collect();
        let unit = Found {
            weights: vec![0.0; plan.n_parts],
            value_norms: vec![0.0; plan.n_parts],
            logits: vec![0.0; plan.n_parts],
            ..Found::default()
        };
        Ok(Self {
            norms: ValueNorms::new(&model),
            rows,
            directions,
            units: vec![unit; plan.n_units],
            norm_sums: vec![0.0; plan.n_units],
            by_head: vec![0.0; n_heads * plan.n_parts],
            head_logits: vec![0.0; n_heads],
            model,
            plan,
        })
    }

    /// `[n_units]`
    pub fn found(&self) -> Vec<Found> {
        let shared = |(unit, sum): (&Found, &f64)| {
            let mut unit = unit.clone();
            let n = (unit.n_rows as f64).max(1.0);
            unit.weights.iter_mut().for_each(|weight| *weight /= n);
            unit.first /= n;
            unit.virtual_sink /= n;
            let sum = if *sum > 0.0 { *sum } else { 1.0 };
            unit.value_norms.iter_mut().for_each(|norm| *norm /= sum);
            unit.norm_sum = sum;
            unit
        };
        self.units.iter().zip(&self.norm_sums).map(shared).collect()
    }

    /// What each head weighs the parts, in the mean over all rows: `[n_layers, n_heads, n_parts]`.
    pub fn by_head(&self) -> Vec<f32> {
        let n = self.plan.rows.len().max(1) as f32;
        self.by_head.iter().map(|sum| sum / n).collect()
    }

    /// `[n_layers, n_heads]`: what each head added to the logits of all rows.
    pub fn head_logits(&self) -> &[f64] {
        &self.head_logits
    }

    fn row(&self, query_pos: u32) -> Option<usize> {
        self.plan.rows.binary_search_by_key(&query_pos, |row| row.query_pos).ok()
    }
}

impl Watcher for Sources {
    fn first_pos(&self) -> usize {
        self.plan.rows.first().map_or(usize::MAX, |row| row.query_pos as usize)
    }

    fn restart(&mut self) {
        for unit in &mut self.units {
            let n_parts = self.plan.n_parts;
            *unit = Found {
                weights: vec![0.0; n_parts],
                value_norms: vec![0.0; n_parts],
                logits: vec![0.0; n_parts],
                ..Found::default()
            };
        }
        self.norm_sums.fill(0.0);
        self.by_head.fill(0.0);
        self.head_logits.fill(0.0);
        for row in &mut self.rows {
            row.readout.as_mut().into_iter().for_each(|readout| drop(readout.take()));
            row.all.fill(0.0);
            row.heads.fill(0.0);
        }
        self.norms = ValueNorms::new(&self.model);
    }

    fn wants_weights(&self, layer: LayerAt, query_pos: u32) -> bool {
        layer.keys_of == self.plan.keys_of && self.row(query_pos).is_some()
    }

    fn weights(&mut self, layer: LayerAt, query_pos: u32, found: &mut RowWeights<'_>) {
        let row_idx = self.row(query_pos).expect("a row that was wanted");
        self.add_weights(layer.layer_idx, row_idx, found);
        if self.plan.has(Lens::ValueNorm) {
            self.add_norms(layer.layer_idx, row_idx, found);
        }
        if self.rows[row_idx].readout.is_some() {
            self.add_logits(layer.layer_idx, row_idx, found);
        }
    }

    fn activation(&mut self, site: Site, first_pos: u32, rows: Rows<'_>) {
        for token_idx in 0..rows.n_tokens() {
            if let Some(row_idx) = self.row(first_pos + token_idx as u32) {
                self.note(site, row_idx, rows.row(token_idx));
            }
        }
    }
}

impl Sources {
    /// What a head counts in sums over all heads: one in the mean.
    fn head_weight(&self, head: usize) -> f64 {
        match &self.plan.head_weights {
            None => 1.0,
            Some(weights) => f64::from(weights[head]),
        }
    }

    /// What heads count together.
    fn head_weights_sum(&self) -> f64 {
        let c = &self.model.config;
        (0..c.n_layers * c.n_heads).map(|head| self.head_weight(head)).sum()
    }

    fn add_weights(&mut self, layer_idx: usize, row_idx: usize, found: &RowWeights<'_>) {
        let unit = self.plan.rows[row_idx].unit;
        let n_heads = self.model.config.n_heads;
        let sum_of_heads = self.head_weights_sum();
        for head_idx in 0..n_heads {
            let head = layer_idx * n_heads + head_idx;
            let share = self.head_weight(head) / sum_of_heads;
            let weights = found.of_head(head_idx);
            let parts = self.plan.parts.iter().zip(weights).skip(1);
            let by_head = &mut self.by_head[head * self.plan.n_parts..][..self.plan.n_parts];
            let unit = &mut self.units[unit];
            for (part, &weight) in parts {
                if let Some(part) = *part {
                    by_head[part as usize] += weight;
                    unit.weights[part as usize] += share * f64::from(weight);
                }
            }
            unit.first += share * f64::from(weights.first().copied().unwrap_or(0.0));
            unit.virtual_sink += share * f64::from(found.sinks[head_idx]);
        }
        if layer_idx == 0 {
            self.units[unit].n_rows += 1;
        }
    }

    fn add_norms(&mut self, layer_idx: usize, row_idx: usize, found: &mut RowWeights<'_>) {
        let unit = self.plan.rows[row_idx].unit;
        let n_heads = self.model.config.n_heads;
        let n_blocks = found.key_positions.len().div_ceil(KEY_BLOCK);
        for head_idx in 0..n_heads {
            let share = self.head_weight(layer_idx * n_heads + head_idx);
            for block_idx in 0..n_blocks {
                let block = block_of(found, head_idx, block_idx);
                if block.iter().sum::<f32>() < NEGLIGIBLE {
                    continue;
                }
                let at = (&*self.model, layer_idx);
                let norms = self.norms.of_block(at, (head_idx, block_idx), found);
                let of_unit = (&mut self.units[unit].value_norms, &mut self.norm_sums[unit]);
                for (i, (weight, norm)) in block.iter().zip(norms).enumerate() {
                    let length = share * f64::from(weight * norm);
                    let part = self.plan.parts.get(block_idx * KEY_BLOCK + i).copied().flatten();
                    let is_first = block_idx + i == 0;
                    if let Some(part) = part.filter(|_| !is_first) {
                        of_unit.0[part as usize] += length;
                    }
                    *of_unit.1 += length;
                }
            }
        }
    }

    fn add_logits(&mut self, layer_idx: usize, row_idx: usize, found: &mut RowWeights<'_>) {
        let Self { model, plan, rows, directions, .. } = self;
        let c = &model.config;
        let (row, directions) = (&mut rows[row_idx], &directions[layer_idx][row_idx]);
        row.layer.fill(0.0);
        row.layer_heads.fill(0.0);
        let group = c.n_heads / c.n_kv_heads;
        let d = found.values.value_dim();
        let n_blocks = found.key_positions.len().div_ceil(KEY_BLOCK);
        for (kv_head_idx, block_idx) in
            (0..c.n_kv_heads).flat_map(|head| (0..n_blocks).map(move |block| (head, block)))
        {
            let heads = kv_head_idx * group..(kv_head_idx + 1) * group;
            let weights: Vec<Vec<f32>> =
                heads.clone().map(|head_idx| block_of(found, head_idx, block_idx)).collect();
            if weights.iter().flatten().sum::<f32>() < NEGLIGIBLE {
                continue;
            }
            let values = found.values.block(kv_head_idx, block_idx).unwrap_or(&[]);
            for (i, value) in values.chunks_exact(d).enumerate() {
                let key_idx = block_idx * KEY_BLOCK + i;
                let place = match plan.parts.get(key_idx).copied().flatten() {
                    _ if key_idx == 0 => plan.n_parts + 1,
                    Some(part) => part as usize,
                    None => plan.n_parts,
                };
                for (head_idx, weights) in heads.clone().zip(&weights) {
                    if weights[i] == 0.0 {
                        continue;
                    }
                    let worth = dot(value, &directions[head_idx * d..][..d]);
                    let term = f64::from(weights[i]) * f64::from(worth);
                    row.layer[place] += term;
                    row.layer_heads[head_idx] += term;
                }
            }
        }
    }

    /// Scales what a row has found so far, when what it is scaled by is known.
    fn note(&mut self, site: Site, row_idx: usize, values: &[f32]) {
        let Self { model, plan, rows, units, head_logits, .. } = self;
        let RowState { readout, layer, all, layer_heads, heads } = &mut rows[row_idx];
        let Some(readout) = readout else { return };
        if let Site::AttentionOutput(at) = site {
            let scale = readout.attention(model, at.layer_idx, values);
            all.iter_mut().zip(layer).for_each(|(all, layer)| *all += *layer * scale);
            let n_heads = model.config.n_heads;
            let heads = &mut heads[at.layer_idx * n_heads..][..n_heads];
            heads.iter_mut().zip(layer_heads).for_each(|(all, head)| *all = *head * scale);
            return;
        }
        let Some(scale) = readout.residual(model, site, values) else { return };
        let unit = &mut units[plan.rows[row_idx].unit];
        unit.logits.iter_mut().zip(&*all).for_each(|(unit, term)| *unit += term * scale);
        unit.other_logits += all[plan.n_parts] * scale;
        unit.first_logits += all[plan.n_parts + 1] * scale;
        unit.terms.add(&readout.take());
        head_logits.iter_mut().zip(heads).for_each(|(sum, head)| *sum += *head * scale);
        all.fill(0.0);
    }
}

/// A head's weights of the keys of a block.
fn block_of(found: &RowWeights<'_>, head_idx: usize, block_idx: usize) -> Vec<f32> {
    let weights = found.of_head(head_idx);
    let end = weights.len().min((block_idx + 1) * KEY_BLOCK);
    weights[block_idx * KEY_BLOCK..end].to_vec()
}
