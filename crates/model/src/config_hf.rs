//! [`ModelConfig`] from a Hugging Face config.json.

use serde_json::Value;

use crate::config::{ModelConfig, RawConfig, RopeScaling};
use crate::config_gguf::periodic;
use crate::error::LoadError;
use crate::spec::{Activation, ArchSpec, FeedForward, FileFormat, LayerKind};

/// `n_vocab` is the number of rows of the embedding.
pub(crate) fn read_config(
    spec: &ArchSpec,
    json: &Value,
    n_vocab: usize,
) -> Result<ModelConfig, LoadError> {
    let n_layers = require(json, "num_hidden_layers")?;
    check_variants(spec, json)?;
    let (full, sliding) = rope_parameters(json)?;
    if rope_scaling(sliding)? != RopeScaling::None {
        let expected = "default for sliding layers".into();
        return Err(LoadError::config("rope_type", expected, &json["rope_parameters"]));
    }
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
            Some(base) => Some(base?),
            None => number(json, "rope_theta")?,
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

/// What the decoder loop does not do must not be ignored.
fn check_variants(spec: &ArchSpec, json: &Value) -> Result<(), LoadError> {
    let FeedForward::Gated(activation) = spec.feed_forward;
    let names: &[&str] = match activation {
        Activation::Silu => &["silu", "swish"],
        Activation::GeluTanh => &["gelu_pytorch_tanh"],
    };
    let keys = ["hidden_activation", "hidden_act"];
    let named = keys.into_iter().find(|key| json.get(key).is_some_and(|name| !name.is_null()));
    if let Some(key) = named
        && !names.iter().any(|name| json[key] == *name)
    {
        return Err(LoadError::config(key, names.join(" or "), &json[key]));
    }
    let key = "partial_rotary_factor";
    if number(json, key)?.is_some_and(|factor| factor != 1.0) {
        return Err(LoadError::config(key, "1".into(), &json[key]));
    }
    let slides_somewhere = json["use_sliding_window"] == true
        && json["layer_types"].is_null()
        && !spec.layer_kinds.contains(&LayerKind::Sliding);
    for (key, is_set) in [
        ("use_sliding_window", slides_somewhere),
        ("use_bidirectional_attention", json["use_bidirectional_attention"] == true),
    ] {
        if is_set {
            return Err(LoadError::config(key, "false".into(), true));
        }
    }
    Ok(())
}

/// RoPE of the full and of the sliding layers. Newer files keep it in `rope_parameters`, one object
/// for all layers (then the second is `None`) or one per kind of layer.
fn rope_parameters(json: &Value) -> Result<(Option<&Value>, Option<&Value>), LoadError> {
    let key = "rope_parameters";
    match json.get(key) {
        None | Some(Value::Null) => Ok((None, None)),
        Some(all @ Value::Object(_)) => {
            let is_for_all = all.get("rope_type").or(all.get("rope_theta")).is_some();
            Ok(match is_for_all {
                true => (Some(all), None),
                false => (all.get("full_attention"), all.get("sliding_attention")),
            })
        }
        Some(found) => Err(LoadError::config(key, "an object".into(), found)),
    }
}

fn rope_scaling(parameters: Option<&Value>) -> Result<RopeScaling, LoadError> {
    let Some(parameters) = parameters.filter(|value| !value.is_null()) else {
        return Ok(RopeScaling::None);
    };
    if !parameters.is_object() {
        return Err(LoadError::config("rope_scaling", "an object".into(), parameters));
    }
    let kind = parameters.get("rope_type").or(parameters.get("type"));
    let field = |key: &str| {
        let expected =
            || LoadError::config(&format!("rope_scaling.{key}"), "a number".into(), "nothing");
        number(parameters, key)?.ok_or_else(expected)
    };
    match kind.map(Value::as_str) {
        None if parameters.get("factor").is_some() => {
            let expected = "a rope_type beside the factor";
            Err(LoadError::config("rope_scaling", expected.into(), parameters))
        }
        None | Some(Some("default")) => Ok(RopeScaling::None),
        Some(Some("linear")) => Ok(RopeScaling::Linear { factor: field("factor")? }),
        Some(Some("llama3")) => Ok(RopeScaling::Llama3 {
            factor: field("factor")?,
            low_freq_factor: field("low_freq_factor")?,
            high_freq_factor: field("high_freq_factor")?,
            n_ctx_original: field("original_max_position_embeddings")?,
        }),
        Some(_) => {
            let found = kind.unwrap_or(&Value::Null);
            Err(LoadError::config("rope_type", "default, linear or llama3".into(), found))
        }
    }
}

/// `layer_types` names each layer; older files give a period instead, or nothing.
fn layer_kinds(json: &Value, n_layers: usize) -> Result<Option<Vec<LayerKind>>, LoadError> {
    if let Some(types) = json.get("layer_types").filter(|types| !types.is_null()) {
        let malformed = |found: &Value| {
            let expected = "a list of full_attention and sliding_attention";
            LoadError::config("layer_types", expected.into(), found)
        };
        let types = types.as_array().ok_or_else(|| malformed(types))?;
        let kinds = types.iter().map(|name| match name.as_str() {
            Some("full_attention") => Ok(LayerKind::Full),
            Some("sliding_attention") => Ok(LayerKind::Sliding),
            _ => Err(malformed(name)),
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
