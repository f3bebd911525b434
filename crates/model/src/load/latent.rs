//! The weights of latent attention, absorbed or to be.

use super::matrix::Matrix;
use super::source::Source;
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::latent_config::LatentConfig;
use crate::spec::Bias;
use crate::weights::{LatentQuery, LatentWeights, Linear};

impl Source<'_> {
    pub(super) fn latent(
        &mut self,
        config: &ModelConfig,
        latent: LatentConfig,
        layer_idx: usize,
    ) -> Result<LatentWeights, LoadError> {
        let LatentConfig { d_query, d_latent, d_plain, .. } = latent;
        let (d_model, rope_dim) = (config.d_model, config.rope_full.rope_dim);
        let (name, bias) = (|part: &str| format!("blk.{layer_idx}.{part}"), Bias::None);
        let query = d_query.map(|d_query| {
            let linear = self.linear(&name("attn_q_a"), [d_query, d_model], bias)?;
            Ok::<_, LoadError>(LatentQuery {
                linear,
                norm: self.norm(&name("attn_q_a_norm"), d_query)?,
            })
        });
        let query = query.transpose()?;
        let q_width = config.n_heads * (d_plain + rope_dim);
        let (q, n_in) = d_query.map_or(("attn_q", d_model), |d_query| ("attn_q_b", d_query));
        let (attn_k_b, attn_v_b) = self.latent_heads(config.n_heads, latent, layer_idx)?;
        Ok(LatentWeights {
            query,
            attn_q: self.linear(&name(q), [q_width, n_in], bias)?,
            attn_kv_a: self.linear(&name("attn_kv_a_mqa"), [d_latent + rope_dim, d_model], bias)?,
            attn_kv_a_norm: self.norm(&name("attn_kv_a_norm"), d_latent)?,
            attn_k_b,
            attn_v_b,
        })
    }

    /// `K_h^T` and `V_h` of each head: as they are, or of one matrix with the rows of `K_h` and
    /// `V_h` head by head.
    fn latent_heads(
        &mut self,
        n_heads: usize,
        LatentConfig { d_latent, d_plain, d_value, .. }: LatentConfig,
        layer_idx: usize,
    ) -> Result<(Vec<Linear>, Vec<Linear>), LoadError> {
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let linear = |matrix: Matrix| Linear { weight: matrix.whole(), bias: None };
        let linears = |matrices: Vec<Matrix>| matrices.into_iter().map(linear).collect();
        if !self.has(&name("attn_kv_b.weight"))? && self.has(&name("attn_k_b.weight"))? {
            let keys = self.stacked(&name("attn_k_b"), n_heads, [d_latent, d_plain])?;
            let values = self.stacked(&name("attn_v_b"), n_heads, [d_value, d_latent])?;
            return Ok((linears(keys), linears(values)));
        }
        let of_head = d_plain + d_value;
        let joined = self.whole_matrix(&name("attn_kv_b.weight"), [n_heads * of_head, d_latent])?;
        let starts = (0..n_heads).map(|head| head * of_head);
        let keys = starts.clone().map(|start| {
            let key = joined.run(start..start + d_plain).transposed();
            self.as_asked("attn_k_b", key)
        });
        let values = starts
            .map(|start| self.as_asked("attn_v_b", joined.run(start + d_plain..start + of_head)));
        Ok((keys.map(linear).collect(), values.map(linear).collect()))
    }
}
