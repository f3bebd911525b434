//! How RoPE is scaled, from a Hugging Face config.json.

use serde_json::Value;

use super::{QueryGrowth, RopeFactors, RopeScaling, ScaledRope};
use crate::config_hf::{count, flag, number};
use crate::error::LoadError;
use crate::spec::ArchSpec;

const ORIGINAL: &[&str] = &["original_max_position_embeddings"];

/// RoPE of the full and of the sliding layers. Newer files keep it in `rope_parameters`, one object
/// for all layers, then `full`, or one per kind of layer.
pub(crate) struct Parameters<'a> {
    pub(crate) full: Option<&'a Value>,
    pub(crate) sliding: Option<&'a Value>,
}

pub(crate) fn parameters(json: &Value) -> Result<Parameters<'_>, LoadError> {
    let key = "rope_parameters";
    match json.get(key) {
        None | Some(Value::Null) => Ok(Parameters { full: None, sliding: None }),
        Some(all @ Value::Object(_)) => {
            let is_for_all = all.get("rope_type").or(all.get("rope_theta")).is_some();
            Ok(match is_for_all {
                true => Parameters { full: Some(all), sliding: None },
                false => Parameters {
                    full: all.get("full_attention"),
                    sliding: all.get("sliding_attention"),
                },
            })
        }
        Some(found) => Err(LoadError::config(key, "an object".into(), found)),
    }
}

/// Layers with a window are never scaled otherwise than those without.
pub(crate) fn check_sliding(json: &Value, sliding: Option<&Value>) -> Result<(), LoadError> {
    let kind = sliding.map_or(&Value::Null, |sliding| &sliding["rope_type"]);
    if kind.is_null() || kind == "default" {
        return Ok(());
    }
    let expected = "default for sliding layers".into();
    Err(LoadError::config("rope_type", expected, &json["rope_parameters"]))
}

/// The part of a head that is rotated, where it is not all of it.
pub(crate) fn rope_dim(
    json: &Value,
    rope: Option<&Value>,
    head_dim: usize,
) -> Result<Option<usize>, LoadError> {
    let names = &["partial_rotary_factor", "rotary_pct"];
    let share = match number(json, names)? {
        Some(share) => Some(share),
        None => rope.map(|rope| number(rope, names)).transpose()?.flatten(),
    };
    let of_share = share.map(|share| (head_dim as f64 * share.clamp(0.0, 1.0)) as usize);
    Ok(count(json, &["rotary_dim"])?.or(of_share))
}

/// What `rope_scaling` says, or an entry of `rope_parameters`. `n_ctx`: `max_position_embeddings`.
pub(crate) fn scaled(
    json: &Value,
    parameters: Option<&Value>,
    n_ctx: usize,
) -> Result<ScaledRope, LoadError> {
    let parameters = parameters.unwrap_or(&Value::Null);
    if !parameters.is_object() && !parameters.is_null() {
        return Err(LoadError::config("rope_scaling", "an object".into(), parameters));
    }
    // Some folders keep it beside the rest.
    let n_ctx_original = match number(json, ORIGINAL)? {
        Some(n) => Some(n),
        None => number(parameters, ORIGINAL)?,
    };
    let n_ctx_original = n_ctx_original.unwrap_or(n_ctx as f64);
    let plain = ScaledRope { n_ctx_original, ..ScaledRope::default() };
    let of = |scaling| Ok(ScaledRope { scaling, ..plain.clone() });
    let kind = parameters.get("rope_type").or(parameters.get("type"));
    match kind.map(Value::as_str) {
        None if parameters.get("factor").is_some() => {
            let expected = "a rope_type beside the factor";
            Err(LoadError::config("rope_scaling", expected.into(), parameters))
        }
        // M-RoPE turns each section of a head by a position of its own; in a text they are one.
        None | Some(Some("default" | "mrope")) => Ok(plain),
        Some(Some("linear")) => of(RopeScaling::Linear { factor: field(parameters, "factor")? }),
        Some(Some("dynamic")) if !parameters["alpha"].is_null() => {
            of(RopeScaling::Ntk { alpha: field(parameters, "alpha")? })
        }
        Some(Some("dynamic")) => {
            of(RopeScaling::DynamicNtk { factor: field(parameters, "factor")? })
        }
        Some(Some("llama3")) => {
            field(parameters, ORIGINAL[0])?;
            of(RopeScaling::Llama3 {
                factor: field(parameters, "factor")?,
                low_freq_factor: field(parameters, "low_freq_factor")?,
                high_freq_factor: field(parameters, "high_freq_factor")?,
            })
        }
        Some(Some("yarn")) => yarn(parameters, plain),
        // The first folders called it by a syllable of an author's name.
        Some(Some("longrope" | "su")) => long_rope(parameters, plain, n_ctx),
        Some(_) => {
            let found = kind.unwrap_or(&Value::Null);
            let expected = "default, linear, dynamic, yarn, longrope, llama3 or mrope";
            Err(LoadError::config("rope_type", expected.into(), found))
        }
    }
}

fn yarn(parameters: &Value, plain: ScaledRope) -> Result<ScaledRope, LoadError> {
    let optional = |key: &str| number(parameters, &[key]);
    let factor = field(parameters, "factor")?;
    let scales = (optional("mscale")?, optional("mscale_all_dim")?);
    let of = |mscale: f64| mscale * (ScaledRope::yarn_magnitude(factor) - 1.0) + 1.0;
    let magnitude_of_all = of(scales.1.unwrap_or(0.0));
    let default = match scales {
        (Some(one), Some(all)) if one != 0.0 && all != 0.0 => of(one) / magnitude_of_all,
        _ => ScaledRope::yarn_magnitude(factor),
    };
    let scaling = RopeScaling::Yarn {
        factor,
        beta_fast: optional("beta_fast")?.unwrap_or(32.0),
        beta_slow: optional("beta_slow")?.unwrap_or(1.0),
        is_truncated: flag(parameters, &["truncate"])?.unwrap_or(true),
    };
    let magnitude = optional("attention_factor")?.unwrap_or(default);
    Ok(ScaledRope { scaling, magnitude, magnitude_of_all, ..plain })
}

fn long_rope(parameters: &Value, plain: ScaledRope, n_ctx: usize) -> Result<ScaledRope, LoadError> {
    let optional = |key: &str| number(parameters, &[key]);
    let factors = |key: &str| numbers(parameters, key);
    let (short, long) = (factors("short_factor")?, factors("long_factor")?);
    let factor = optional("factor")?.unwrap_or(n_ctx as f64 / plain.n_ctx_original);
    let default = ScaledRope::long_rope_magnitude(factor, plain.n_ctx_original);
    let magnitude = optional("attention_factor")?.unwrap_or(default);
    Ok(ScaledRope { factors: RopeFactors::ByContext { short, long }, magnitude, ..plain })
}

pub(crate) fn query_growth(
    spec: &ArchSpec,
    parameters: Option<&Value>,
    n_ctx_original: f64,
) -> Result<Option<QueryGrowth>, LoadError> {
    let (Some(key), Some(parameters)) = (spec.query_growth, parameters) else { return Ok(None) };
    let beta = number(parameters, &[key])?;
    Ok(beta.map(|beta| QueryGrowth { beta, n_ctx: n_ctx_original }))
}

/// M-RoPE's, of which a text needs only the sum.
pub(crate) fn sections(parameters: Option<&Value>) -> Result<Option<Vec<usize>>, LoadError> {
    let key = "mrope_section";
    let Some(parameters) = parameters.filter(|json| !json[key].is_null()) else { return Ok(None) };
    let sections = numbers(parameters, key)?;
    Ok(Some(sections.into_iter().map(|n| n as usize).collect()))
}

fn field(parameters: &Value, key: &str) -> Result<f64, LoadError> {
    let missing =
        || LoadError::config(&format!("rope_scaling.{key}"), "a number".into(), "nothing");
    number(parameters, &[key])?.ok_or_else(missing)
}

fn numbers(parameters: &Value, key: &str) -> Result<Vec<f32>, LoadError> {
    let malformed = |found: &Value| {
        LoadError::config(&format!("rope_scaling.{key}"), "a list of numbers".into(), found)
    };
    let found = &parameters[key];
    let values = found.as_array().ok_or_else(|| malformed(found))?;
    let values = values.iter().map(|x| x.as_f64().ok_or_else(|| malformed(x)));
    values.map(|x| Ok(x? as f32)).collect()
}
