//! The weights of one layer, however a file lays them out.

use super::matrix::RowRuns;
use super::source::Source;
use super::stacked::{Joined, whole};
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::experts_config::ExpertsConfig;
use crate::spec::{Bias, GateLayout, QkNorm, QkvLayout, Residual};
use crate::weights::{
    CrossWeights, DenseWeights, ExpertWeights, FeedForwardWeights, HeadNorm, HeadWeights,
    LayerWeights, Linear, QkvWeights, SharedExpert,
};

impl Source<'_> {
    pub(super) fn layer(
        &mut self,
        config: &ModelConfig,
        layer_idx: usize,
    ) -> Result<LayerWeights, LoadError> {
        let (c, biases) = (config, self.spec.biases);
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let reads_norm = c.residual.norms_inputs();
        let has_two = c.residual == Residual::Parallel && self.has(&name("attn_norm_2.weight"))?;
        let has_ffn_norm = reads_norm && c.residual != Residual::Parallel;
        let norms_results = c.residual.norms_results();
        let is_normed = layer_idx == 0 && self.spec.first_is_normed;
        let mut norm_if = |is_there: bool, part: &str| {
            is_there.then(|| self.norm(&name(part), c.d_model)).transpose()
        };
        let (of_attention, of_feed_forward) =
            if has_two { ("attn_norm_2", "attn_norm") } else { ("attn_norm", "ffn_norm") };
        let attn_norm = norm_if(reads_norm && !is_normed, of_attention)?;
        let post_attention_norm = norm_if(norms_results, "post_attention_norm")?;
        let ffn_norm = norm_if(has_ffn_norm || has_two, of_feed_forward)?;
        let post_ffw_norm = norm_if(norms_results, "post_ffw_norm")?;
        let qkv = match c.latent {
            None => QkvWeights::Heads(self.heads(c, layer_idx)?),
            Some(latent) => QkvWeights::Latent(self.latent(c, latent, layer_idx)?),
        };
        let shape = [c.d_model, c.found_width()];
        let attn_output = self.linear(&name("attn_output"), shape, biases.attn_output)?;
        let feed_forward = match c.experts.filter(|_| c.has_experts[layer_idx]) {
            None => FeedForwardWeights::Dense(self.dense(c, layer_idx)?),
            Some(experts) => FeedForwardWeights::Experts(self.experts(c, experts, layer_idx)?),
        };
        let cross = self.spec.encoder.map(|_| self.cross(c, layer_idx)).transpose()?;
        Ok(LayerWeights {
            attn_norm,
            qkv,
            attn_output,
            post_attention_norm,
            ffn_norm,
            feed_forward,
            post_ffw_norm,
            cross,
        })
    }

    fn heads(&mut self, config: &ModelConfig, layer_idx: usize) -> Result<HeadWeights, LoadError> {
        let c = config;
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let [attn_q, attn_k, attn_v] = self.qkv(c, layer_idx)?;
        Ok(HeadWeights {
            attn_q,
            attn_k,
            attn_v,
            attn_q_norm: self.head_norm(&name("attn_q_norm"), c, c.n_heads)?,
            attn_k_norm: self.head_norm(&name("attn_k_norm"), c, c.n_kv_heads)?,
            attn_sinks: match self.spec.has_sinks {
                true => self.vector(&name("attn_sinks.weight"), c.n_heads)?,
                false => Vec::new(),
            },
        })
    }

    fn cross(&mut self, config: &ModelConfig, layer_idx: usize) -> Result<CrossWeights, LoadError> {
        let (c, biases) = (config, self.spec.biases);
        let name = |part: &str| format!("blk.{layer_idx}.cross_{part}");
        let (q_width, kv_width) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
        Ok(CrossWeights {
            attn_norm: self.norm(&name("attn_norm"), c.d_model)?,
            attn_q: self.linear(&name("attn_q"), [q_width, c.d_model], biases.qkv)?,
            attn_k: self.linear(&name("attn_k"), [kv_width, c.d_model], biases.qkv)?,
            attn_v: self.linear(&name("attn_v"), [kv_width, c.d_model], biases.qkv)?,
            attn_output: self.linear(
                &name("attn_output"),
                [c.d_model, q_width],
                biases.attn_output,
            )?,
        })
    }

    fn head_norm(
        &mut self,
        name: &str,
        config: &ModelConfig,
        n_heads: usize,
    ) -> Result<Option<HeadNorm>, LoadError> {
        let (head_dim, all) = (config.head_dim, n_heads * config.head_dim);
        let (weights, width) = match self.spec.qk_norm {
            QkNorm::None => return Ok(None),
            QkNorm::PerHead => (Some(self.norm(name, head_dim)?), head_dim),
            QkNorm::PerHeadOptional => (self.optional_norm(name, head_dim)?, head_dim),
            QkNorm::PerHeadOwnGains => (self.head_gains(name, n_heads, head_dim)?, head_dim),
            QkNorm::Whole => (Some(self.norm(name, all)?), all),
        };
        Ok(weights.map(|weights| HeadNorm { weights, width }))
    }

    fn qkv(&mut self, config: &ModelConfig, layer_idx: usize) -> Result<[Linear; 3], LoadError> {
        let c = config;
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let (q_width, kv_width) = (c.n_heads * c.head_dim, c.n_kv_heads * c.head_dim);
        let bias = self.spec.biases.qkv;
        let rows = match self.layout().qkv {
            // Who joins them does not always.
            layout if layout == QkvLayout::Separate || self.has(&name("attn_q.weight"))? => {
                return Ok([
                    self.linear(&name("attn_q"), [q_width, c.d_model], bias)?,
                    self.linear(&name("attn_k"), [kv_width, c.d_model], bias)?,
                    self.linear(&name("attn_v"), [kv_width, c.d_model], bias)?,
                ]);
            }
            QkvLayout::Separate | QkvLayout::Joined => {
                let (k_end, v_end) = (q_width + kv_width, q_width + 2 * kv_width);
                [0..q_width, q_width..k_end, k_end..v_end].map(RowRuns::one)
            }
            QkvLayout::InFourths => {
                if c.n_kv_heads != c.n_heads || !q_width.is_multiple_of(4) {
                    let expected = "as many as kv heads, in four equal parts".into();
                    return Err(LoadError::config("n_head", expected, c.n_heads));
                }
                let len = q_width / 4;
                // q, k, v of q, v, k.
                [0, 2, 1].map(|part| RowRuns { first: part * len, len, stride: 3 * len, n_runs: 4 })
            }
            QkvLayout::ByKvHead => {
                let (n_q, d, n_runs) = (c.n_heads_per_kv(), c.head_dim, c.n_kv_heads);
                let parts = [(0, n_q), (n_q, 1), (n_q + 1, 1)];
                parts.map(|(first, n)| RowRuns {
                    first: first * d,
                    len: n * d,
                    stride: (n_q + 2) * d,
                    n_runs,
                })
            }
        };
        self.split(&name("attn_qkv"), [q_width + 2 * kv_width, c.d_model], bias, rows)
    }

    fn dense(&mut self, config: &ModelConfig, layer_idx: usize) -> Result<DenseWeights, LoadError> {
        let (d_model, d_ff, bias) = (config.d_model, config.d_ff, self.spec.biases.feed_forward);
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let names = [name("ffn_gate"), name("ffn_up")];
        let (gate, up) = self.gate_and_up(config, names, d_ff, bias)?;
        let down = self.linear(&name("ffn_down"), [d_model, d_ff], bias)?;
        Ok(DenseWeights { gate, up, down })
    }

    fn experts(
        &mut self,
        config: &ModelConfig,
        experts: ExpertsConfig,
        layer_idx: usize,
    ) -> Result<ExpertWeights, LoadError> {
        let (d_model, d_ff, n) = (config.d_model, experts.d_ff, experts.n_experts);
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let (shape, bias) = ([n, d_model], self.spec.biases.experts);
        let router = self.linear(&name("ffn_gate_inp"), shape, bias)?;
        let selection_bias = self.bias(&name("exp_probs_b"), n, Bias::Optional)?;
        let (gate_rows, pages) = (self.gate_rows(d_ff), self.options.pages);
        let mut all = |part: &str, shape| self.linears(&name(part), n, shape, bias);
        let (gates, ups) = match gate_rows {
            None => {
                let shape = [d_ff, d_model];
                let [gates, ups] = ["ffn_gate_exps", "ffn_up_exps"].map(|part| all(part, shape));
                (whole(gates?), whole(ups?))
            }
            Some(rows) => {
                let joined = all("ffn_up_exps", [2 * d_ff, d_model])?;
                let of = |rows| joined.iter().map(|one| one.rows(rows, pages)).collect::<Vec<_>>();
                let [gates, ups] = rows.map(of);
                (gates, ups)
            }
        };
        let downs = whole(all("ffn_down_exps", [d_model, d_ff])?);
        let experts_of = gates.into_iter().zip(ups).zip(downs);
        let experts_of =
            experts_of.map(|((gate, up), down)| DenseWeights { gate: Some(gate), up, down });
        let shared = experts.d_ff_shared.map(|d_ff| {
            let names = [name("ffn_gate_shexp"), name("ffn_up_shexp")];
            let (gate, up) = self.gate_and_up(config, names, d_ff, Bias::None)?;
            let down = self.linear(&name("ffn_down_shexp"), [d_model, d_ff], Bias::None)?;
            let weights = DenseWeights { gate, up, down };
            let gate = self.spec.gates_shared_expert;
            let gate = gate.then(|| self.row(&name("ffn_gate_inp_shexp.weight"), d_model));
            let gate = gate.transpose()?;
            Ok::<_, LoadError>(SharedExpert { weights, gate })
        });
        let (experts, shared) = (experts_of.collect(), shared.transpose()?);
        Ok(ExpertWeights { router, selection_bias, experts, shared })
    }

    /// Gate, where there is one, and up.
    fn gate_and_up(
        &mut self,
        config: &ModelConfig,
        [gate, up]: [String; 2],
        d_ff: usize,
        bias: Bias,
    ) -> Result<(Option<Linear>, Linear), LoadError> {
        let d_model = config.d_model;
        if let Some(rows) = self.gate_rows(d_ff) {
            let [gate, up] = self.split(&up, [2 * d_ff, d_model], bias, rows)?;
            return Ok((Some(gate), up));
        }
        let is_gated = config.feed_forward.is_gated();
        let shape = [d_ff, d_model];
        let gate = is_gated.then(|| self.linear(&gate, shape, bias)).transpose()?;
        Ok((gate, self.linear(&up, shape, bias)?))
    }

    /// Those of a gate and of `up` in one matrix, where they are.
    fn gate_rows(&self, d_ff: usize) -> Option<[RowRuns; 2]> {
        match self.layout().gate {
            GateLayout::Separate => None,
            GateLayout::First => Some([0..d_ff, d_ff..2 * d_ff].map(RowRuns::one)),
            GateLayout::Alternating => {
                Some([0, 1].map(|first| RowRuns { first, len: 1, stride: 2, n_runs: d_ff }))
            }
        }
    }

    pub(super) fn linear(
        &mut self,
        name: &str,
        shape: [usize; 2],
        bias: Bias,
    ) -> Result<Linear, LoadError> {
        let weight = self.matrix(&format!("{name}.weight"), shape)?;
        Ok(Linear { weight, bias: self.bias(name, shape[0], bias)? })
    }

    /// Matrices that a file joins, by their rows.
    fn split<const N: usize>(
        &mut self,
        name: &str,
        shape: [usize; 2],
        bias: Bias,
        parts: [RowRuns; N],
    ) -> Result<[Linear; N], LoadError> {
        let matrix = self.whole_matrix(&format!("{name}.weight"), shape)?;
        let joined = Joined { matrix, bias: self.bias(name, shape[0], bias)? };
        Ok(parts.map(|rows| joined.rows(rows, self.options.pages)))
    }
}
