//! The numbers of multi-head latent attention, from both kinds of files.

use serde_json::Value;

use crate::config::{HEAD_DIM_MAX, Names, bounded};
use crate::config_gguf::Keys;
use crate::config_hf::count;
use crate::error::LoadError;

/// Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434, section 2.1). A token is cached as
/// its latent vector `c`, of which each head's key and value are products, `k_h = K_h c` and
/// `v_h = V_h c`, and as one rotated key that all heads share. Since
/// `q_h . K_h c = (K_h^T q_h) . c` and `sum_t w_t V_h c_t = V_h sum_t w_t c_t`, heads look at
/// latent vectors as they are: one kv head, whose key is `[rotated part | c]` and whose value is
/// `c`, a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatentConfig {
    /// Width of what queries are a product of; `None`: the residual.
    pub d_query: Option<usize>,
    /// Width of `c`.
    pub d_latent: usize,
    /// Of a head's query and key, as they are without absorption, the part that is not rotated.
    pub d_plain: usize,
    /// Width of a head's value.
    pub d_value: usize,
}

/// Norms of the latent vectors have this epsilon whatever that of the others is: the reference
/// leaves it at its default.
pub(crate) const LATENT_NORM_EPS: f32 = 1e-6;

/// The numbers as files give them: with the width of a whole key, and of its rotated part.
pub(crate) struct RawLatent {
    pub(crate) d_query: Option<usize>,
    pub(crate) d_latent: usize,
    pub(crate) d_key: usize,
    pub(crate) d_value: usize,
    pub(crate) rope_dim: usize,
}

/// Newer files give `key_length` and `value_length` as they are absorbed, and the others beside.
pub(crate) fn of_gguf(keys: &Keys<'_>) -> Result<RawLatent, LoadError> {
    let of_head = |name: &str| match keys.count(&format!("attention.{name}_mla"))? {
        Some(n) => Ok(Some(n)),
        None => keys.count(&format!("attention.{name}")),
    };
    let (d_model, n_heads) =
        (keys.require("embedding_length")?, keys.require("attention.head_count")?);
    let of_model = d_model / n_heads.max(1);
    Ok(RawLatent {
        d_query: keys.count("attention.q_lora_rank")?.filter(|&n| n > 0),
        d_latent: keys.require("attention.kv_lora_rank")?,
        d_key: of_head("key_length")?.unwrap_or(of_model),
        d_value: of_head("value_length")?.unwrap_or(of_model),
        rope_dim: keys.require("rope.dimension_count")?,
    })
}

pub(crate) fn of_hf(json: &Value) -> Result<RawLatent, LoadError> {
    let require = |key: &'static str| {
        let missing = || LoadError::config(key, "a whole number".into(), "nothing in config.json");
        count(json, &[key])?.ok_or_else(missing)
    };
    let rope_dim = require("qk_rope_head_dim")?;
    Ok(RawLatent {
        d_query: count(json, &["q_lora_rank"])?,
        d_latent: require("kv_lora_rank")?,
        d_key: require("qk_nope_head_dim")?.saturating_add(rope_dim),
        d_value: match count(json, &["v_head_dim"])? {
            Some(d_value) => d_value,
            None => require("hidden_size")? / require("num_attention_heads")?.max(1),
        },
        rope_dim,
    })
}

impl RawLatent {
    pub(crate) fn finish(&self, names: &Names<'_>) -> Result<LatentConfig, LoadError> {
        let Self { d_query, d_latent, d_key, d_value, rope_dim } = *self;
        bounded(names.get("rope.dimension_count", "qk_rope_head_dim"), rope_dim, 2, HEAD_DIM_MAX)?;
        let key = names.get("attention.kv_lora_rank", "kv_lora_rank");
        bounded(key, d_latent, 1, HEAD_DIM_MAX - rope_dim)?;
        let key = names.get("attention.key_length", "qk_nope_head_dim");
        bounded(key, d_key, rope_dim + 1, HEAD_DIM_MAX)?;
        bounded(names.get("attention.value_length", "v_head_dim"), d_value, 1, HEAD_DIM_MAX)?;
        if let Some(d_query) = d_query {
            bounded(names.get("attention.q_lora_rank", "q_lora_rank"), d_query, 1, 1 << 20)?;
        }
        Ok(LatentConfig { d_query, d_latent, d_plain: d_key - rope_dim, d_value })
    }
}
