//! What moved the logit of one token against that of another (direct logit attribution; the terms
//! of ALTI-Logit, Ferrando et al. 2023).
//!
//! The residual is a sum, and the last norm, its scale frozen, is linear: so the difference of two
//! logits is a sum over everything that was added to the residual, `x . g` each, with
//! `g = gain (U_t - U_c) / rms`. What attention added is a sum over heads and keys.

use model::weights::{NormWeights, WeightMatrix};
use model::{Model, Site};
use serde::Serialize;

use super::output::value_directions;
use super::value_norms::dot;

/// A token, and what it is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Target {
    pub token_id: u32,
    pub contrast_id: u32,
}

/// Terms whose sum is `difference`, in logits before any cap.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct LogitTerms {
    /// The target's logit less the contrast's.
    pub difference: f64,
    pub embedding: f64,
    /// `[n_layers]`: what attention added, whole.
    pub attention: Vec<f64>,
    /// `[n_layers]`: what the feed-forward added.
    pub feed_forward: Vec<f64>,
    /// Biases of the last norm and of the logits.
    pub constant: f64,
}

impl LogitTerms {
    /// The sum of the terms, which `difference` was not taken from.
    pub fn sum(&self) -> f64 {
        let layers = self.attention.iter().chain(&self.feed_forward);
        self.embedding + self.constant + layers.sum::<f64>()
    }

    /// Adds those of another row.
    pub(super) fn add(&mut self, other: &Self) {
        self.difference += other.difference;
        self.embedding += other.embedding;
        self.constant += other.constant;
        for (own, other) in
            [(&mut self.attention, &other.attention), (&mut self.feed_forward, &other.feed_forward)]
        {
            own.resize(other.len(), 0.0);
            own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
        }
    }
}

/// The lens does not apply to this model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoLogitTerms {
    #[error("this model has no logits to explain: expected one that continues texts")]
    NoLogits,
    #[error(
        "this model norms the sum of what its blocks add, so a logit is no sum over them: the \
         other lenses apply"
    )]
    NormedSums,
    #[error(
        "an encoder reads the text for this model, and what its decoder takes from there is not \
         told apart by logits: the other lenses apply"
    )]
    Encoder,
}

/// Of a model whose logits are sums over its blocks.
///
/// # Errors
/// [`NoLogitTerms`].
pub(super) fn output_matrix(model: &Model) -> Result<&WeightMatrix, NoLogitTerms> {
    let matrix = model.output_matrix().ok_or(NoLogitTerms::NoLogits)?;
    if model.config.residual == model::spec::Residual::NormOfSum {
        return Err(NoLogitTerms::NormedSums);
    }
    if model.encoder.is_some() {
        return Err(NoLogitTerms::Encoder);
    }
    Ok(matrix)
}

/// The direction in the residual that one row's logits are compared along, and the terms found so
/// far, before they are scaled.
pub(super) struct Readout {
    /// `[d_model]`
    direction: Vec<f32>,
    constant: f64,
    /// Of the residual, before the layer that is computed.
    before: f64,
    terms: LogitTerms,
}

impl Readout {
    /// # Errors
    /// [`NoLogitTerms`].
    pub(super) fn new(model: &Model, target: Target) -> Result<Self, NoLogitTerms> {
        let (c, matrix) = (&model.config, output_matrix(model)?);
        let [mut direction, mut other] = [vec![0.0; c.d_model], vec![0.0; c.d_model]];
        matrix.decode_row(target.token_id as usize, &mut direction);
        matrix.decode_row(target.contrast_id as usize, &mut other);
        for (x, other) in direction.iter_mut().zip(&other) {
            *x = (*x - other) * c.logit_scale;
        }
        let of_bias = |bias: &Vec<f32>| {
            let [token, contrast] =
                [target.token_id, target.contrast_id].map(|id| f64::from(bias[id as usize]));
            (token - contrast) * f64::from(c.logit_scale)
        };
        let mut constant = model.output_bias.as_ref().map_or(0.0, of_bias);
        if let Some(NormWeights { is_centered, gain, bias }) = &model.output_norm {
            let of_norm = bias.as_ref().map_or(0.0, |bias| f64::from(dot(bias, &direction)));
            constant += of_norm;
            direction.iter_mut().zip(gain).for_each(|(x, gain)| *x *= gain);
            if *is_centered {
                let mean = direction.iter().sum::<f32>() / c.d_model as f32;
                direction.iter_mut().for_each(|x| *x -= mean);
            }
        }
        Ok(Self { direction, constant, before: 0.0, terms: LogitTerms::default() })
    }

    /// What a value of each head of a layer is worth: `[n_heads, value_dim]` for each of some rows,
    /// before the scales of both norms.
    pub(super) fn of_values(model: &Model, layer_idx: usize, rows: &[&Self]) -> Vec<Vec<f32>> {
        let post_norm = model.layers[layer_idx].post_attention_norm.as_ref();
        let directions = rows.iter().map(|row| {
            let mut direction = row.direction.clone();
            if let Some(norm) = post_norm {
                direction.iter_mut().zip(&norm.gain).for_each(|(x, gain)| *x *= gain);
                if norm.is_centered {
                    let mean = direction.iter().sum::<f32>() / direction.len() as f32;
                    direction.iter_mut().for_each(|x| *x -= mean);
                }
            }
            direction
        });
        value_directions(model, layer_idx, &directions.collect::<Vec<_>>())
    }

    /// Takes note of the residual of its row; returns the scale of all terms when it was the last.
    pub(super) fn residual(&mut self, model: &Model, site: Site, row: &[f32]) -> Option<f64> {
        let now = along(row, &self.direction);
        match site {
            Site::Embedding => self.terms.embedding = now,
            Site::Residual { .. } => {
                let of_attention = self.terms.attention.last().copied().unwrap_or(0.0);
                self.terms.feed_forward.push(now - self.before - of_attention);
            }
            Site::AttentionOutput(_) | Site::OutputNorm => return None,
        }
        self.before = now;
        let is_last = matches!(site, Site::Residual { layer_idx }
            if layer_idx + 1 == model.config.n_layers);
        is_last.then(|| {
            let norm = model.output_norm.as_ref();
            let scale = norm.map_or(1.0, |norm| scale_of(norm, model.config.norm_eps, row));
            self.finish(now, scale);
            scale
        })
    }

    /// Takes note of what attention adds; returns the scale of its parts.
    pub(super) fn attention(&mut self, model: &Model, layer_idx: usize, row: &[f32]) -> f64 {
        let c = &model.config;
        let scaled: Vec<f32> = row.iter().map(|x| x * c.residual_scale).collect();
        let norm = model.layers[layer_idx].post_attention_norm.as_ref();
        let added = norm.map_or_else(|| scaled.clone(), |norm| normed(norm, c.norm_eps, &scaled));
        self.terms.attention.push(along(&added, &self.direction));
        let of_norm = norm.map_or(1.0, |norm| scale_of(norm, c.norm_eps, &scaled));
        of_norm * f64::from(c.residual_scale)
    }

    fn finish(&mut self, last: f64, scale: f64) {
        let terms = &mut self.terms;
        terms.difference = last * scale + self.constant;
        terms.constant = self.constant;
        terms.embedding *= scale;
        let layers = terms.attention.iter_mut().chain(&mut terms.feed_forward);
        layers.for_each(|term| *term *= scale);
    }

    /// All terms, once the last residual was noted; the row may be computed again then.
    pub(super) fn take(&mut self) -> LogitTerms {
        self.before = 0.0;
        std::mem::take(&mut self.terms)
    }
}

fn along(x: &[f32], direction: &[f32]) -> f64 {
    x.iter().zip(direction).map(|(x, d)| f64::from(*x) * f64::from(*d)).sum()
}

/// What a norm multiplies a row by, beside its gain.
fn scale_of(norm: &NormWeights, eps: f32, row: &[f32]) -> f64 {
    let n = row.len() as f64;
    let mean = match norm.is_centered {
        true => row.iter().map(|&x| f64::from(x)).sum::<f64>() / n,
        false => 0.0,
    };
    let squares: f64 = row.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
    (squares / n + f64::from(eps)).sqrt().recip()
}

fn normed(norm: &NormWeights, eps: f32, row: &[f32]) -> Vec<f32> {
    let scale = scale_of(norm, eps, row) as f32;
    let mean = match norm.is_centered {
        true => row.iter().sum::<f32>() / row.len() as f32,
        false => 0.0,
    };
    let mut out: Vec<f32> =
        row.iter().zip(&norm.gain).map(|(x, gain)| (x - mean) * scale * gain).collect();
    if let Some(bias) = &norm.bias {
        out.iter_mut().zip(bias).for_each(|(x, bias)| *x += bias);
    }
    out
}
