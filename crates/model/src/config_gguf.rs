//! [`ModelConfig`] from GGUF metadata (`{architecture}.*` keys).

use format::gguf::Metadata;

use crate::config::{ModelConfig, RawConfig, RopeFactors, RopeScaling, ScaledRope};
use crate::error::LoadError;
use crate::spec::{ArchSpec, FileFormat, LayerKind};

/// `n_vocab` is the number of rows of the embedding, which may exceed the tokenizer's tokens.
pub(crate) fn read_config(
    spec: &ArchSpec,
    metadata: &Metadata,
    n_vocab: usize,
) -> Result<ModelConfig, LoadError> {
    let keys = Keys { metadata, prefix: spec.name };
    let n_layers = keys.require("block_count")?;
    let n_ctx = keys.require("context_length")?;
    let head_dim = keys.count("attention.key_length")?;
    let value_dim = keys.count("attention.value_length")?;
    if let (Some(head_dim), Some(value_dim)) = (head_dim, value_dim)
        && head_dim != value_dim
    {
        let key = keys.key("attention.value_length");
        return Err(LoadError::config(&key, format!("key_length = {head_dim}"), value_dim));
    }
    let raw = RawConfig {
        n_layers,
        d_model: keys.require("embedding_length")?,
        d_ff: match keys.count("expert_count")?.unwrap_or(0) {
            0 => Some(keys.require("feed_forward_length")?),
            _ => keys.count("feed_forward_length")?,
        },
        n_experts: keys.count("expert_count")?,
        n_experts_used: keys.count("expert_used_count")?,
        d_ff_expert: keys.count("expert_feed_forward_length")?,
        d_ff_shared: keys.count("expert_shared_feed_forward_length")?,
        normalizes_experts: metadata.bool(&keys.key("expert_weights_norm"))?,
        n_heads: keys.require("attention.head_count")?,
        n_kv_heads: keys.count("attention.head_count_kv")?,
        head_dim,
        rope_dim: keys.count("rope.dimension_count")?,
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
        is_parallel: metadata.bool(&keys.key("use_parallel_residual"))?,
        has_alibi: false,
        // Zero stands for none.
        qkv_clip: keys.number("attention.clamp_kqv")?.filter(|&clip| clip != 0.0),
        attn_softcap: keys.number("attn_logit_softcapping")?,
        logit_softcap: keys.number("final_logit_softcapping")?,
        rope_base: keys.number("rope.freq_base")?.map(f64::from),
        rope_base_sliding: keys.number("rope.freq_base_swa")?.map(f64::from),
        rope: rope(&keys, n_ctx)?,
        rope_sections: rope_sections(&keys)?,
        window: metadata.u32(&keys.key("attention.sliding_window"))?,
        layer_kinds: layer_kinds(&keys, n_layers)?,
        rotates: None,
    };
    raw.finish(spec, FileFormat::Gguf)
}

struct Keys<'a> {
    metadata: &'a Metadata,
    prefix: &'static str,
}

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn require(&self, name: &str) -> Result<usize, LoadError> {
        Ok(self.metadata.require_u32(&self.key(name))? as usize)
    }

    fn count(&self, name: &str) -> Result<Option<usize>, LoadError> {
        Ok(self.metadata.u32(&self.key(name))?.map(|n| n as usize))
    }

    fn number(&self, name: &str) -> Result<Option<f32>, LoadError> {
        Ok(self.metadata.f32(&self.key(name))?)
    }
}

/// A factor without a type means linear; older files call it `scale_linear`. Factors of LongRoPE
/// are tensors, which come later, with or without a type.
fn rope(keys: &Keys<'_>, n_ctx: usize) -> Result<ScaledRope, LoadError> {
    let number = |name: &str| {
        let number = keys.number(&format!("rope.scaling.{name}"))?;
        Ok::<_, LoadError>(number.map(f64::from))
    };
    let factor = match number("factor")? {
        Some(factor) => Some(factor),
        None => keys.number("rope.scale_linear")?.map(f64::from),
    };
    let n_ctx_original = keys.count("rope.scaling.original_context_length")?;
    let attn_factor = number("attn_factor")?.or(number("yarn_attn_factor")?).unwrap_or(1.0);
    let key = keys.key("rope.scaling.type");
    let (scaling, magnitude) = match (keys.metadata.str(&key)?, factor) {
        (None, None) | (Some("none" | "longrope"), _) => (RopeScaling::None, 1.0),
        (None | Some("linear"), Some(factor)) => (RopeScaling::Linear { factor }, 1.0),
        (Some(kind @ ("linear" | "yarn")), None) => {
            let key = keys.key("rope.scaling.factor");
            return Err(LoadError::config(
                &key,
                format!("a number, for {kind} scaling"),
                "nothing",
            ));
        }
        (Some("yarn"), Some(factor)) => {
            keys.require("rope.scaling.original_context_length")?;
            if number("yarn_log_multiplier")?.is_some_and(|x| x != 0.0) {
                let key = keys.key("rope.scaling.yarn_log_multiplier");
                return Err(LoadError::config(&key, "nothing".into(), "a number"));
            }
            let beta_fast = number("yarn_beta_fast")?.unwrap_or(32.0);
            let beta_slow = number("yarn_beta_slow")?.unwrap_or(1.0);
            let yarn = RopeScaling::Yarn { factor, beta_fast, beta_slow, is_truncated: true };
            (yarn, ScaledRope::yarn_magnitude(factor))
        }
        (Some(found), _) => {
            let expected = "none, linear, yarn or longrope";
            return Err(LoadError::config(&key, expected.into(), found));
        }
    };
    Ok(ScaledRope {
        scaling,
        n_ctx_original: n_ctx_original.unwrap_or(n_ctx) as f64,
        factors: RopeFactors::None,
        magnitude: attn_factor * magnitude,
    })
}

/// Four numbers, zeros at the end, of which a text needs only the sum.
fn rope_sections(keys: &Keys<'_>) -> Result<Option<Vec<usize>>, LoadError> {
    let sections = keys.metadata.u32s(&keys.key("rope.dimension_sections"))?;
    Ok(sections.map(|sections| sections.into_iter().map(|n| n as usize).collect()))
}

/// `sliding_window_pattern` is a period (every n-th layer is full) or one flag per layer.
fn layer_kinds(keys: &Keys<'_>, n_layers: usize) -> Result<Option<Vec<LayerKind>>, LoadError> {
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
            Ok(Some(periodic(period, n_layers)))
        }
    }
}

/// Every `period`-th layer is full; a period of 0 means that none slides.
pub(crate) fn periodic(period: usize, n_layers: usize) -> Vec<LayerKind> {
    (1..=n_layers.min(crate::config::N_LAYERS_MAX))
        .map(|n| match period {
            0 => LayerKind::Full,
            _ if n.is_multiple_of(period) => LayerKind::Full,
            _ => LayerKind::Sliding,
        })
        .collect()
}
