//! The numbers of one model, read from its file and bounded before anything is built on them.

use crate::attention::AttentionPattern;
use crate::error::LoadError;
use crate::spec::{ArchSpec, EmbeddingScale, FileFormat, LayerKind, RopePairing};

/// What numbers a model has. Names as in ARCHITECTURE.md.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    pub n_layers: usize,
    pub d_model: usize,
    pub d_ff: usize,
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
    pub n_vocab: usize,
    /// Longest position the model was trained for, plus one.
    pub n_ctx: usize,
    pub norm_eps: f32,
    /// Multiplies `q . k`.
    pub attn_scale: f32,
    pub embedding_scale: f32,
    /// `cap * tanh(score / cap)` on attention scores.
    pub attn_softcap: Option<f32>,
    /// The same on the logits.
    pub logit_softcap: Option<f32>,
    pub rope_pairing: RopePairing,
    pub rope_full: RopeConfig,
    pub rope_sliding: RopeConfig,
    /// Of the sliding layers; unused when there are none.
    pub window: u32,
    /// One per layer.
    pub layer_kinds: Vec<LayerKind>,
}

/// RoPE of one kind of layer (Su et al. 2021).
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    pub rope_dim: usize,
    pub base: f64,
    pub scaling: RopeScaling,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    None,
    /// Positions divided by `factor` (Chen et al. 2023).
    Linear {
        factor: f64,
    },
    /// Low frequencies divided by `factor`, high ones kept, a blend between (Llama 3.1).
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
        n_ctx_original: f64,
    },
}

/// Raw numbers as a file gives them; [`RawConfig::finish`] checks and completes them.
pub(crate) struct RawConfig {
    pub n_layers: usize,
    pub d_model: usize,
    pub d_ff: usize,
    pub n_heads: usize,
    pub n_kv_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub rope_dim: Option<usize>,
    pub n_vocab: usize,
    pub n_ctx: usize,
    pub norm_eps: f32,
    pub attn_scale: Option<f32>,
    pub attn_softcap: Option<f32>,
    pub logit_softcap: Option<f32>,
    pub rope_base: f64,
    pub rope_base_sliding: Option<f64>,
    pub rope_scaling: RopeScaling,
    pub window: Option<u32>,
    pub layer_kinds: Option<Vec<LayerKind>>,
}

pub(crate) const N_LAYERS_MAX: usize = 512;
const WIDTH_MAX: usize = 1 << 20;
pub(crate) const HEAD_DIM_MAX: usize = 1024;

impl ModelConfig {
    pub fn n_heads_per_kv(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    pub fn pattern(&self, layer_idx: usize) -> AttentionPattern {
        self.layer_kinds[layer_idx].pattern(self.window)
    }
}

impl RawConfig {
    pub(crate) fn finish(
        self,
        spec: &ArchSpec,
        format: FileFormat,
    ) -> Result<ModelConfig, LoadError> {
        bounded("n_layers", self.n_layers, 1, N_LAYERS_MAX)?;
        bounded("d_model", self.d_model, 1, WIDTH_MAX)?;
        bounded("d_ff", self.d_ff, 1, WIDTH_MAX)?;
        bounded("n_heads", self.n_heads, 1, 4096)?;
        bounded("n_ctx", self.n_ctx, 1, 1 << 30)?;
        let n_kv_heads = self.n_kv_heads.unwrap_or(self.n_heads);
        bounded("n_kv_heads", n_kv_heads, 1, self.n_heads)?;
        if !self.n_heads.is_multiple_of(n_kv_heads) {
            let expected = format!("a divisor of n_heads = {}", self.n_heads);
            return Err(LoadError::config("n_kv_heads", expected, n_kv_heads));
        }
        let head_dim = self.head_dim.unwrap_or(self.d_model / self.n_heads);
        bounded("head_dim", head_dim, 1, HEAD_DIM_MAX)?;
        let rope_dim = self.rope_dim.unwrap_or(head_dim);
        bounded("rope_dim", rope_dim, 2, head_dim)?;
        if !rope_dim.is_multiple_of(2) {
            return Err(LoadError::config("rope_dim", "an even number".into(), rope_dim));
        }
        positive("norm_eps", self.norm_eps.into())?;
        positive("rope_base", self.rope_base)?;
        let base_sliding = self.rope_base_sliding.or(spec.rope_base_sliding);
        let base_sliding = base_sliding.unwrap_or(self.rope_base);
        positive("rope_base_sliding", base_sliding)?;
        for (key, value) in [
            ("attn_scale", self.attn_scale),
            ("attn_softcap", self.attn_softcap),
            ("logit_softcap", self.logit_softcap),
        ] {
            value.map_or(Ok(()), |value| positive(key, value.into()))?;
        }
        let layer_kinds = self.layer_kinds.unwrap_or_else(|| {
            (0..self.n_layers).map(|i| spec.layer_kinds[i % spec.layer_kinds.len()]).collect()
        });
        if layer_kinds.len() != self.n_layers {
            let expected = format!("n_layers = {} entries", self.n_layers);
            return Err(LoadError::config("layer kinds", expected, layer_kinds.len()));
        }
        if layer_kinds.contains(&LayerKind::Sliding) {
            bounded("window", self.window.unwrap_or(0) as usize, 1, u32::MAX as usize)?;
        }
        // Position scaling stretches the full layers; a window never sees far positions.
        let scaling_sliding = match spec.rope_base_sliding {
            Some(_) => RopeScaling::None,
            None => self.rope_scaling.clone(),
        };
        let mut config = ModelConfig {
            n_layers: self.n_layers,
            d_model: self.d_model,
            d_ff: self.d_ff,
            n_heads: self.n_heads,
            n_kv_heads,
            head_dim,
            n_vocab: self.n_vocab,
            n_ctx: self.n_ctx,
            norm_eps: self.norm_eps,
            attn_scale: self.attn_scale.unwrap_or((head_dim as f32).powf(-0.5)),
            embedding_scale: match spec.embedding_scale {
                EmbeddingScale::One => 1.0,
                EmbeddingScale::SqrtModelDim => (self.d_model as f32).sqrt(),
            },
            attn_softcap: self.attn_softcap,
            logit_softcap: self.logit_softcap,
            rope_pairing: spec.rope.get(format),
            rope_full: RopeConfig { rope_dim, base: self.rope_base, scaling: self.rope_scaling },
            rope_sliding: RopeConfig { rope_dim, base: base_sliding, scaling: scaling_sliding },
            window: self.window.unwrap_or(0),
            layer_kinds,
        };
        if let Some(adjust) = spec.adjust_config {
            adjust(&mut config, format);
        }
        Ok(config)
    }
}

fn bounded(key: &'static str, value: usize, min: usize, max: usize) -> Result<(), LoadError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(LoadError::config(key, format!("{min} to {max}"), value))
}

fn positive(key: &'static str, value: f64) -> Result<(), LoadError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(LoadError::config(key, "a positive number".into(), value))
}
