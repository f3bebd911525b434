//! What can differ between architectures, as data (M1).

use crate::attention::AttentionPattern;
use crate::config::ModelConfig;

/// One architecture: what kind of transformer it is. What numbers it has is [`ModelConfig`].
#[derive(Clone, Copy, Debug)]
pub struct ArchSpec {
    /// `general.architecture` in GGUF.
    pub name: &'static str,
    /// `architectures[0]` in a Hugging Face config.json.
    pub hf_names: &'static [&'static str],
    /// Hugging Face tensor names and ours (GGUF's), list after list; of several rows for one of
    /// ours, the first that the file has counts.
    pub hf_tensors: &'static [TensorNames],
    /// What may stand before those names: folders of a model without its head leave it out.
    pub hf_prefix: &'static str,
    /// What names of tensors begin with that folders hold for other tasks, as the prediction of
    /// hidden words.
    pub hf_unused: &'static [&'static str],
    /// Numbers that folders of its models with more senses leave out.
    pub hf_defaults: &'static [(&'static str, u32)],
    /// GGUF's tensor names, where they are not the usual ones.
    pub gguf_tensors: TensorNames,
    /// The half that reads the prompt, where this one is a decoder whose layers look at what the
    /// other made of it (Vaswani et al. 2017, section 3.1). Widths are the same in both.
    pub encoder: Option<&'static ArchSpec>,
    /// Longest position plus one, where a folder does not say.
    pub n_ctx: Option<usize>,
    pub layout: PerFormat<Layout>,
    pub norm: PerFormat<Norm>,
    /// Where the file does not say.
    pub norm_eps: f32,
    pub residual: Residual,
    pub attention: AttentionKind,
    /// Whether attention of the first layer reads the embedding, which is normed, as it is.
    pub first_is_normed: bool,
    pub qk_norm: QkNorm,
    /// Whether heads are normed after they are rotated.
    pub norms_rotated: bool,
    /// Whether each head has a learned logit beside its scores, which takes its part of the weights
    /// and has no value (gpt-oss, arXiv 2508.10925, section 2.2).
    pub has_sinks: bool,
    pub biases: Biases,
    pub positions: Positions,
    /// Whether a file may ask for ALiBi instead, then scaled as scores are.
    pub may_have_alibi: bool,
    /// Where the file does not say.
    pub direction: PerFormat<Direction>,
    pub output: Output,
    pub rope: PerFormat<RopePairing>,
    /// Layers that rotate, where the file does not say.
    pub rope_layers: RopeLayers,
    /// What a folder's `rope_scaling` calls [`crate::rope_config::QueryGrowth`]'s `beta`.
    pub query_growth: Option<&'static str>,
    /// Tiled over the layers, where the file does not say.
    pub layer_kinds: &'static [LayerKind],
    /// Where a file says that one of so many layers is full: which.
    pub full_layer: FullLayer,
    /// RoPE base, where the file does not say.
    pub rope_base: f64,
    /// That of the sliding-window layers, where it differs and the file does not say.
    pub rope_base_sliding: Option<f64>,
    /// Whether what stretches positions does so in the sliding-window layers too, which never see
    /// far ones.
    pub scales_sliding: bool,
    /// Whether the pairs between which YaRN blends are whole numbers, in GGUF, which does not say.
    pub truncates_yarn: bool,
    pub feed_forward: FeedForward,
    /// What it is in files that have no gate, where there are such.
    pub ungated: Option<PlainActivation>,
    /// Of a model with experts: whether the weights of those chosen sum to one, where the file does
    /// not say.
    pub normalizes_experts: bool,
    /// What is made of a router's products, where the file does not say.
    pub router_scores: RouterScores,
    /// Whether a product says how much of the expert counts that all tokens go through.
    pub gates_shared_expert: bool,
    pub embedding_scale: EmbeddingScale,
    /// Where the file does not say.
    pub size_scales: Option<SizeScales>,
    pub logit_scale: LogitScale,
    /// Whether logits are scaled by `d_model^-0.5` where the embedding is the output too.
    pub scales_tied_logits: bool,
    /// What multiplies `q . k`, where the file does not say.
    pub attn_scale: fn(&ModelConfig) -> f32,
}

impl ArchSpec {
    /// Whether its texts are read as a whole, with an end, where other models continue them.
    pub fn reads_whole_texts(&self) -> bool {
        self.encoder.is_some() || self.output == Output::HiddenStates
    }
}

/// (Theirs, ours), with `{}` for the number of the layer; without `.weight` and `.bias`, but where
/// the names of one tensor alone are meant.
pub type TensorNames = &'static [(&'static str, &'static str)];

/// A fact that differs between the file formats of one model.
#[derive(Clone, Copy, Debug)]
pub struct PerFormat<T> {
    pub gguf: T,
    pub hf: T,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileFormat {
    Gguf,
    HuggingFace,
}

impl<T: Copy> PerFormat<T> {
    pub const fn same(value: T) -> Self {
        Self { gguf: value, hf: value }
    }

    pub fn get(&self, format: FileFormat) -> T {
        match format {
            FileFormat::Gguf => self.gguf,
            FileFormat::HuggingFace => self.hf,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `x / rms(x) * w`
    Rms,
    /// The stored weight is `w`, the gain is `1 + w`.
    RmsPlusOne,
    /// `(x - mean(x)) / std(x) * w + b`
    Layer,
    /// The same with `1 + w`.
    LayerPlusOne,
    /// The same without `w` and `b`: files hold nothing of it.
    LayerPlain,
}

impl Norm {
    pub fn is_centered(self) -> bool {
        matches!(self, Self::Layer | Self::LayerPlusOne | Self::LayerPlain)
    }

    pub fn adds_one(self) -> bool {
        matches!(self, Self::RmsPlusOne | Self::LayerPlusOne)
    }
}

/// How a file lays out the matrices of a layer.
#[derive(Clone, Copy, Debug)]
pub struct Layout {
    pub qkv: QkvLayout,
    pub gate: GateLayout,
    /// Whether matrices are `[n_in, n_out]`.
    pub is_transposed: bool,
    /// Whether those of experts are, where they are floats.
    pub transposes_experts: bool,
}

impl Layout {
    pub const SEPARATE: Self = Self {
        qkv: QkvLayout::Separate,
        gate: GateLayout::Separate,
        is_transposed: false,
        transposes_experts: false,
    };
}

/// Whether, and in which order, one matrix `attn_qkv` holds the rows of q, k and v.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkvLayout {
    Separate,
    /// All of q, then all of k, then all of v.
    Joined,
    /// Kv head by kv head: its q heads, its k, its v.
    ByKvHead,
    /// Four times a fourth of q, of v, of k: what each of four devices held.
    InFourths,
}

/// Where the rows of `ffn_gate` are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateLayout {
    Separate,
    /// In `ffn_up`, before its own.
    First,
    /// In `ffn_up`, one before each of its own.
    Alternating,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Residual {
    /// `x + f(norm(x))`
    PreNorm,
    /// `x + norm(f(norm(x)))`
    SandwichNorm,
    /// `x + norm(f(x))`
    PostNorm,
    /// `norm(x + f(x))` (Vaswani et al. 2017, section 3.1): there is no last norm.
    NormOfSum,
    /// `x + attention(norm(x)) + feed_forward(norm(x))`, of one norm (Wang & Komatsuzaki 2021);
    /// if the file has `attn_norm_2`, attention reads that one.
    Parallel,
    /// The same with a norm for each.
    ParallelTwoNorms,
}

impl Residual {
    pub fn is_parallel(self) -> bool {
        matches!(self, Self::Parallel | Self::ParallelTwoNorms)
    }

    /// Whether a block reads a norm of the residual, not the residual.
    pub fn norms_inputs(self) -> bool {
        !matches!(self, Self::PostNorm | Self::NormOfSum)
    }

    /// Whether what a block finds, or the sum with it, is normed.
    pub fn norms_results(self) -> bool {
        matches!(self, Self::SandwichNorm | Self::PostNorm | Self::NormOfSum)
    }
}

/// What is cached of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttentionKind {
    /// A key and a value for each kv head.
    Heads,
    /// What keys and values are products of: see [`crate::latent_config::LatentConfig`].
    Latent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QkNorm {
    None,
    /// Over each head's own values, one gain for all heads.
    PerHead,
    /// The same, if the file has gains.
    PerHeadOptional,
    /// With gains of its own for each head, if the file has them.
    PerHeadOwnGains,
    /// Over all heads together.
    Whole,
}

/// Which matrices and norms have something added.
#[derive(Clone, Copy, Debug)]
pub struct Biases {
    pub qkv: Bias,
    pub attn_output: Bias,
    pub feed_forward: Bias,
    /// Of a router and of the experts that it chooses.
    pub experts: Bias,
    /// Of norms other than those of q and k.
    pub norm: Bias,
    pub output: Bias,
}

impl Biases {
    pub const NONE: Self = Self::all(Bias::None);

    pub const fn all(bias: Bias) -> Self {
        Self {
            qkv: bias,
            attn_output: bias,
            feed_forward: bias,
            experts: bias,
            norm: bias,
            output: bias,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bias {
    None,
    Present,
    /// If the file has it.
    Optional,
}

/// How a token knows where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Positions {
    /// Queries and keys are rotated (Su et al. 2021).
    Rope,
    /// A learned vector for each position is added to the embedding (Radford et al. 2019); the
    /// first position has row `first_row`.
    Learned { first_row: usize },
    /// Sines and cosines of each position, counted from `first`, are added to the embedding
    /// (Vaswani et al. 2017, section 3.5): all sines first, then all cosines.
    Sinusoidal { first: usize },
    /// Scores fall with the distance (Press et al. 2022).
    Alibi,
    /// Scores gain a learned number for each bucket of distances (Raffel et al. 2020, section 2.1),
    /// which the first layer holds for all; `max_distance` where the file does not say.
    Buckets { max_distance: usize },
}

/// Which tokens of a text a token may look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Those before it: a text can be continued.
    Causal,
    /// All: a text is computed as a whole, in one pass.
    Bidirectional,
}

/// What becomes of the last hidden states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// A matrix, or the embedding, turns them into logits.
    Logits,
    /// They are what is wanted.
    HiddenStates,
}

/// Layers that rotate queries and keys; the others know no positions (NoPE, Kazemnejad et al.
/// 2023).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeLayers {
    All,
    /// Those with a window.
    Sliding,
    /// The same, or all where the file names no window, and all layers are full then.
    SlidingIfAny,
    /// All but every so many-th.
    AllButEvery(usize),
}

/// Which values of a head RoPE rotates together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopePairing {
    /// `(2i, 2i + 1)`
    Interleaved,
    /// `(i, i + rope_dim / 2)`
    HalfSplit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayerKind {
    Full,
    /// Window size from the file.
    Sliding,
}

/// Of layers of which every so many-th is full: the first of them, or the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FullLayer {
    First,
    Last,
}

impl LayerKind {
    pub fn pattern(self, direction: Direction, window: u32) -> AttentionPattern {
        match (self, direction) {
            (Self::Full, Direction::Causal) => AttentionPattern::Causal,
            (Self::Sliding, Direction::Causal) => AttentionPattern::SlidingWindow { window },
            (Self::Full, Direction::Bidirectional) => AttentionPattern::Bidirectional,
            (Self::Sliding, Direction::Bidirectional) => {
                AttentionPattern::SymmetricWindow { window }
            }
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedForward {
    /// `down(activation(gate(x)) * up(x))` (Shazeer 2020)
    Gated(Activation),
    /// `down(activation(up(x)))`
    Plain(PlainActivation),
}

impl FeedForward {
    pub fn is_gated(self) -> bool {
        matches!(self, Self::Gated(_))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    Silu,
    /// `g sigmoid(1.702 g) (u + 1)` of `g = min(gate, 7)` and `u = max(-7, min(up, 7))` (gpt-oss,
    /// arXiv 2508.10925, section 2.1).
    ClampedSilu,
    Gelu,
    GeluTanh,
}

/// What experts are compared and weighed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterScores {
    /// Of the products with all experts.
    Softmax,
    /// Of each by itself.
    Sigmoid,
}

/// What groups of experts are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupRank {
    /// Their best expert (DeepSeek-V2).
    Greatest,
    /// Their two best (DeepSeek-V3).
    SumOfTwo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlainActivation {
    Gelu,
    GeluTanh,
    Relu,
    ReluSquared,
}

/// What a file's `logit_scale` does to the logits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogitScale {
    Multiplies,
    Divides,
}

/// Scales that follow from depth and width, so that small models tell what suits large ones
/// (MiniCPM, Hu et al. 2024, section 3.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SizeScales {
    /// Multiplies the embedding.
    pub embedding: f32,
    /// What a block adds to the residual is multiplied by `depth / sqrt(n_layers)`.
    pub depth: f32,
    /// Logits are divided by `d_model / d_model_base`.
    pub d_model_base: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EmbeddingScale {
    One,
    /// `sqrt(d_model)`
    SqrtModelDim,
}
