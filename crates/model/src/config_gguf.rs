//! [`ModelConfig`] from GGUF metadata (`{architecture}.*` keys).

use format::gguf::Metadata;

use crate::config::{ModelConfig, RawConfig};
use crate::error::LoadError;
use crate::experts_config;
use crate::latent_config;
use crate::rope_config::gguf as rope_gguf;
use crate::spec::{ArchSpec, AttentionKind, FileFormat, FullLayer, LayerKind};

/// `n_vocab` is the number of rows of the embedding, which may exceed the tokenizer's tokens.
pub(crate) fn read_config(
    spec: &ArchSpec,
    metadata: &Metadata,
    n_vocab: usize,
) -> Result<ModelConfig, LoadError> {
    let keys = Keys { metadata, prefix: spec.name };
    let n_layers = match spec.encoder.map(|_| keys.count("decoder_block_count")).transpose()? {
        Some(Some(n_layers)) => n_layers,
        _ => keys.require("block_count")?,
    };
    // Counted among the blocks.
    let n_further_layers = keys.count("nextn_predict_layers")?.unwrap_or(0);
    let n_layers = n_layers.saturating_sub(n_further_layers);
    let n_ctx = keys.require("context_length")?;
    let (head_dim, latent) = match spec.attention {
        AttentionKind::Heads => (head_dim(&keys)?, None),
        AttentionKind::Latent => (None, Some(latent_config::of_gguf(&keys)?)),
    };
    let rope = rope_gguf::rope(spec, &keys, n_ctx)?;
    let experts = experts_config::of_gguf(&keys)?;
    let raw = RawConfig {
        n_layers,
        n_further_layers,
        d_model: keys.require("embedding_length")?,
        d_ff: match experts.n_experts.unwrap_or(0) {
            0 => Some(keys.require("feed_forward_length")?),
            _ => keys.count("feed_forward_length")?,
        },
        experts,
        n_heads: keys.require("attention.head_count")?,
        n_kv_heads: keys.count("attention.head_count_kv")?,
        head_dim,
        rope_dim: keys.count("rope.dimension_count")?,
        latent,
        n_vocab,
        n_ctx,
        norm_eps: match keys.number("attention.layer_norm_epsilon")? {
            Some(eps) => eps,
            None => metadata.require_f32(&keys.key("attention.layer_norm_rms_epsilon"))?,
        },
        attn_scale: keys.number("attention.scale")?,
        embedding_scale: keys.number("embedding_scale")?,
        residual_scale: keys.number("residual_scale")?,
        logit_scale: keys.number("logit_scale")?,
        size_scales: spec.size_scales,
        is_parallel: metadata.bool(&keys.key("use_parallel_residual"))?,
        has_alibi: false,
        // Zero stands for none.
        qkv_clip: keys.number("attention.clamp_kqv")?.filter(|&clip| clip != 0.0),
        attn_softcap: keys.number("attn_logit_softcapping")?,
        logit_softcap: keys.number("final_logit_softcapping")?,
        rope_base: keys.number("rope.freq_base")?.map(f64::from),
        rope_base_sliding: keys.number("rope.freq_base_swa")?.map(f64::from),
        query_growth: rope_gguf::query_growth(&keys, rope.n_ctx_original)?,
        rope,
        rope_pairing: None,
        rope_sections: rope_gguf::rope_sections(&keys)?,
        window: metadata.u32(&keys.key("attention.sliding_window"))?,
        n_buckets: keys.count("attention.relative_buckets_count")?,
        max_distance: None,
        decoder_start_id: metadata.u32(&keys.key("decoder_start_token_id"))?,
        is_causal: metadata.bool(&keys.key("attention.causal"))?,
        layer_kinds: layer_kinds(&keys, n_layers, spec.full_layer)?,
        rotates: None,
    };
    raw.finish(spec, FileFormat::Gguf)
}

fn head_dim(keys: &Keys<'_>) -> Result<Option<usize>, LoadError> {
    let head_dim = keys.count("attention.key_length")?;
    let value_dim = keys.count("attention.value_length")?;
    if let (Some(head_dim), Some(value_dim)) = (head_dim, value_dim)
        && head_dim != value_dim
    {
        let key = keys.key("attention.value_length");
        return Err(LoadError::config(&key, format!("key_length = {head_dim}"), value_dim));
    }
    Ok(head_dim)
}

pub(crate) struct Keys<'a> {
    pub(crate) metadata: &'a Metadata,
    prefix: &'static str,
}

impl Keys<'_> {
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    pub(crate) fn require(&self, name: &str) -> Result<usize, LoadError> {
        Ok(self.metadata.require_u32(&self.key(name))? as usize)
    }

    pub(crate) fn count(&self, name: &str) -> Result<Option<usize>, LoadError> {
        Ok(self.metadata.u32(&self.key(name))?.map(|n| n as usize))
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<f32>, LoadError> {
        Ok(self.metadata.f32(&self.key(name))?)
    }
}

/// `sliding_window_pattern` is a period (one of n layers is full) or one flag per layer.
fn layer_kinds(
    keys: &Keys<'_>,
    n_layers: usize,
    full_layer: FullLayer,
) -> Result<Option<Vec<LayerKind>>, LoadError> {
    let key = keys.key("attention.sliding_window_pattern");
    let kind = |sliding| if sliding { LayerKind::Sliding } else { LayerKind::Full };
    match keys.metadata.get(&key) {
        None => Ok(None),
        Some(value) if value.is_array() => {
            let flags = keys.metadata.bools(&key)?.unwrap_or_default();
            Ok(Some(flags.into_iter().map(kind).collect()))
        }
        Some(_) => {
            let period = keys.metadata.require_u32(&key)? as usize;
            Ok(Some(periodic(period, n_layers, full_layer)))
        }
    }
}

/// One layer of each `period` is full; a period of 0 means that none slides.
pub(crate) fn periodic(period: usize, n_layers: usize, full_layer: FullLayer) -> Vec<LayerKind> {
    let first = match full_layer {
        FullLayer::First => 0,
        FullLayer::Last => 1,
    };
    (0..n_layers.min(crate::config::N_LAYERS_MAX))
        .map(|layer_idx| match period {
            0 => LayerKind::Full,
            _ if (layer_idx + first).is_multiple_of(period) => LayerKind::Full,
            _ => LayerKind::Sliding,
        })
        .collect()
}
