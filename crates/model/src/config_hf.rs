//! [`ModelConfig`] from a Hugging Face config.json.

use serde_json::Value;

use crate::config::{ModelConfig, RawConfig};
use crate::config_gguf::periodic;
use crate::error::LoadError;
use crate::experts_config;
use crate::latent_config;
use crate::rope_config::hf as rope_hf;
use crate::spec::{
    Activation, ArchSpec, AttentionKind, FeedForward, FileFormat, FullLayer, LayerKind, Output,
    PlainActivation, Positions, RopePairing, SizeScales,
};

/// What config.json calls a number: the common name first.
mod names {
    pub(super) const N_LAYERS: &[&str] =
        &["num_hidden_layers", "n_layer", "n_layers", "num_layers"];
    pub(super) const D_MODEL: &[&str] = &["hidden_size", "n_embd", "d_model", "dim"];
    pub(super) const D_FF: &[&str] =
        &["intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "d_ff", "hidden_dim"];
    pub(super) const N_HEADS: &[&str] =
        &["num_attention_heads", "n_head", "n_heads", "attention_heads", "num_heads"];
    pub(super) const HEAD_DIM: &[&str] = &["head_dim", "d_kv"];
    pub(super) const N_KV_HEADS: &[&str] = &["num_key_value_heads", "num_kv_heads", "n_head_kv"];
    pub(super) const N_CTX: &[&str] =
        &["max_position_embeddings", "n_positions", "max_seq_len", "seq_length"];
    pub(super) const NORM_EPS: &[&str] =
        &["rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_epsilon", "norm_eps"];
    pub(super) const ACTIVATION: &[&str] =
        &["hidden_activation", "hidden_act", "activation_function", "activation"];
    pub(super) const QKV_CLIP: &[&str] = &["clip_qkv"];
    pub(super) const LOGIT_SCALE: &[&str] = &["logit_scale", "logits_scaling"];
    pub(super) const ROPE_BASE: &[&str] = &["rope_theta", "rotary_emb_base", "global_rope_theta"];
    /// Positions that a layer with a window sees.
    pub(super) const WINDOW: &[&str] = &["sliding_window", "local_attention"];
    pub(super) const IS_PARALLEL: &[&str] = &["use_parallel_residual", "parallel_attn"];
}

/// `n_vocab` is the number of rows of the embedding.
pub(crate) fn read_config(
    spec: &ArchSpec,
    json: &Value,
    n_vocab: usize,
) -> Result<ModelConfig, LoadError> {
    let n_layers = n_layers(spec, json)?;
    check_variants(spec, json)?;
    let n_ctx = n_ctx(spec, json)?;
    let rope_hf::Parameters { full, sliding } = rope_hf::parameters(json)?;
    rope_hf::check_sliding(json, sliding)?;
    let scaled = full.or(json.get("rope_scaling"));
    let rope = rope_hf::scaled(json, scaled, n_ctx)?;
    let (d_model, n_heads) = (require(json, names::D_MODEL)?, require(json, names::N_HEADS)?);
    let base = |parameters: Option<&Value>| number(parameters?, &["rope_theta"]).transpose();
    let f32_of = |keys: &[&str]| Ok::<_, LoadError>(number(json, keys)?.map(|x| x as f32));
    let head_dim = count(json, names::HEAD_DIM)?;
    let is_latent = spec.attention == AttentionKind::Latent;
    let latent = is_latent.then(|| latent_config::of_hf(json)).transpose()?;
    let raw = RawConfig {
        n_layers,
        n_further_layers: count(json, &["num_nextn_predict_layers"])?.unwrap_or(0),
        d_model,
        d_ff: count(json, names::D_FF)?.or(expanded(json, d_model)?),
        experts: experts_config::of_hf(json)?,
        n_heads,
        n_kv_heads: n_kv_heads(json)?,
        head_dim,
        rope_dim: rope_hf::rope_dim(json, full, head_dim.unwrap_or(d_model / n_heads.max(1)))?,
        latent,
        n_vocab,
        n_ctx,
        norm_eps: f32_of(names::NORM_EPS)?.unwrap_or(spec.norm_eps),
        attn_scale: attn_scale(json)?,
        embedding_scale: embedding_scale(json)?,
        residual_scale: f32_of(&["residual_multiplier"])?,
        logit_scale: f32_of(names::LOGIT_SCALE)?,
        size_scales: size_scales(spec, json)?,
        is_parallel: flag(json, names::IS_PARALLEL)?,
        has_alibi: spec.may_have_alibi && flag(json, &["alibi"])?.unwrap_or(false),
        qkv_clip: qkv_clip(json)?,
        attn_softcap: f32_of(&["attn_logit_softcapping"])?,
        logit_softcap: f32_of(&["final_logit_softcapping"])?,
        rope_base: match base(full) {
            Some(base) => Some(base?),
            None => number(json, names::ROPE_BASE)?,
        },
        rope_base_sliding: match base(sliding) {
            Some(base) => Some(base?),
            None => number(json, &["rope_local_base_freq", "local_rope_theta"])?,
        },
        query_growth: rope_hf::query_growth(spec, scaled, rope.n_ctx_original)?,
        rope,
        rope_pairing: rope_pairing(json)?,
        rope_sections: rope_hf::sections(scaled)?,
        window: count(json, names::WINDOW)?.map(|n| n as u32),
        is_causal: flag(json, &["use_bidirectional_attention"])?.map(|is_both| !is_both),
        n_buckets: count(json, &["relative_attention_num_buckets"])?,
        max_distance: count(json, &["relative_attention_max_distance"])?,
        decoder_start_id: count(json, &["decoder_start_token_id"])?.map(|id| id as u32),
        layer_kinds: layer_kinds(json, n_layers, spec.full_layer)?,
        rotates: rotates(json)?,
    };
    raw.finish(spec, FileFormat::HuggingFace)
}

fn rope_pairing(json: &Value) -> Result<Option<RopePairing>, LoadError> {
    let pairing = |flag| if flag { RopePairing::Interleaved } else { RopePairing::HalfSplit };
    Ok(flag(json, &["rope_interleave"])?.map(pairing))
}

fn qkv_clip(json: &Value) -> Result<Option<f32>, LoadError> {
    let clip = match number(json, names::QKV_CLIP)? {
        Some(clip) => Some(clip),
        None => number(&json["attn_config"], names::QKV_CLIP)?,
    };
    Ok(clip.map(|clip| clip as f32))
}

fn attn_scale(json: &Value) -> Result<Option<f32>, LoadError> {
    let scale = match number(json, &["query_pre_attn_scalar"])? {
        Some(scalar) => Some(scalar.powf(-0.5)),
        None => number(json, &["attention_multiplier"])?,
    };
    Ok(scale.map(|scale| scale as f32))
}

fn n_kv_heads(json: &Value) -> Result<Option<usize>, LoadError> {
    if json["multi_query"] == true && json["new_decoder_architecture"] != true {
        return Ok(Some(1));
    }
    count(json, names::N_KV_HEADS)
}

fn n_ctx(spec: &ArchSpec, json: &Value) -> Result<usize, LoadError> {
    match spec.n_ctx {
        Some(n_ctx) => Ok(count(json, names::N_CTX)?.unwrap_or(n_ctx)),
        None => require(json, names::N_CTX),
    }
}

/// Of a decoder with an encoder, where that has another number.
fn n_layers(spec: &ArchSpec, json: &Value) -> Result<usize, LoadError> {
    let of_decoder = spec.encoder.map(|_| count(json, &["num_decoder_layers"])).transpose()?;
    of_decoder.flatten().map_or_else(|| require(json, names::N_LAYERS), Ok)
}

/// `None`: what the architecture does.
fn embedding_scale(json: &Value) -> Result<Option<f32>, LoadError> {
    if flag(json, &["scale_embedding"])? == Some(false) {
        return Ok(Some(1.0));
    }
    Ok(number(json, &["embedding_multiplier"])?.map(|x| x as f32))
}

fn size_scales(spec: &ArchSpec, json: &Value) -> Result<Option<SizeScales>, LoadError> {
    let Some(default) = spec.size_scales else { return Ok(None) };
    let or = |key: &str, default: f32| {
        Ok::<_, LoadError>(number(json, &[key])?.map_or(default, |x| x as f32))
    };
    Ok(Some(SizeScales {
        embedding: or("scale_emb", default.embedding)?,
        depth: or("scale_depth", default.depth)?,
        d_model_base: or("dim_model_base", default.d_model_base)?,
    }))
}

fn expanded(json: &Value, d_model: usize) -> Result<Option<usize>, LoadError> {
    Ok(count(json, &["expansion_ratio"])?.map(|ratio| ratio.saturating_mul(d_model)))
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
        FeedForward::Gated(Activation::Silu | Activation::ClampedSilu) => {
            &["silu", "swish", "swiglu"]
        }
        FeedForward::Gated(Activation::Gelu) => &["gelu"],
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
    if spec.feed_forward == FeedForward::Gated(Activation::ClampedSilu) {
        for (key, expected) in [("swiglu_alpha", 1.702), ("swiglu_limit", 7.0)] {
            if let Some(found) = number(json, &[key])?.filter(|&found| found != expected) {
                return Err(LoadError::config(key, expected.to_string(), found));
            }
        }
    }
    // Whether there is a gate, tensors say too.
    let key = "feed_forward_proj";
    if let Some(found) = json.get(key).filter(|_| spec.ungated.is_some())
        && !["gated-gelu", "relu"].iter().any(|name| found == name)
    {
        return Err(LoadError::config(key, "gated-gelu or relu".into(), found));
    }
    let slides_somewhere = json["use_sliding_window"] == true
        && json["layer_types"].is_null()
        && !spec.layer_kinds.contains(&LayerKind::Sliding);
    if slides_somewhere {
        return Err(LoadError::config("use_sliding_window", "false".into(), true));
    }
    let has_alibi = spec.positions == Positions::Alibi;
    for (json, key, expected) in [
        (json, "apply_residual_connection_post_layernorm", false),
        (json, "do_layer_norm_before", true),
        (json, "is_decoder", false),
        (json, "prenorm", false),
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
    check_positions(json, has_alibi)?;
    let is_both_ways = flag(json, &["use_bidirectional_attention"])?.unwrap_or(false);
    if is_both_ways && spec.output == Output::Logits {
        return Err(LoadError::config("use_bidirectional_attention", "false".into(), true));
    }
    let key = "word_embed_proj_dim";
    if let (Some(found), d_model) = (count(json, &[key])?, require(json, names::D_MODEL)?)
        && found != d_model
    {
        return Err(LoadError::config(key, format!("hidden_size = {d_model}"), found));
    }
    Ok(())
}

/// What folders of encoders say of their positions.
fn check_positions(json: &Value, has_alibi: bool) -> Result<(), LoadError> {
    let (key, expected) = ("position_embedding_type", if has_alibi { "alibi" } else { "absolute" });
    if let Some(found) = json.get(key).filter(|found| *found != expected) {
        return Err(LoadError::config(key, expected.into(), found));
    }
    let key = "rotary_scaling_factor";
    match number(json, &[key])? {
        Some(found) => Err(LoadError::config(key, "null: positions are not scaled".into(), found)),
        None => Ok(()),
    }
}

/// `layer_types` names each layer; older files give a period instead, or nothing.
fn layer_kinds(
    json: &Value,
    n_layers: usize,
    full_layer: FullLayer,
) -> Result<Option<Vec<LayerKind>>, LoadError> {
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
    if let Some(letters) = json["sliding_window_pattern"].as_str() {
        return letters_of_kinds(letters, n_layers).map(Some);
    }
    let period = count(json, &["sliding_window_pattern", "global_attn_every_n_layers"])?;
    Ok(period.map(|period| periodic(period, n_layers, full_layer)))
}

/// Local and global layers, over and over.
fn letters_of_kinds(letters: &str, n_layers: usize) -> Result<Vec<LayerKind>, LoadError> {
    let kinds = letters.chars().cycle().take(n_layers).map(|letter| match letter {
        'L' => Ok(LayerKind::Sliding),
        'G' => Ok(LayerKind::Full),
        _ => {
            let expected = "a word of L and G".into();
            Err(LoadError::config("sliding_window_pattern", expected, letters))
        }
    });
    kinds.collect()
}

/// The first of the names that the file has, with its value.
fn find<'a, 'b>(json: &'a Value, keys: &[&'b str]) -> Option<(&'b str, &'a Value)> {
    let values = keys.iter().filter_map(|&key| Some((key, json.get(key)?)));
    values.into_iter().find(|(_, value)| !value.is_null())
}

pub(crate) fn number(json: &Value, keys: &[&str]) -> Result<Option<f64>, LoadError> {
    let Some((key, value)) = find(json, keys) else { return Ok(None) };
    match value.as_f64() {
        Some(x) => Ok(Some(x)),
        None => Err(LoadError::config(key, "a number".into(), value)),
    }
}

pub(crate) fn flag(json: &Value, keys: &[&str]) -> Result<Option<bool>, LoadError> {
    let Some((key, value)) = find(json, keys) else { return Ok(None) };
    match value.as_bool() {
        Some(x) => Ok(Some(x)),
        None => Err(LoadError::config(key, "true or false".into(), value)),
    }
}

pub(crate) fn count(json: &Value, keys: &[&str]) -> Result<Option<usize>, LoadError> {
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
