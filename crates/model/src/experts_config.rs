//! The numbers of a mixture of experts, from both kinds of files.

use serde_json::Value;

use crate::config::{Names, WIDTH_MAX, bounded};
use crate::config_gguf::Keys;
use crate::config_hf::{count, flag, number};
use crate::error::LoadError;
use crate::spec::{ArchSpec, GroupRank, RouterScores};

/// A mixture of experts (Shazeer et al. 2017): each token goes through the few that a router
/// chooses.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExpertsConfig {
    pub n_experts: usize,
    /// For each token.
    pub n_used: usize,
    /// Width of each expert's feed-forward.
    pub d_ff: usize,
    /// That of one that all tokens go through, where there is one.
    pub d_ff_shared: Option<usize>,
    pub scores: RouterScores,
    pub groups: Option<ExpertGroups>,
    /// Whether the weights of the chosen ones sum to one, before they are scaled.
    pub normalizes: bool,
    /// Multiplies the weights.
    pub scale: f32,
}

/// Experts in groups of one size: those of the best groups alone can be chosen (DeepSeek-V2, arXiv
/// 2405.04434, section 2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpertGroups {
    pub n_groups: usize,
    /// For each token.
    pub n_used: usize,
    pub rank: GroupRank,
}

/// The numbers as files give them.
pub(crate) struct RawExperts {
    /// Zero and none: no experts.
    pub(crate) n_experts: Option<usize>,
    n_used: Option<usize>,
    d_ff: Option<usize>,
    d_ff_shared: Option<usize>,
    /// Experts that all tokens go through: one, so many times as wide.
    n_shared: Option<usize>,
    scores: Option<RouterScores>,
    n_groups: Option<usize>,
    n_groups_used: Option<usize>,
    normalizes: Option<bool>,
    scale: Option<f32>,
    dense: DenseLayers,
}

/// Layers that have no experts though others do.
#[derive(Default)]
struct DenseLayers {
    n_leading: usize,
    /// All but every so many-th.
    step: Option<usize>,
    listed: Vec<usize>,
}

pub(crate) const N_EXPERTS_MAX: usize = 1 << 12;

pub(crate) fn of_gguf(keys: &Keys<'_>) -> Result<RawExperts, LoadError> {
    let key = keys.key("expert_gating_func");
    // Numbers of llama.cpp's. A softmax over the chosen ones alone is one over all, normalized.
    let (scores, is_over_chosen) = match keys.metadata.u32(&key)? {
        None | Some(0) => (None, false),
        Some(1) => (Some(RouterScores::Softmax), false),
        Some(2) => (Some(RouterScores::Sigmoid), false),
        Some(3) => (Some(RouterScores::Softmax), true),
        Some(found) => return Err(LoadError::config(&key, "0 to 3".into(), found)),
    };
    Ok(RawExperts {
        n_experts: keys.count("expert_count")?,
        n_used: keys.count("expert_used_count")?,
        d_ff: keys.count("expert_feed_forward_length")?,
        d_ff_shared: keys.count("expert_shared_feed_forward_length")?,
        n_shared: keys.count("expert_shared_count")?,
        scores,
        n_groups: keys.count("expert_group_count")?,
        n_groups_used: keys.count("expert_group_used_count")?,
        normalizes: match keys.metadata.bool(&keys.key("expert_weights_norm"))? {
            _ if is_over_chosen => Some(true),
            normalizes => normalizes,
        },
        // Zero stands for none.
        scale: keys.number("expert_weights_scale")?.filter(|&scale| scale != 0.0),
        dense: DenseLayers {
            n_leading: keys.count("leading_dense_block_count")?.unwrap_or(0),
            step: keys.count("interleave_moe_layer_step")?,
            listed: Vec::new(),
        },
    })
}

pub(crate) fn of_hf(json: &Value) -> Result<RawExperts, LoadError> {
    let key = "scoring_func";
    let scores = match json.get(key).filter(|name| !name.is_null()) {
        None => None,
        Some(name) if name == "softmax" => Some(RouterScores::Softmax),
        Some(name) if name == "sigmoid" => Some(RouterScores::Sigmoid),
        Some(found) => return Err(LoadError::config(key, "softmax or sigmoid".into(), found)),
    };
    let key = "moe_layer_freq";
    if let Some(found) = json.get(key).filter(|step| step.is_number() && **step != 1) {
        return Err(LoadError::config(key, "1".into(), found));
    }
    Ok(RawExperts {
        n_experts: count(json, &["num_experts", "num_local_experts", "n_routed_experts"])?,
        n_used: count(json, &["num_experts_per_tok"])?,
        d_ff: count(json, &["moe_intermediate_size"])?,
        d_ff_shared: count(json, &["shared_expert_intermediate_size", "shared_intermediate_size"])?,
        n_shared: count(json, &["n_shared_experts"])?,
        scores,
        // Who takes the best of all has no use for groups.
        n_groups: match json["topk_method"].as_str() {
            Some("greedy") => None,
            _ => count(json, &["n_group"])?,
        },
        n_groups_used: count(json, &["topk_group"])?,
        normalizes: flag(json, &["norm_topk_prob"])?,
        scale: number(json, &["routed_scaling_factor"])?.map(|scale| scale as f32),
        dense: DenseLayers {
            n_leading: count(json, &["first_k_dense_replace"])?.unwrap_or(0),
            step: count(json, &["decoder_sparse_step"])?,
            listed: listed(json)?,
        },
    })
}

/// `mlp_only_layers` holds the layers without experts, `mlp_layer_types` calls them `dense`.
fn listed(json: &Value) -> Result<Vec<usize>, LoadError> {
    let key = "mlp_layer_types";
    if let Some(types) = json.get(key).filter(|types| !types.is_null()) {
        let malformed = || LoadError::config(key, "a list of dense and sparse".into(), types);
        let mut dense = Vec::new();
        for (layer_idx, kind) in types.as_array().ok_or_else(malformed)?.iter().enumerate() {
            match kind.as_str() {
                Some("dense") => dense.push(layer_idx),
                Some("sparse") => {}
                _ => return Err(malformed()),
            }
        }
        return Ok(dense);
    }
    let key = "mlp_only_layers";
    let Some(layers) = json.get(key).filter(|layers| !layers.is_null()) else {
        return Ok(Vec::new());
    };
    let malformed = || LoadError::config(key, "a list of numbers of layers".into(), layers);
    let idx = |layer: &Value| layer.as_u64().map(|idx| idx as usize).ok_or_else(malformed);
    layers.as_array().ok_or_else(malformed)?.iter().map(idx).collect()
}

impl DenseLayers {
    fn has_experts(&self, layer_idx: usize) -> bool {
        let is_of_step = match self.step {
            // A step of zero has none.
            Some(step) => step > 0 && (layer_idx + 1).is_multiple_of(step),
            None => true,
        };
        layer_idx >= self.n_leading && is_of_step && !self.listed.contains(&layer_idx)
    }
}

impl RawExperts {
    /// The numbers, and for each layer whether it has experts; `d_ff` is the width of a layer that
    /// has none.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the first number that is out of range, as the file calls it.
    pub(crate) fn finish(
        &self,
        names: &Names<'_>,
        n_layers: usize,
        d_ff: usize,
    ) -> Result<(Option<ExpertsConfig>, Vec<bool>), LoadError> {
        let spec: &ArchSpec = names.spec;
        let Some(n_experts) = self.n_experts.filter(|&n| n > 0) else {
            return Ok((None, vec![false; n_layers]));
        };
        let has_experts = (0..n_layers).map(|layer_idx| self.dense.has_experts(layer_idx));
        let has_experts: Vec<bool> = has_experts.collect();
        if !has_experts.contains(&true) {
            return Ok((None, has_experts));
        }
        bounded(names.get("expert_count", "num_experts"), n_experts, 1, N_EXPERTS_MAX)?;
        let n_used = self.n_used.unwrap_or(0);
        bounded(names.get("expert_used_count", "num_experts_per_tok"), n_used, 1, n_experts)?;
        let d_ff = self.d_ff.unwrap_or(d_ff);
        let key = names.get("expert_feed_forward_length", "moe_intermediate_size");
        bounded(key, d_ff, 1, WIDTH_MAX)?;
        let of_count = self.n_shared.map(|n| n.saturating_mul(d_ff));
        let d_ff_shared = self.d_ff_shared.or(of_count).filter(|&n| n > 0);
        let key = names.get("expert_shared_feed_forward_length", "shared_expert_intermediate_size");
        bounded(key, d_ff_shared.unwrap_or(1), 1, WIDTH_MAX)?;
        let scale = self.scale.unwrap_or(1.0);
        if !scale.is_finite() {
            let key = names.get("expert_weights_scale", "routed_scaling_factor");
            return Err(LoadError::config(&key, "a finite number".into(), scale));
        }
        let scores = self.scores.unwrap_or(spec.router_scores);
        let experts = ExpertsConfig {
            n_experts,
            n_used,
            d_ff,
            d_ff_shared,
            scores,
            groups: self.groups(names, n_experts, n_used, scores)?,
            normalizes: self.normalizes.unwrap_or(spec.normalizes_experts),
            scale,
        };
        Ok((Some(experts), has_experts))
    }

    fn groups(
        &self,
        names: &Names<'_>,
        n_experts: usize,
        n_experts_used: usize,
        scores: RouterScores,
    ) -> Result<Option<ExpertGroups>, LoadError> {
        let Some(n_groups) = self.n_groups.filter(|&n| n > 1) else { return Ok(None) };
        let key = names.get("expert_group_count", "n_group");
        if !n_experts.is_multiple_of(n_groups) {
            let expected = format!("a divisor of the number of experts, {n_experts}");
            return Err(LoadError::config(&key, expected, n_groups));
        }
        let n_used = self.n_groups_used.unwrap_or(n_groups);
        let n_used_min = n_experts_used.div_ceil(n_experts / n_groups);
        let key = names.get("expert_group_used_count", "topk_group");
        bounded(key, n_used, n_used_min, n_groups)?;
        let rank = match scores {
            RouterScores::Softmax => GroupRank::Greatest,
            RouterScores::Sigmoid => GroupRank::SumOfTwo,
        };
        Ok((n_used < n_groups).then_some(ExpertGroups { n_groups, n_used, rank }))
    }
}
