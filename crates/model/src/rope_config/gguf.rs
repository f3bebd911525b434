//! How RoPE is scaled, from GGUF metadata.

use super::{QueryGrowth, RopeFactors, RopeScaling, ScaledRope};
use crate::config_gguf::Keys;
use crate::error::LoadError;
use crate::spec::{ArchSpec, AttentionKind};

/// A factor without a type means linear; older files call it `scale_linear`. Factors of LongRoPE
/// are tensors, which come later, with or without a type.
pub(crate) fn rope(
    spec: &ArchSpec,
    keys: &Keys<'_>,
    n_ctx: usize,
) -> Result<ScaledRope, LoadError> {
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
    let (mut magnitude_of_all, is_latent) = (1.0, spec.attention == AttentionKind::Latent);
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
            let beta_fast = number("yarn_beta_fast")?.unwrap_or(32.0);
            let beta_slow = number("yarn_beta_slow")?.unwrap_or(1.0);
            let is_truncated = spec.truncates_yarn;
            let yarn = RopeScaling::Yarn { factor, beta_fast, beta_slow, is_truncated };
            // Of folders' `mscale_all_dim`, with an `mscale` of one; where attention is latent a
            // tenth of it, and both are the same.
            let multiplier = number("yarn_log_multiplier")?.unwrap_or(0.0);
            let all = if is_latent { 10.0 * multiplier } else { multiplier };
            let magnitude = ScaledRope::yarn_magnitude(factor);
            magnitude_of_all = 1.0 + all * (magnitude - 1.0);
            let is_same = is_latent && all != 0.0;
            (yarn, if is_same { 1.0 } else { magnitude / magnitude_of_all })
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
        magnitude_of_all,
    })
}

pub(crate) fn query_growth(
    keys: &Keys<'_>,
    n_ctx_original: f64,
) -> Result<Option<QueryGrowth>, LoadError> {
    let beta = keys.number("attention.temperature_scale")?.filter(|&beta| beta != 0.0);
    Ok(beta.map(|beta| QueryGrowth { beta: beta.into(), n_ctx: n_ctx_original }))
}

/// Four numbers, zeros at the end, of which a text needs only the sum.
pub(crate) fn rope_sections(keys: &Keys<'_>) -> Result<Option<Vec<usize>>, LoadError> {
    let sections = keys.metadata.u32s(&keys.key("rope.dimension_sections"))?;
    Ok(sections.map(|sections| sections.into_iter().map(|n| n as usize).collect()))
}
