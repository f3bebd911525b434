//! [`ModelConfig`] from a Hugging Face config.json.

use serde_json::Value;

use crate::config::{ModelConfig, RawConfig, RopeFactors, RopeScaling, ScaledRope};
use crate::config_gguf::periodic;
use crate::error::LoadError;
use crate::spec::{
    Activation, ArchSpec, FeedForward, FileFormat, LayerKind, PlainActivation, Positions,
};

/// What config.json calls a number: the common name first.
mod names {
    pub(super) const N_LAYERS: &[&str] =
        &["num_hidden_layers", "n_layer", "n_layers", "num_layers"];
    pub(super) const D_MODEL: &[&str] = &["hidden_size", "n_embd", "d_model"];
    pub(super) const D_FF: &[&str] = &["intermediate_size", "n_inner", "ffn_dim"];
    pub(super) const N_HEADS: &[&str] =
        &["num_attention_heads", "n_head", "n_heads", "attention_heads"];
    pub(super) const N_KV_HEADS: &[&str] = &["num_key_value_heads", "num_kv_heads"];
    pub(super) const N_CTX: &[&str] =
        &["max_position_embeddings", "n_positions", "max_seq_len", "seq_length"];
    pub(super) const NORM_EPS: &[&str] =
        &["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"];
    pub(super) const ACTIVATION: &[&str] =
        &["hidden_activation", "hidden_act", "activation_function", "activation"];
    pub(super) const ROPE_DIM: &[&str] = &["rotary_dim"];
    pub(super) const ROPE_SHARE: &[&str] = &["partial_rotary_factor", "rotary_pct"];
    pub(super) const QKV_CLIP: &[&str] = &["clip_qkv"];
    pub(super) const LOGIT_SCALE: &[&str] = &["logit_scale", "logits_scaling"];
    pub(super) const ROPE_BASE: &[&str] = &["rope_theta", "rotary_emb_base"];
    pub(super) const IS_PARALLEL: &[&str] = &["use_parallel_residual"];
}

/// `n_vocab` is the number of rows of the embedding.
pub(crate) fn read_config(
    spec: &ArchSpec,
    json: &Value,
    n_vocab: usize,
) -> Result<ModelConfig, LoadError> {
    let n_layers = require(json, names::N_LAYERS)?;
    check_variants(spec, json)?;
    let n_ctx = match spec.n_ctx {
        Some(n_ctx) => count(json, names::N_CTX)?.unwrap_or(n_ctx),
        None => require(json, names::N_CTX)?,
    };
    let (full, sliding) = rope_parameters(json)?;
    let scaled_sliding = scaled_rope(json, sliding, n_ctx)?;
    if scaled_sliding.scaling != RopeScaling::None || scaled_sliding.factors != RopeFactors::None {
        let expected = "default for sliding layers".into();
        return Err(LoadError::config("rope_type", expected, &json["rope_parameters"]));
    }
    let (d_model, n_heads) = (require(json, names::D_MODEL)?, require(json, names::N_HEADS)?);
    let base = |parameters: Option<&Value>| number(parameters?, &["rope_theta"]).transpose();
    let f32_of = |keys: &[&str]| Ok::<_, LoadError>(number(json, keys)?.map(|x| x as f32));
    let head_dim = count(json, &["head_dim"])?;
    let raw = RawConfig {
        n_layers,
        d_model,
        d_ff: count(json, names::D_FF)?.or(expanded(json, d_model)?),
        n_experts: count(json, &["num_experts", "num_local_experts"])?,
        n_experts_used: count(json, &["num_experts_per_tok"])?,
        d_ff_expert: count(json, &["moe_intermediate_size"])?,
        d_ff_shared: count(json, &["shared_expert_intermediate_size"])?,
        normalizes_experts: flag(json, &["norm_topk_prob"])?,
        n_heads,
        n_kv_heads: match json["multi_query"] == true {
            true => Some(1),
            false => count(json, names::N_KV_HEADS)?,
        },
        head_dim,
        rope_dim: rope_dim(json, full, head_dim.unwrap_or(d_model / n_heads.max(1)))?,
        n_vocab,
        n_ctx,
        norm_eps: f32_of(names::NORM_EPS)?.unwrap_or(spec.norm_eps),
        attn_scale: match number(json, &["query_pre_attn_scalar"])? {
            Some(scalar) => Some(scalar.powf(-0.5) as f32),
            None => f32_of(&["attention_multiplier"])?,
        },
        embedding_scale: match flag(json, &["scale_embedding"])? {
            Some(false) => Some(1.0),
            _ => f32_of(&["embedding_multiplier"])?,
        },
        residual_scale: f32_of(&["residual_multiplier"])?,
        logit_scale: f32_of(names::LOGIT_SCALE)?,
        is_parallel: flag(json, names::IS_PARALLEL)?,
        has_alibi: spec.may_have_alibi && flag(json, &["alibi"])?.unwrap_or(false),
        qkv_clip: match f32_of(names::QKV_CLIP)? {
            Some(clip) => Some(clip),
            None => number(&json["attn_config"], names::QKV_CLIP)?.map(|x| x as f32),
        },
        attn_softcap: f32_of(&["attn_logit_softcapping"])?,
        logit_softcap: f32_of(&["final_logit_softcapping"])?,
        rope_base: match base(full) {
            Some(base) => Some(base?),
            None => number(json, names::ROPE_BASE)?,
        },
        rope_base_sliding: match base(sliding) {
            Some(base) => Some(base?),
            None => number(json, &["rope_local_base_freq"])?,
        },
        rope: scaled_rope(json, full.or(json.get("rope_scaling")), n_ctx)?,
        rope_sections: rope_sections(full.or(json.get("rope_scaling")))?,
        window: count(json, &["sliding_window"])?.map(|n| n as u32),
        layer_kinds: layer_kinds(json, n_layers)?,
        rotates: rotates(json)?,
    };
    raw.finish(spec, FileFormat::HuggingFace)
}

fn expanded(json: &Value, d_model: usize) -> Result<Option<usize>, LoadError> {
    Ok(count(json, &["expansion_ratio"])?.map(|ratio| ratio.saturating_mul(d_model)))
}

/// The part of a head that is rotated, where it is not all of it.
fn rope_dim(
    json: &Value,
    rope: Option<&Value>,
    head_dim: usize,
) -> Result<Option<usize>, LoadError> {
    let share = match number(json, names::ROPE_SHARE)? {
        Some(share) => Some(share),
        None => rope.map(|rope| number(rope, names::ROPE_SHARE)).transpose()?.flatten(),
    };
    let of_share = share.map(|share| (head_dim as f64 * share.clamp(0.0, 1.0)) as usize);
    Ok(count(json, names::ROPE_DIM)?.or(of_share))
}

/// `no_rope_layers` holds a 1 for each layer that rotates.
fn rotates(json: &Value) -> Result<Option<Vec<bool>>, LoadError> {
    let key = "no_rope_layers";
    let Some(flags) = json.get(key).filter(|flags| !flags.is_null()) else { return Ok(None) };
    let malformed =
        |found: &Value| LoadError::config(key, "a list of zeros and ones".into(), found);
    let flags = flags.as_array().ok_or_else(|| malformed(flags))?;
    let rotates = flags.iter().map(|flag| match flag.as_u64() {
        Some(flag @ (0 | 1)) => Ok(flag == 1),
        _ => Err(malformed(flag)),
    });
    Ok(Some(rotates.collect::<Result<_, _>>()?))
}

/// What the decoder loop does not do must not be ignored.
fn check_variants(spec: &ArchSpec, json: &Value) -> Result<(), LoadError> {
    let expected: &[&str] = match spec.feed_forward {
        FeedForward::Gated(Activation::Silu) => &["silu", "swish"],
        FeedForward::Gated(Activation::GeluTanh)
        | FeedForward::Plain(PlainActivation::GeluTanh) => {
            &["gelu_pytorch_tanh", "gelu_new", "gelu_fast"]
        }
        FeedForward::Plain(PlainActivation::Gelu) => &["gelu"],
        FeedForward::Plain(PlainActivation::Relu) => &["relu"],
        FeedForward::Plain(PlainActivation::ReluSquared) => &["relu2"],
    };
    if let Some((key, found)) = find(json, names::ACTIVATION)
        && !expected.iter().any(|name| found == *name)
    {
        return Err(LoadError::config(key, expected.join(" or "), found));
    }
    let slides_somewhere = json["use_sliding_window"] == true
        && json["layer_types"].is_null()
        && !spec.layer_kinds.contains(&LayerKind::Sliding);
    if slides_somewhere {
        return Err(LoadError::config("use_sliding_window", "false".into(), true));
    }
    let has_alibi = spec.positions == Positions::Alibi;
    for (json, key, expected) in [
        (json, "use_bidirectional_attention", false),
        (json, "new_decoder_architecture", false),
        (json, "apply_residual_connection_post_layernorm", false),
        (json, "do_layer_norm_before", true),
        (&json["attn_config"], "alibi", has_alibi),
        (&json["attn_config"], "qk_ln", false),
    ] {
        if flag(json, &[key])?.is_some_and(|found| found != expected) {
            return Err(LoadError::config(key, expected.to_string(), !expected));
        }
    }
    let (key, alibi) = ("alibi", flag(json, &["alibi"])?);
    if alibi.is_some_and(|found| found != has_alibi && !spec.may_have_alibi) {
        return Err(LoadError::config(key, has_alibi.to_string(), !has_alibi));
    }
    if count(json, &["decoder_sparse_step"])?.is_some_and(|step| step != 1) {
        let key = "decoder_sparse_step";
        return Err(LoadError::config(key, "1, experts in every layer".into(), &json[key]));
    }
    if let Some(layers) = json["mlp_only_layers"].as_array()
        && !layers.is_empty()
    {
        let expected = "an empty list, experts in every layer";
        return Err(LoadError::config(
            "mlp_only_layers",
            expected.into(),
            &json["mlp_only_layers"],
        ));
    }
    let key = "word_embed_proj_dim";
    if let (Some(found), d_model) = (count(json, &[key])?, require(json, names::D_MODEL)?)
        && found != d_model
    {
        return Err(LoadError::config(key, format!("hidden_size = {d_model}"), found));
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

/// What `rope_scaling` says, or an entry of `rope_parameters`. `n_ctx`: `max_position_embeddings`.
fn scaled_rope(
    json: &Value,
    parameters: Option<&Value>,
    n_ctx: usize,
) -> Result<ScaledRope, LoadError> {
    // Some folders keep it beside the rest.
    let original = &["original_max_position_embeddings"];
    let n_ctx_original = number(json, original)?;
    let plain = |n_ctx_original: Option<f64>| ScaledRope {
        n_ctx_original: n_ctx_original.unwrap_or(n_ctx as f64),
        ..ScaledRope::default()
    };
    let Some(parameters) = parameters.filter(|value| !value.is_null()) else {
        return Ok(plain(n_ctx_original));
    };
    if !parameters.is_object() {
        return Err(LoadError::config("rope_scaling", "an object".into(), parameters));
    }
    let kind = parameters.get("rope_type").or(parameters.get("type"));
    let optional = |key: &str| number(parameters, &[key]);
    let field = |key: &str| {
        let expected =
            || LoadError::config(&format!("rope_scaling.{key}"), "a number".into(), "nothing");
        optional(key)?.ok_or_else(expected)
    };
    let n_ctx_original = match n_ctx_original {
        Some(n) => Some(n),
        None => number(parameters, original)?,
    };
    let plain = plain(n_ctx_original);
    let of = |scaling| ScaledRope { scaling, ..plain.clone() };
    match kind.map(Value::as_str) {
        None if parameters.get("factor").is_some() => {
            let expected = "a rope_type beside the factor";
            Err(LoadError::config("rope_scaling", expected.into(), parameters))
        }
        // M-RoPE turns each section of a head by a position of its own; in a text they are one.
        None | Some(Some("default" | "mrope")) => Ok(plain),
        Some(Some("linear")) => Ok(of(RopeScaling::Linear { factor: field("factor")? })),
        Some(Some("dynamic")) => Ok(of(RopeScaling::DynamicNtk { factor: field("factor")? })),
        Some(Some("llama3")) => {
            field(original[0])?;
            Ok(of(RopeScaling::Llama3 {
                factor: field("factor")?,
                low_freq_factor: field("low_freq_factor")?,
                high_freq_factor: field("high_freq_factor")?,
            }))
        }
        Some(Some("yarn")) => {
            let factor = field("factor")?;
            let (all, one) = (optional("mscale_all_dim")?, optional("mscale")?);
            let of = |mscale: f64| mscale * (ScaledRope::yarn_magnitude(factor) - 1.0) + 1.0;
            let default = match (one.filter(|&x| x != 0.0), all.filter(|&x| x != 0.0)) {
                (Some(one), Some(all)) => of(one) / of(all),
                _ => ScaledRope::yarn_magnitude(factor),
            };
            let scaling = RopeScaling::Yarn {
                factor,
                beta_fast: optional("beta_fast")?.unwrap_or(32.0),
                beta_slow: optional("beta_slow")?.unwrap_or(1.0),
                is_truncated: flag(parameters, &["truncate"])?.unwrap_or(true),
            };
            let magnitude = optional("attention_factor")?.unwrap_or(default);
            Ok(ScaledRope { scaling, magnitude, ..plain })
        }
        // The first folders called it by a syllable of an author's name.
        Some(Some("longrope" | "su")) => {
            let factors = |key: &str| numbers(parameters, &format!("rope_scaling.{key}"), key);
            let (short, long) = (factors("short_factor")?, factors("long_factor")?);
            let factor = optional("factor")?.unwrap_or(n_ctx as f64 / plain.n_ctx_original);
            let default = ScaledRope::long_rope_magnitude(factor, plain.n_ctx_original);
            let magnitude = optional("attention_factor")?.unwrap_or(default);
            let factors = RopeFactors::ByContext { short, long };
            Ok(ScaledRope { factors, magnitude, ..plain })
        }
        Some(_) => {
            let found = kind.unwrap_or(&Value::Null);
            let expected = "default, linear, dynamic, yarn, longrope, llama3 or mrope";
            Err(LoadError::config("rope_type", expected.into(), found))
        }
    }
}

fn rope_sections(parameters: Option<&Value>) -> Result<Option<Vec<usize>>, LoadError> {
    let (key, name) = ("mrope_section", "rope_scaling.mrope_section");
    let Some(parameters) = parameters.filter(|json| !json[key].is_null()) else { return Ok(None) };
    let sections = numbers(parameters, name, key)?;
    Ok(Some(sections.into_iter().map(|n| n as usize).collect()))
}

fn numbers(json: &Value, name: &str, key: &str) -> Result<Vec<f32>, LoadError> {
    let malformed = |found: &Value| LoadError::config(name, "a list of numbers".into(), found);
    let values = json[key].as_array().ok_or_else(|| malformed(&json[key]))?;
    let values = values.iter().map(|x| x.as_f64().ok_or_else(|| malformed(x)));
    values.map(|x| Ok(x? as f32)).collect()
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
    let period = count(json, &["sliding_window_pattern"])?;
    Ok(period.map(|period| periodic(period, n_layers)))
}

/// The first of the names that the file has, with its value.
fn find<'a, 'b>(json: &'a Value, keys: &[&'b str]) -> Option<(&'b str, &'a Value)> {
    let values = keys.iter().filter_map(|&key| Some((key, json.get(key)?)));
    values.into_iter().find(|(_, value)| !value.is_null())
}

fn number(json: &Value, keys: &[&str]) -> Result<Option<f64>, LoadError> {
    let Some((key, value)) = find(json, keys) else { return Ok(None) };
    match value.as_f64() {
        Some(x) => Ok(Some(x)),
        None => Err(LoadError::config(key, "a number".into(), value)),
    }
}

fn flag(json: &Value, keys: &[&str]) -> Result<Option<bool>, LoadError> {
    let Some((key, value)) = find(json, keys) else { return Ok(None) };
    match value.as_bool() {
        Some(x) => Ok(Some(x)),
        None => Err(LoadError::config(key, "true or false".into(), value)),
    }
}

fn count(json: &Value, keys: &[&str]) -> Result<Option<usize>, LoadError> {
    let Some((key, value)) = find(json, keys) else { return Ok(None) };
    match value.as_u64().and_then(|n| u32::try_from(n).ok()) {
        Some(n) => Ok(Some(n as usize)),
        None => Err(LoadError::config(key, "a whole number below 2^32".into(), value)),
    }
}

fn require(json: &Value, keys: &[&str]) -> Result<usize, LoadError> {
    let missing = || LoadError::config(keys[0], "a whole number".into(), "nothing in config.json");
    count(json, keys)?.ok_or_else(missing)
}
