//! The numbers of one model, read from its file and bounded before anything is built on them.

use crate::attention::{AttentionPattern, Buckets};
use crate::error::LoadError;
use crate::experts_config::{ExpertsConfig, RawExperts};
use crate::kv::ValuePlace;
use crate::latent_config::{LatentConfig, RawLatent};
use crate::rope_config::{self, QueryGrowth, RopeConfig, ScaledRope};
use crate::spec::{
    ArchSpec, Direction, EmbeddingScale, FeedForward, FileFormat, LayerKind, LogitScale, Positions,
    Residual, RopeLayers, RopePairing, SizeScales,
};

/// What numbers a model has. Names as in ARCHITECTURE.md.
#[derive(Clone, Debug)]
pub struct ModelConfig {
    pub n_layers: usize,
    /// Layers that files number after these: they predict tokens further ahead and are not read.
    pub n_further_layers: usize,
    pub d_model: usize,
    pub d_ff: usize,
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
    /// Where heads look at latent vectors; `n_kv_heads` is then one, and `head_dim` the width of
    /// what is cached of a token.
    pub latent: Option<LatentConfig>,
    pub n_vocab: usize,
    /// Longest position the model was trained for, plus one.
    pub n_ctx: usize,
    pub norm_eps: f32,
    /// Multiplies `q . k`.
    pub attn_scale: f32,
    pub embedding_scale: f32,
    /// Multiplies what a block adds to the residual.
    pub residual_scale: f32,
    pub logit_scale: f32,
    pub residual: Residual,
    pub positions: Positions,
    pub feed_forward: FeedForward,
    /// Where the feed-forward is a mixture of experts; `d_ff` is then that of the layers without,
    /// or, where there are none, the width of what all tokens share, or of an expert.
    pub experts: Option<ExpertsConfig>,
    /// Queries, keys and values are cut to `-clip..=clip`.
    pub qkv_clip: Option<f32>,
    /// `cap * tanh(score / cap)` on attention scores.
    pub attn_softcap: Option<f32>,
    /// The same on the logits.
    pub logit_softcap: Option<f32>,
    pub query_growth: Option<QueryGrowth>,
    pub rope_pairing: RopePairing,
    pub rope_full: RopeConfig,
    pub rope_sliding: RopeConfig,
    /// Of the sliding layers; unused when there are none.
    pub window: u32,
    pub direction: Direction,
    /// Where positions are those of buckets.
    pub buckets: Option<Buckets>,
    /// What a decoder's text begins with, where an encoder reads the prompt.
    pub decoder_start_id: Option<u32>,
    /// One per layer.
    pub layer_kinds: Vec<LayerKind>,
    /// One per layer: whether queries and keys are rotated.
    pub rotates: Vec<bool>,
    /// One per layer.
    pub has_experts: Vec<bool>,
}

/// Raw numbers as a file gives them; [`RawConfig::finish`] completes and checks them.
pub(crate) struct RawConfig {
    pub n_layers: usize,
    pub n_further_layers: usize,
    pub d_model: usize,
    /// Four times `d_model` where nobody says.
    pub d_ff: Option<usize>,
    pub experts: RawExperts,
    pub n_heads: usize,
    pub n_kv_heads: Option<usize>,
    pub head_dim: Option<usize>,
    pub rope_dim: Option<usize>,
    pub latent: Option<RawLatent>,
    pub n_vocab: usize,
    pub n_ctx: usize,
    pub norm_eps: f32,
    pub attn_scale: Option<f32>,
    pub embedding_scale: Option<f32>,
    pub residual_scale: Option<f32>,
    pub logit_scale: Option<f32>,
    pub size_scales: Option<SizeScales>,
    /// Whether attention and feed-forward read the same residual.
    pub is_parallel: Option<bool>,
    /// Instead of the architecture's positions.
    pub has_alibi: bool,
    pub qkv_clip: Option<f32>,
    pub attn_softcap: Option<f32>,
    pub logit_softcap: Option<f32>,
    pub rope_base: Option<f64>,
    pub rope_base_sliding: Option<f64>,
    pub rope: ScaledRope,
    pub rope_pairing: Option<RopePairing>,
    /// M-RoPE's: pairs of a head that are turned by each of a token's positions.
    pub rope_sections: Option<Vec<usize>>,
    pub query_growth: Option<QueryGrowth>,
    pub window: Option<u32>,
    pub is_causal: Option<bool>,
    pub n_buckets: Option<usize>,
    pub max_distance: Option<usize>,
    pub decoder_start_id: Option<u32>,
    pub layer_kinds: Option<Vec<LayerKind>>,
    pub rotates: Option<Vec<bool>>,
}

pub(crate) const N_LAYERS_MAX: usize = 512;
pub(crate) const WIDTH_MAX: usize = 1 << 20;
const N_BUCKETS_MAX: usize = 1 << 12;
const MAX_DISTANCE_MAX: usize = 1 << 16;
pub(crate) const HEAD_DIM_MAX: usize = 1024;

impl ModelConfig {
    pub fn n_heads_per_kv(&self) -> usize {
        self.n_heads / self.n_kv_heads
    }

    pub fn value_place(&self) -> ValuePlace {
        match self.latent {
            None => ValuePlace::Own,
            Some(_) => ValuePlace::InKey { first: self.rope_full.rope_dim },
        }
    }

    /// Width of what the heads of a token have found, which `attn_output` reads.
    pub fn found_width(&self) -> usize {
        self.n_heads * self.latent.map_or(self.head_dim, |latent| latent.d_value)
    }

    pub fn pattern(&self, layer_idx: usize) -> AttentionPattern {
        self.layer_kinds[layer_idx].pattern(self.direction, self.window)
    }

    /// Positions that a query of a layer sees, its own included, when those behind it are of no
    /// use to later ones either; `None`: all of the text stay.
    pub fn window_of(&self, layer_idx: usize) -> Option<u32> {
        match self.pattern(layer_idx) {
            AttentionPattern::SlidingWindow { window } => Some(window),
            _ => None,
        }
    }
}

impl RawConfig {
    /// Fills in what the file left out and checks the whole.
    ///
    /// # Errors
    /// [`LoadError::Config`] names the first number that is out of range, as the file calls it.
    pub(crate) fn finish(
        self,
        spec: &ArchSpec,
        format: FileFormat,
    ) -> Result<ModelConfig, LoadError> {
        let names = Names { spec, format };
        bounded(names.get("block_count", "num_hidden_layers"), self.n_layers, 1, N_LAYERS_MAX)?;
        bounded(names.get("attention.head_count", "num_attention_heads"), self.n_heads, 1, 4096)?;
        let HeadShape { head_dim, n_kv_heads, rope_dim, latent } = self.heads(&names)?;
        let positions = if self.has_alibi { Positions::Alibi } else { spec.positions };
        let rope_dim = if positions == Positions::Rope { rope_dim } else { 0 };
        let d_ff = self.d_ff.unwrap_or(4 * self.d_model);
        let (experts, has_experts) = self.experts.finish(&names, self.n_layers, d_ff)?;
        let direction = self.direction(&names)?;
        let [embedding_scale, residual_scale, logit_scale] = self.scales(spec);
        let buckets = self.buckets(positions, direction);
        let layer_kinds = layer_kinds(spec, self.layer_kinds, self.window, self.n_layers);
        let scaled_sliding = match spec.scales_sliding {
            false => ScaledRope::default(),
            true => self.rope.clone(),
        };
        let base_sliding = self.rope_base_sliding.or(spec.rope_base_sliding);
        let base = self.rope_base.unwrap_or(spec.rope_base);
        let base_sliding = base_sliding.unwrap_or(base);
        let mut config = ModelConfig {
            n_layers: self.n_layers,
            n_further_layers: self.n_further_layers,
            d_model: self.d_model,
            d_ff: common_width(d_ff, experts, &has_experts),
            experts,
            has_experts,
            n_heads: self.n_heads,
            n_kv_heads,
            head_dim,
            latent,
            n_vocab: self.n_vocab,
            n_ctx: self.n_ctx,
            norm_eps: self.norm_eps,
            attn_scale: self.attn_scale.unwrap_or(f32::NAN),
            embedding_scale,
            residual_scale,
            logit_scale,
            residual: residual(spec, self.is_parallel),
            positions,
            feed_forward: spec.feed_forward,
            qkv_clip: self.qkv_clip,
            attn_softcap: self.attn_softcap,
            logit_softcap: self.logit_softcap,
            query_growth: self.query_growth,
            rope_pairing: self.rope_pairing.unwrap_or(spec.rope.get(format)),
            rope_full: RopeConfig { rope_dim, base, scaled: self.rope },
            rope_sliding: RopeConfig { rope_dim, base: base_sliding, scaled: scaled_sliding },
            window: self.window.unwrap_or(0),
            direction,
            buckets,
            decoder_start_id: self.decoder_start_id.filter(|_| spec.encoder.is_some()),
            rotates: self.rotates.unwrap_or_else(|| rotates(spec, positions, &layer_kinds)),
            layer_kinds,
        };
        if self.attn_scale.is_none() {
            config.attn_scale = (spec.attn_scale)(&config);
        }
        check_shape(&config, &names)?;
        rope_config::check_sections(&config, self.rope_sections.as_deref(), &names)?;
        check_numbers(&config, &names)?;
        check_buckets(&config, &names)?;
        check_start(&config, spec, &names)?;
        Ok(config)
    }
}

/// What a kv head holds.
struct HeadShape {
    head_dim: usize,
    n_kv_heads: usize,
    rope_dim: usize,
    latent: Option<LatentConfig>,
}

impl RawConfig {
    fn heads(&self, names: &Names<'_>) -> Result<HeadShape, LoadError> {
        if let Some(raw) = &self.latent {
            let (latent, rope_dim) = (raw.finish(names)?, raw.rope_dim);
            let head_dim = rope_dim + latent.d_latent;
            return Ok(HeadShape { head_dim, n_kv_heads: 1, rope_dim, latent: Some(latent) });
        }
        let head_dim = self.head_dim.unwrap_or(self.d_model / self.n_heads);
        Ok(HeadShape {
            head_dim,
            n_kv_heads: self.n_kv_heads.unwrap_or(self.n_heads),
            rope_dim: self.rope_dim.unwrap_or(head_dim),
            latent: None,
        })
    }

    /// Of embedding, residual and logits.
    fn scales(&self, spec: &ArchSpec) -> [f32; 3] {
        [self.embedding_scale(spec), self.residual_scale(), self.logit_scale(spec)]
    }

    fn embedding_scale(&self, spec: &ArchSpec) -> f32 {
        let of_size = self.size_scales.map(|scales| scales.embedding);
        self.embedding_scale.or(of_size).unwrap_or(match spec.embedding_scale {
            EmbeddingScale::One => 1.0,
            EmbeddingScale::SqrtModelDim => (self.d_model as f32).sqrt(),
        })
    }

    fn residual_scale(&self) -> f32 {
        let of_size = self.size_scales.map(|scales| scales.depth / (self.n_layers as f32).sqrt());
        self.residual_scale.or(of_size).unwrap_or(1.0)
    }

    fn logit_scale(&self, spec: &ArchSpec) -> f32 {
        let of_size = self.size_scales.map(|scales| scales.d_model_base / self.d_model as f32);
        match (self.logit_scale, spec.logit_scale) {
            (None, _) => of_size.unwrap_or(1.0),
            (Some(scale), LogitScale::Multiplies) => scale,
            (Some(scale), LogitScale::Divides) => 1.0 / scale,
        }
    }

    fn direction(&self, names: &Names<'_>) -> Result<Direction, LoadError> {
        let direction = names.spec.direction.get(names.format);
        // A key that a decoder and its encoder share can only be meant for the encoder.
        match self.is_causal.filter(|_| names.spec.encoder.is_none()) {
            Some(true) if direction == Direction::Bidirectional => {
                let key = names.get("attention.causal", "use_bidirectional_attention");
                let found = names.format == FileFormat::Gguf;
                Err(LoadError::config(&key, (!found).to_string(), found))
            }
            Some(false) => Ok(Direction::Bidirectional),
            Some(true) | None => Ok(direction),
        }
    }

    fn buckets(&self, positions: Positions, direction: Direction) -> Option<Buckets> {
        let Positions::Buckets { max_distance } = positions else { return None };
        Some(Buckets {
            n_buckets: self.n_buckets.unwrap_or(0),
            max_distance: self.max_distance.unwrap_or(max_distance),
            looks_ahead: direction == Direction::Bidirectional,
        })
    }
}

/// Of the layers without experts, or of what all tokens go through where there are none.
fn common_width(d_ff: usize, experts: Option<ExpertsConfig>, has_experts: &[bool]) -> usize {
    match experts {
        Some(experts) if !has_experts.contains(&false) => {
            experts.d_ff_shared.unwrap_or(experts.d_ff)
        }
        _ => d_ff,
    }
}

/// What the file says, or else the architecture.
fn residual(spec: &ArchSpec, is_parallel: Option<bool>) -> Residual {
    match is_parallel {
        Some(false) if spec.residual.is_parallel() => Residual::PreNorm,
        Some(true) if !spec.residual.is_parallel() => Residual::Parallel,
        _ => spec.residual,
    }
}

fn layer_kinds(
    spec: &ArchSpec,
    kinds: Option<Vec<LayerKind>>,
    window: Option<u32>,
    n_layers: usize,
) -> Vec<LayerKind> {
    match (kinds, spec.layer_kinds) {
        (Some(kinds), _) => kinds,
        // A window that the file leaves out is none, where that leaves a model.
        (None, kinds) if window.is_none() && is_without_window(spec, kinds) => {
            vec![LayerKind::Full; n_layers]
        }
        (None, kinds) => kinds.iter().copied().cycle().take(n_layers).collect(),
    }
}

fn is_without_window(spec: &ArchSpec, kinds: &[LayerKind]) -> bool {
    kinds == [LayerKind::Sliding] || spec.rope_layers == RopeLayers::SlidingIfAny
}

fn rotates(spec: &ArchSpec, positions: Positions, layer_kinds: &[LayerKind]) -> Vec<bool> {
    let rotates = |(layer_idx, kind): (usize, &LayerKind)| match spec.rope_layers {
        _ if positions != Positions::Rope => false,
        RopeLayers::All => true,
        RopeLayers::Sliding => *kind == LayerKind::Sliding,
        RopeLayers::SlidingIfAny => {
            *kind == LayerKind::Sliding || !layer_kinds.contains(&LayerKind::Sliding)
        }
        RopeLayers::AllButEvery(n) => !(layer_idx + 1).is_multiple_of(n),
    };
    layer_kinds.iter().enumerate().map(rotates).collect()
}

/// What the files call the numbers.
pub(crate) struct Names<'a> {
    pub(crate) spec: &'a ArchSpec,
    format: FileFormat,
}

impl Names<'_> {
    pub(crate) fn get(&self, gguf: &str, hf: &str) -> String {
        match self.format {
            FileFormat::Gguf => format!("{}.{gguf}", self.spec.name),
            FileFormat::HuggingFace => hf.to_owned(),
        }
    }
}

/// Widths and counts.
fn check_shape(config: &ModelConfig, names: &Names<'_>) -> Result<(), LoadError> {
    let ModelConfig { n_layers, n_heads, n_kv_heads, head_dim, .. } = *config;
    bounded(names.get("embedding_length", "hidden_size"), config.d_model, 1, WIDTH_MAX)?;
    bounded(names.get("feed_forward_length", "intermediate_size"), config.d_ff, 1, WIDTH_MAX)?;
    if let Some(experts) = config.experts
        && (!config.feed_forward.is_gated() || config.residual.is_parallel())
    {
        let key = names.get("expert_count", "num_experts");
        let expected = "none: this architecture has no experts";
        return Err(LoadError::config(&key, expected.into(), experts.n_experts));
    }
    bounded(names.get("context_length", "max_position_embeddings"), config.n_ctx, 1, 1 << 30)?;
    let key = names.get("attention.head_count_kv", "num_key_value_heads");
    if n_kv_heads == 0 || !n_heads.is_multiple_of(n_kv_heads) {
        let expected = format!("a divisor of the number of heads, {n_heads}");
        return Err(LoadError::config(&key, expected, n_kv_heads));
    }
    bounded(names.get("attention.key_length", "head_dim"), head_dim, 1, HEAD_DIM_MAX)?;
    let (key, rope_dim) =
        (names.get("rope.dimension_count", "head_dim"), config.rope_full.rope_dim);
    let is_rotation = rope_dim.is_multiple_of(2) && (2..=head_dim).contains(&rope_dim);
    if !is_rotation && config.rotates.contains(&true) {
        let expected = format!("an even number from 2 to the head's width, {head_dim}");
        return Err(LoadError::config(&key, expected, rope_dim));
    }
    let key = names.get("attention.sliding_window_pattern", "layer_types");
    if config.layer_kinds.len() != n_layers {
        let expected = format!("one entry for each of {n_layers} layers");
        return Err(LoadError::config(&key, expected, config.layer_kinds.len()));
    }
    if config.rotates.len() != n_layers {
        let key = names.get("rope.layers", "no_rope_layers");
        let expected = format!("one entry for each of {n_layers} layers");
        return Err(LoadError::config(&key, expected, config.rotates.len()));
    }
    if config.layer_kinds.contains(&LayerKind::Sliding) {
        let key = names.get("attention.sliding_window", "sliding_window");
        bounded(key, config.window as usize, 1, u32::MAX as usize)?;
    }
    Ok(())
}

fn check_buckets(config: &ModelConfig, names: &Names<'_>) -> Result<(), LoadError> {
    let Some(Buckets { n_buckets, max_distance, looks_ahead }) = config.buckets else {
        return Ok(());
    };
    let key = names.get("attention.relative_buckets_count", "relative_attention_num_buckets");
    bounded(key, n_buckets, if looks_ahead { 4 } else { 2 }, N_BUCKETS_MAX)?;
    bounded("relative_attention_max_distance".into(), max_distance, n_buckets, MAX_DISTANCE_MAX)
}

/// A decoder whose prompt is read by an encoder begins with a token of its own.
fn check_start(config: &ModelConfig, spec: &ArchSpec, names: &Names<'_>) -> Result<(), LoadError> {
    let key = || names.get("decoder_start_token_id", "decoder_start_token_id");
    let expected = || format!("an id below {}", config.n_vocab);
    match config.decoder_start_id {
        None if spec.encoder.is_some() => Err(LoadError::config(&key(), expected(), "nothing")),
        Some(id) if id as usize >= config.n_vocab => Err(LoadError::config(&key(), expected(), id)),
        _ => Ok(()),
    }
}

fn check_numbers(config: &ModelConfig, names: &Names<'_>) -> Result<(), LoadError> {
    let eps = names.get("attention.layer_norm_rms_epsilon", "rms_norm_eps");
    positive(eps, config.norm_eps.into())?;
    positive(names.get("attention.scale", "query_pre_attn_scalar"), config.attn_scale.into())?;
    positive(names.get("embedding_scale", "embedding_multiplier"), config.embedding_scale.into())?;
    positive(names.get("residual_scale", "residual_multiplier"), config.residual_scale.into())?;
    positive(names.get("logit_scale", "logit_scale"), config.logit_scale.into())?;
    if let Some(clip) = config.qkv_clip {
        positive(names.get("attention.clamp_kqv", "clip_qkv"), clip.into())?;
    }
    let softcap = |key: &str, cap: Option<f32>| match cap {
        Some(cap) => positive(names.get(key, key), cap.into()),
        None => Ok(()),
    };
    softcap("attn_logit_softcapping", config.attn_softcap)?;
    softcap("final_logit_softcapping", config.logit_softcap)?;
    positive(names.get("rope.freq_base", "rope_theta"), config.rope_full.base)?;
    positive(names.get("rope.freq_base_swa", "rope_local_base_freq"), config.rope_sliding.base)?;
    rope_config::check_growth(config.query_growth, names)?;
    rope_config::check_scaling(&config.rope_full, names)
}

pub(crate) fn bounded(key: String, value: usize, min: usize, max: usize) -> Result<(), LoadError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(LoadError::config(&key, format!("{min} to {max}"), value))
}

pub(crate) fn positive(key: String, value: f64) -> Result<(), LoadError> {
    if value.is_finite() && value > 0.0 {
        return Ok(());
    }
    Err(LoadError::config(&key, "a positive number".into(), value))
}
