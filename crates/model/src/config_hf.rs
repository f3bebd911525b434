//! [`ModelConfig`] from a Hugging Face config.json.

use serde_json::Value;

use crate::config::{ModelConfig, RawConfig, RopeScaling};
use crate::config_gguf::periodic;
use crate::error::LoadError;
use crate::spec::{ArchSpec, FileFormat, LayerKind};

/// `n_vocab` is the number of rows of the embedding.
pub(crate) fn read_config(
    spec: &ArchSpec,
    json: &Value,
    n_vocab: usize,
) -> Result<ModelConfig, LoadError> {
    let n_layers = require(json, "num_hidden_layers")?;
    let full = rope_parameters(json, "full_attention");
    let sliding = rope_parameters(json, "sliding_attention");
    let base = |parameters: Option<&Value>| number(parameters?, "rope_theta").transpose();
    let raw = RawConfig {
        n_layers,
        d_model: require(json, "hidden_size")?,
        d_ff: require(json, "intermediate_size")?,
        n_heads: require(json, "num_attention_heads")?,
        n_kv_heads: count(json, "num_key_value_heads")?,
        head_dim: count(json, "head_dim")?,
        rope_dim: None,
        n_vocab,
        n_ctx: require(json, "max_position_embeddings")?,
        norm_eps: number(json, "rms_norm_eps")?.unwrap_or(1e-6) as f32,
        attn_scale: number(json, "query_pre_attn_scalar")?.map(|x| x.powf(-0.5) as f32),
        attn_softcap: number(json, "attn_logit_softcapping")?.map(|x| x as f32),
        logit_softcap: number(json, "final_logit_softcapping")?.map(|x| x as f32),
        rope_base: match base(full) {
            Some(base) => base?,
            None => number(json, "rope_theta")?.unwrap_or(10_000.0),
        },
        rope_base_sliding: match base(sliding) {
            Some(base) => Some(base?),
            None => number(json, "rope_local_base_freq")?,
        },
        rope_scaling: rope_scaling(full.or(json.get("rope_scaling")))?,
        window: count(json, "sliding_window")?.map(|n| n as u32),
        layer_kinds: layer_kinds(json, n_layers)?,
    };
    raw.finish(spec, FileFormat::HuggingFace)
}

/// Newer files keep RoPE in `rope_parameters`, one object or one per kind of layer.
fn rope_parameters<'a>(json: &'a Value, kind: &str) -> Option<&'a Value> {
    let parameters = json.get("rope_parameters")?;
    match parameters.get("rope_type").or(parameters.get("rope_theta")) {
        Some(_) => Some(parameters),
        None => parameters.get(kind),
    }
}

fn rope_scaling(parameters: Option<&Value>) -> Result<RopeScaling, LoadError> {
    let Some(parameters) = parameters.filter(|value| !value.is_null()) else {
        return Ok(RopeScaling::None);
    };
    let kind = parameters.get("rope_type").or(parameters.get("type"));
    let field = |key| {
        let value = number(parameters, key)?;
        value.ok_or_else(|| LoadError::config(key, "a number".into(), "nothing"))
    };
    match kind.and_then(Value::as_str) {
        None | Some("default") => Ok(RopeScaling::None),
        Some("linear") => Ok(RopeScaling::Linear { factor: field("factor")? }),
        Some("llama3") => Ok(RopeScaling::Llama3 {
            factor: field("factor")?,
            low_freq_factor: field("low_freq_factor")?,
            high_freq_factor: field("high_freq_factor")?,
            n_ctx_original: field("original_max_position_embeddings")?,
        }),
        Some(found) => {
            Err(LoadError::config("rope_type", "default, linear or llama3".into(), found))
        }
    }
}

/// `layer_types` names each layer; older files give a period instead, or nothing.
fn layer_kinds(json: &Value, n_layers: usize) -> Result<Option<Vec<LayerKind>>, LoadError> {
    if let Some(types) = json.get("layer_types").and_then(Value::as_array) {
        let kinds = types.iter().map(|name| match name.as_str() {
            Some("full_attention") => Ok(LayerKind::Full),
            Some("sliding_attention") => Ok(LayerKind::Sliding),
            _ => {
                let expected = "full_attention or sliding_attention";
                Err(LoadError::config("layer_types", expected.into(), name))
            }
        });
        return Ok(Some(kinds.collect::<Result<_, _>>()?));
    }
    let period = count(json, "sliding_window_pattern")?;
    Ok(period.map(|period| periodic(period, n_layers)))
}

fn number(json: &Value, key: &str) -> Result<Option<f64>, LoadError> {
    match json.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_f64() {
            Some(x) => Ok(Some(x)),
            None => Err(LoadError::config(key, "a number".into(), value)),
        },
    }
}

fn count(json: &Value, key: &str) -> Result<Option<usize>, LoadError> {
    match json.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
            Some(n) => Ok(Some(n as usize)),
            None => Err(LoadError::config(key, "a whole number below 2^32".into(), value)),
        },
    }
}

fn require(json: &Value, key: &str) -> Result<usize, LoadError> {
    count(json, key)?
        .ok_or_else(|| LoadError::config(key, "a whole number".into(), "nothing in config.json"))
}
