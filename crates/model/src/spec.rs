//! What can differ between architectures, as data (M1).

use crate::attention::AttentionPattern;
use crate::config::ModelConfig;

/// One architecture: what kind of transformer it is. What numbers it has is [`ModelConfig`].
#[derive(Clone, Copy, Debug)]
pub struct ArchSpec {
    /// `general.architecture` in GGUF.
    pub name: &'static str,
    /// `architectures[0]` in a Hugging Face config.json.
    pub hf_names: &'static [&'static str],
    /// Hugging Face tensor names and ours (GGUF's).
    pub hf_tensors: &'static [(&'static str, &'static str)],
    pub norm: PerFormat<Norm>,
    pub residual: Residual,
    pub qk_norm: QkNorm,
    pub qkv_bias: QkvBias,
    pub rope: PerFormat<RopePairing>,
    /// Tiled over the layers, where the file does not say.
    pub layer_kinds: &'static [LayerKind],
    /// RoPE base, where the file does not say.
    pub rope_base: f64,
    /// That of the sliding-window layers, where it differs and the file does not say.
    pub rope_base_sliding: Option<f64>,
    pub feed_forward: FeedForward,
    pub embedding_scale: EmbeddingScale,
    /// What multiplies `q . k`, where the file does not say.
    pub attn_scale: fn(&ModelConfig) -> f32,
}

/// A fact that differs between the file formats of one model.
#[derive(Clone, Copy, Debug)]
pub struct PerFormat<T> {
    pub gguf: T,
    pub hf: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    Gguf,
    HuggingFace,
}

impl<T: Copy> PerFormat<T> {
    pub const fn same(value: T) -> Self {
        Self { gguf: value, hf: value }
    }

    pub fn get(&self, format: FileFormat) -> T {
        match format {
            FileFormat::Gguf => self.gguf,
            FileFormat::HuggingFace => self.hf,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `x / rms(x) * w`
    Rms,
    /// The stored weight is `w`, the gain is `1 + w`.
    RmsPlusOne,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// `x + f(norm(x))`
    PreNorm,
    /// `x + norm(f(norm(x)))`
    SandwichNorm,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    None,
    /// RMS norm over each head's own values, one gain for all heads.
    PerHead,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkvBias {
    None,
    Present,
}

/// Which values of a head RoPE rotates together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// `(2i, 2i + 1)`
    Interleaved,
    /// `(i, i + rope_dim / 2)`
    HalfSplit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    Full,
    /// Window size from the file.
    Sliding,
}

impl LayerKind {
    pub fn pattern(self, window: u32) -> AttentionPattern {
        match self {
            Self::Full => AttentionPattern::Causal,
            Self::Sliding => AttentionPattern::SlidingWindow { window },
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// `down(activation(gate(x)) * up(x))` (Shazeer 2020)
    Gated(Activation),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Silu,
    GeluTanh,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingScale {
    One,
    /// `sqrt(d_model)`
    SqrtModelDim,
}
