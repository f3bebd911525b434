//! The numbers of RoPE: how far it reaches, and what a file brings for that.

pub(crate) mod gguf;
pub(crate) mod hf;

use crate::config::{ModelConfig, Names, positive};
use crate::error::LoadError;
use crate::spec::RopePairing;

/// RoPE of one kind of layer (Su et al. 2021).
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    pub rope_dim: usize,
    pub base: f64,
    pub scaled: ScaledRope,
}

/// Queries are multiplied by `1 + beta ln(1 + floor(pos / n_ctx))`, so that attention stays sharp
/// over more keys (Nakanishi 2025, as Llama 4 has it).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueryGrowth {
    pub beta: f64,
    pub n_ctx: f64,
}

impl QueryGrowth {
    pub fn at(self, pos: u32) -> f32 {
        let n_times = (f64::from(pos) / self.n_ctx).floor();
        (1.0 + self.beta * n_times.ln_1p()) as f32
    }
}

/// How RoPE reaches further than it was trained for.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaledRope {
    pub scaling: RopeScaling,
    /// Positions that the model was trained for before it was taught more.
    pub n_ctx_original: f64,
    /// Divisors of the frequencies, besides.
    pub factors: RopeFactors,
    /// What rotated queries and keys are multiplied by.
    pub magnitude: f64,
    /// What DeepSeek-V2 multiplies scores by, twice: `0.1 m ln(factor) + 1` with its
    /// `mscale_all_dim` for `m` (the authors' code; YaRN's is of rotated dimensions only).
    pub magnitude_of_all: f64,
}

/// Divisors of RoPE's frequencies that a file brings, `[rope_dim / 2]` each.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeFactors {
    None,
    Same(Vec<f32>),
    /// LongRoPE (Ding et al. 2024): those of texts of up to `n_ctx_original` positions, and those
    /// of longer ones.
    ByContext {
        short: Vec<f32>,
        long: Vec<f32>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    None,
    /// Positions divided by `factor` (Chen et al. 2023).
    Linear {
        factor: f64,
    },
    /// Low frequencies divided by `factor`, high ones kept, a blend between (Llama 3.1).
    Llama3 {
        factor: f64,
        low_freq_factor: f64,
        high_freq_factor: f64,
    },
    /// YaRN (Peng et al. 2023): pairs that turn less than `beta_slow` times over the original
    /// context are divided by `factor`, those that turn more than `beta_fast` times are kept, a
    /// blend between.
    Yarn {
        factor: f64,
        beta_fast: f64,
        beta_slow: f64,
        /// Whether the ends of the blend are whole pairs.
        is_truncated: bool,
    },
    /// Dynamic NTK (Peng et al. 2023, section 3): a greater base where texts are longer than the
    /// original context.
    DynamicNtk {
        factor: f64,
    },
    /// NTK-aware scaling (Peng et al. 2023, section 3.1): a base that divides the lowest frequency
    /// by `alpha`, whatever the length.
    Ntk {
        alpha: f64,
    },
}

impl RopeConfig {
    /// As trained.
    pub fn new(rope_dim: usize, base: f64) -> Self {
        Self { rope_dim, base, scaled: ScaledRope::default() }
    }

    /// Whether keys depend on the longest text that a model is opened for.
    pub fn depends_on_context(&self) -> bool {
        matches!(self.scaled.factors, RopeFactors::ByContext { .. })
            || matches!(self.scaled.scaling, RopeScaling::DynamicNtk { .. })
    }
}

impl Default for ScaledRope {
    /// Nothing is scaled.
    fn default() -> Self {
        Self {
            scaling: RopeScaling::None,
            n_ctx_original: f64::INFINITY,
            factors: RopeFactors::None,
            magnitude: 1.0,
            magnitude_of_all: 1.0,
        }
    }
}

impl ScaledRope {
    /// YaRN's magnitude: `0.1 ln(factor) + 1`.
    pub fn yarn_magnitude(factor: f64) -> f64 {
        0.1 * factor.max(1.0).ln() + 1.0
    }

    /// LongRoPE's: `sqrt(1 + ln(factor) / ln(n_ctx_original))`.
    pub fn long_rope_magnitude(factor: f64, n_ctx_original: f64) -> f64 {
        (1.0 + factor.max(1.0).ln() / n_ctx_original.ln()).sqrt()
    }
}

pub(crate) fn check_scaling(rope: &RopeConfig, names: &Names<'_>) -> Result<(), LoadError> {
    let name =
        |key: &str| names.get(&format!("rope.scaling.{key}"), &format!("rope_scaling.{key}"));
    let ScaledRope { scaling, n_ctx_original, factors, magnitude, magnitude_of_all } = &rope.scaled;
    match *scaling {
        RopeScaling::None => (),
        RopeScaling::Linear { factor } | RopeScaling::DynamicNtk { factor } => {
            positive(name("factor"), factor)?;
        }
        RopeScaling::Ntk { alpha } => positive(name("alpha"), alpha)?,
        RopeScaling::Yarn { factor, beta_fast, beta_slow, .. } => {
            positive(name("factor"), factor)?;
            positive(name("beta_fast"), beta_fast)?;
            positive(name("beta_slow"), beta_slow)?;
        }
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor } => {
            positive(name("factor"), factor)?;
            positive(name("low_freq_factor"), low_freq_factor)?;
            if !(high_freq_factor.is_finite() && high_freq_factor > low_freq_factor) {
                let expected = format!("more than low_freq_factor, {low_freq_factor}");
                return Err(LoadError::config(
                    &name("high_freq_factor"),
                    expected,
                    high_freq_factor,
                ));
            }
        }
    }
    if *scaling != RopeScaling::None || *factors != RopeFactors::None {
        let key = names.get(
            "rope.scaling.original_context_length",
            "rope_scaling.original_max_position_embeddings",
        );
        positive(key, *n_ctx_original)?;
    }
    if let RopeFactors::ByContext { short, long } = factors {
        for (key, factors) in [("short_factor", short), ("long_factor", long)] {
            if factors.len() != rope.rope_dim / 2 {
                let expected = format!("{} numbers", rope.rope_dim / 2);
                return Err(LoadError::config(&name(key), expected, factors.len()));
            }
            factors.iter().try_for_each(|&factor| positive(name(key), factor.into()))?;
        }
    }
    positive(name("attention_factor"), *magnitude)?;
    let key = names.get("rope.scaling.yarn_log_multiplier", "rope_scaling.mscale_all_dim");
    positive(key, *magnitude_of_all)
}

pub(crate) fn check_growth(
    growth: Option<QueryGrowth>,
    names: &Names<'_>,
) -> Result<(), LoadError> {
    let Some(QueryGrowth { beta, n_ctx }) = growth else { return Ok(()) };
    let beta_key = names.spec.query_growth.unwrap_or_default();
    positive(names.get("attention.temperature_scale", beta_key), beta)?;
    let key = names.get(
        "rope.scaling.original_context_length",
        "rope_scaling.original_max_position_embeddings",
    );
    positive(key, n_ctx)
}

/// A text has one position a token, which turns all sections alike; they must be those of a head.
pub(crate) fn check_sections(
    config: &ModelConfig,
    sections: Option<&[usize]>,
    names: &Names<'_>,
) -> Result<(), LoadError> {
    let Some(sections) = sections else { return Ok(()) };
    let n_pairs = config.rope_full.rope_dim / 2;
    let has_all = sections.iter().try_fold(0usize, |sum, n| sum.checked_add(*n)) == Some(n_pairs);
    if has_all && config.rope_pairing == RopePairing::HalfSplit {
        return Ok(());
    }
    let key = names.get("rope.dimension_sections", "rope_scaling.mrope_section");
    let expected = match config.rope_pairing {
        RopePairing::HalfSplit => format!("a sum of {n_pairs}, half the rotated part of a head"),
        RopePairing::Interleaved => "nothing, with this architecture".into(),
    };
    Err(LoadError::config(&key, expected, format!("{sections:?}")))
}
