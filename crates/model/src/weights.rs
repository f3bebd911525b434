//! A loaded model: weights where the file has them, numbers, and nothing that changes (M4).

use format::Bytes;
use kernels::{DType, Kernels, block};
use sha2::{Digest, Sha256};

use crate::attention::{PositionBias, RopeTable, Sinusoids};
use crate::config::ModelConfig;
use crate::load::Skipped;
use crate::spec::{ArchSpec, Direction, Positions};

/// `[n_out, n_in]`, in the file's own format. Quantised is a [`DType`], not another type.
#[derive(Clone)]
pub struct WeightMatrix {
    pub name: String,
    pub dtype: DType,
    pub n_out: usize,
    pub n_in: usize,
    /// Of the products of all rows; a number of its own beside NVFP4.
    pub scale: Option<f32>,
    bytes: Bytes,
    row_bytes: usize,
}

/// `y = weight x + bias`
pub struct Linear {
    pub weight: WeightMatrix,
    /// `[n_out]`
    pub bias: Option<Vec<f32>>,
}

/// Gain and bias of a norm, ready to use: `1 + w` is already added where a file stores `w`.
#[derive(Clone)]
pub struct NormWeights {
    /// Whether the mean is taken off first: layer norm, not RMS norm.
    pub is_centered: bool,
    pub gain: Vec<f32>,
    pub bias: Option<Vec<f32>>,
}

/// A norm of the heads of q or k.
#[derive(Clone)]
pub struct HeadNorm {
    /// Of one width for all, or for each.
    pub weights: NormWeights,
    /// Values that are normed together: those of a head, or of all.
    pub width: usize,
}

pub struct LayerWeights {
    /// `[d_model]`; `None`: attention reads the residual as it is.
    pub attn_norm: Option<NormWeights>,
    pub qkv: QkvWeights,
    /// `[d_model, n_heads * width of a value]`
    pub attn_output: Linear,
    /// `[d_model]`
    pub post_attention_norm: Option<NormWeights>,
    /// `[d_model]`; `None`: that of attention, where both read the same, or none.
    pub ffn_norm: Option<NormWeights>,
    pub feed_forward: FeedForwardWeights,
    /// Where an encoder has read a text that this layer looks at.
    pub cross: Option<CrossWeights>,
    /// `[d_model]`
    pub post_ffw_norm: Option<NormWeights>,
}

/// What makes queries, keys and values.
pub enum QkvWeights {
    Heads(HeadWeights),
    Latent(LatentWeights),
}

pub struct HeadWeights {
    pub attn_q: Linear,
    pub attn_k: Linear,
    pub attn_v: Linear,
    pub attn_q_norm: Option<HeadNorm>,
    pub attn_k_norm: Option<HeadNorm>,
    /// `[n_heads]`: a logit beside the scores of each; empty where there are none.
    pub attn_sinks: Vec<f32>,
}

/// See [`crate::latent_config::LatentConfig`].
pub struct LatentWeights {
    /// What queries are a product of; `None`: the residual.
    pub query: Option<LatentQuery>,
    /// `[n_heads * (d_plain + rope_dim), d_query or d_model]`
    pub attn_q: Linear,
    /// `[d_latent + rope_dim, d_model]`
    pub attn_kv_a: Linear,
    /// `[d_latent]`
    pub attn_kv_a_norm: NormWeights,
    /// `[n_heads]` matrices `K_h^T`, `[d_latent, d_plain]`
    pub attn_k_b: Vec<Linear>,
    /// `[n_heads]` matrices `V_h`, `[d_value, d_latent]`
    pub attn_v_b: Vec<Linear>,
}

pub struct LatentQuery {
    /// `[d_query, d_model]`
    pub linear: Linear,
    /// `[d_query]`
    pub norm: NormWeights,
}

/// `x + attention(norm(x))` of a decoder's layer over what an encoder has read: queries are the
/// decoder's, keys and values the encoder's (Vaswani et al. 2017, section 3.2.3).
pub struct CrossWeights {
    /// `[d_model]`
    pub attn_norm: NormWeights,
    pub attn_q: Linear,
    pub attn_k: Linear,
    pub attn_v: Linear,
    pub attn_output: Linear,
}

pub enum FeedForwardWeights {
    Dense(DenseWeights),
    Experts(ExpertWeights),
}

pub struct DenseWeights {
    /// `[d_ff, d_model]`; `None` where there is no gate.
    pub gate: Option<Linear>,
    /// `[d_ff, d_model]`
    pub up: Linear,
    /// `[d_model, d_ff]`
    pub down: Linear,
}

/// See [`crate::config::ExpertsConfig`].
pub struct ExpertWeights {
    /// `[n_experts, d_model]`
    pub router: Linear,
    /// `[n_experts]`, added to what experts are chosen by, not to what they weigh.
    pub selection_bias: Option<Vec<f32>>,
    /// `[n_experts]`
    pub experts: Vec<DenseWeights>,
    pub shared: Option<SharedExpert>,
}

/// An expert that all tokens go through.
pub struct SharedExpert {
    pub weights: DenseWeights,
    /// `[d_model]`: the sigmoid of its product with a token says how much of it counts; `None`:
    /// all of it.
    pub gate: Option<Vec<f32>>,
}

/// How matrices are multiplied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Arithmetic {
    /// Activations quantised to int8 where the weights are quantised.
    #[default]
    Int8,
    /// Weights dequantised to f32, f32 arithmetic: the oracle.
    Exact,
}

pub struct Model {
    pub spec: &'static ArchSpec,
    pub config: ModelConfig,
    pub arithmetic: Arithmetic,
    /// `[n_vocab, d_model]`
    pub token_embd: WeightMatrix,
    /// `[n_positions, d_model]`, where positions are learned.
    pub position_embd: Option<WeightMatrix>,
    /// `[d_model]`: what is added to the embedding of a token of a first text, where models were
    /// trained on pairs of texts.
    pub token_type: Option<Vec<f32>>,
    /// `[d_model]`, of the embedding.
    pub token_embd_norm: Option<NormWeights>,
    pub layers: Vec<LayerWeights>,
    /// `[d_model]`; `None`: the last layer has normed what it leaves.
    pub output_norm: Option<NormWeights>,
    pub output: OutputMatrix,
    /// `[n_vocab]`
    pub output_bias: Option<Vec<f32>>,
    /// What is added to the embedding, where positions are sinusoidal.
    pub sinusoids: Option<Sinusoids>,
    pub position_bias: PositionBias,
    /// The half that reads the prompt: [`crate::encode`].
    pub encoder: Option<Box<Model>>,
    /// What of the file is not for texts.
    pub skipped: Skipped,
    /// Size of the model's files.
    pub n_bytes: u64,
}

/// What turns the last hidden state into logits.
pub enum OutputMatrix {
    /// Nothing: the hidden states are the result.
    None,
    /// The embedding, once more.
    Tied,
    /// `[n_vocab, d_model]`
    Own(WeightMatrix),
}

impl OutputMatrix {
    fn own(&self) -> Option<&WeightMatrix> {
        match self {
            Self::None | Self::Tied => None,
            Self::Own(matrix) => Some(matrix),
        }
    }
}

impl WeightMatrix {
    /// `bytes` holds `n_out` rows of `n_in` values.
    pub fn new(name: String, dtype: DType, shape: [usize; 2], bytes: Bytes) -> Self {
        let [n_out, n_in] = shape;
        let row_bytes = dtype.row_bytes(n_in).expect("the file reader checked whole blocks");
        assert_eq!(bytes.len(), row_bytes * n_out, "{name}");
        Self { name, dtype, n_out, n_in, scale: None, bytes, row_bytes }
    }

    /// With the products of all rows scaled.
    pub fn scaled(self, scale: Option<f32>) -> Self {
        Self { scale, ..self }
    }

    /// The bytes of rows `first..first + n`, fewer at the end of the matrix.
    pub fn rows(&self, first: usize, n: usize) -> &[u8] {
        let end = (first + n).min(self.n_out);
        &self.bytes[first * self.row_bytes..end * self.row_bytes]
    }

    /// Row `row_idx` as f32; `out`: `[n_in]`.
    pub fn decode_row(&self, row_idx: usize, out: &mut [f32]) {
        block::decode_row(self.dtype, self.rows(row_idx, 1), out);
        if let Some(scale) = self.scale {
            out.iter_mut().for_each(|w| *w *= scale);
        }
    }

    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl NormWeights {
    /// The norm without its bias: `(x, gain, eps, out)`.
    pub(crate) fn kernel(&self, kernels: &Kernels) -> fn(&[f32], &[f32], f32, &mut [f32]) {
        if self.is_centered { kernels.layer_norm } else { kernels.rms_norm }
    }

    fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        [&*self.gain].into_iter().chain(self.bias.as_deref())
    }
}

impl Model {
    /// The matrix that turns the last hidden state into logits; `None`: there are none.
    pub fn output_matrix(&self) -> Option<&WeightMatrix> {
        match &self.output {
            OutputMatrix::None => None,
            OutputMatrix::Tied => Some(&self.token_embd),
            OutputMatrix::Own(matrix) => Some(matrix),
        }
    }

    /// Whether it can continue a text: its tokens look back only, and there are logits.
    pub fn continues_text(&self) -> bool {
        self.config.direction == Direction::Causal && !matches!(self.output, OutputMatrix::None)
    }

    /// The most positions of a text; `None`: positions are not learned, and none is too far.
    pub fn n_positions_max(&self) -> Option<usize> {
        let Positions::Learned { first_row } = self.config.positions else { return None };
        self.position_embd.as_ref().map(|positions| positions.n_out - first_row)
    }

    /// Layers of an encoder, then its own.
    fn all_layers(&self) -> impl Iterator<Item = &LayerWeights> {
        let of_encoder = self.encoder.iter().flat_map(|encoder| &encoder.layers);
        of_encoder.chain(&self.layers)
    }

    pub fn matrices(&self) -> impl Iterator<Item = &WeightMatrix> {
        let layers = self.all_layers().flat_map(LayerWeights::matrices);
        let embeddings = [&self.token_embd].into_iter().chain(&self.position_embd);
        embeddings.chain(layers).chain(self.output.own())
    }

    /// Bytes of all weights in memory: matrices as the file has them, vectors as f32.
    pub fn n_weight_bytes(&self) -> usize {
        let embeddings = [&self.token_embd].into_iter().chain(&self.position_embd);
        let of_encoder = self.encoder.as_ref().and_then(|encoder| encoder.output_norm.as_ref());
        let norms = [self.output_norm.as_ref(), self.token_embd_norm.as_ref(), of_encoder];
        let norms = norms.into_iter().flatten().flat_map(NormWeights::vectors);
        let encoder_bias = self.encoder.as_ref().map(|encoder| encoder.position_bias.values());
        let vectors = norms
            .chain(self.output_bias.as_deref())
            .chain(self.token_type.as_deref())
            .chain([self.position_bias.values()])
            .chain(encoder_bias);
        embeddings.chain(self.output.own()).map(WeightMatrix::n_bytes).sum::<usize>()
            + self.all_layers().map(LayerWeights::n_bytes).sum::<usize>()
            + vectors.map(size_of_val).sum::<usize>()
    }

    /// SHA-256 over names, types, shapes and both ends of every matrix, and the arithmetic: models
    /// that compute other keys have another one. Of texts of up to `n_ctx` positions, where that
    /// makes a difference. Reads a few pages of each matrix.
    pub fn fingerprint(&self, n_ctx: usize) -> [u8; 32] {
        const END_BYTES: usize = 4096;
        let mut hasher = Sha256::new();
        hasher.update(format!("{} {:?}\n", self.spec.name, self.arithmetic));
        for matrix in self.matrices() {
            let WeightMatrix { name, dtype, n_out, n_in, scale, bytes, .. } = matrix;
            hasher.update(format!("{name} {dtype} {n_out} {n_in} {scale:?}\n"));
            hasher.update(&bytes[..END_BYTES.min(bytes.len())]);
            hasher.update(&bytes[bytes.len().saturating_sub(END_BYTES)..]);
        }
        let ropes = [&self.config.rope_full, &self.config.rope_sliding];
        for rope in ropes.into_iter().filter(|rope| rope.depends_on_context()) {
            hasher.update(format!("{:?}\n", RopeTable::new(rope, n_ctx)));
        }
        hasher.finalize().into()
    }

    /// The first tensor with a NaN or infinite value. Reads every weight: for explaining logits
    /// that are not numbers, not for every load.
    pub fn find_non_finite(&self) -> Option<&str> {
        self.matrices().find_map(|matrix| {
            let mut row = vec![0.0; matrix.n_in];
            (0..matrix.n_out).find_map(|row_idx| {
                matrix.decode_row(row_idx, &mut row);
                row.iter().any(|x| !x.is_finite()).then_some(matrix.name.as_str())
            })
        })
    }
}

impl LayerWeights {
    fn linears(&self) -> impl Iterator<Item = &Linear> {
        let of_source = self.cross.iter().flat_map(|cross| [&cross.attn_k, &cross.attn_v]);
        self.linears_read(usize::MAX).chain(of_source)
    }

    /// All but the experts beyond the first `n_experts`, and what meets an encoder's text once.
    fn linears_read(&self, n_experts: usize) -> impl Iterator<Item = &Linear> {
        let attention = self.qkv.linears().chain([&self.attn_output]);
        let (dense, router, experts): (_, _, &[DenseWeights]) = match &self.feed_forward {
            FeedForwardWeights::Dense(dense) => (Some(dense), None, &[]),
            FeedForwardWeights::Experts(ExpertWeights { router, experts, shared, .. }) => {
                (shared.as_ref().map(|shared| &shared.weights), Some(router), experts)
            }
        };
        let feed_forward = dense.into_iter().chain(experts.iter().take(n_experts));
        let feed_forward =
            feed_forward.flat_map(|dense| dense.gate.iter().chain([&dense.up, &dense.down]));
        let cross = self.cross.iter().flat_map(|cross| [&cross.attn_q, &cross.attn_output]);
        attention.chain(cross).chain(router).chain(feed_forward)
    }

    /// What a token reads that uses so many experts; they have one size.
    pub(crate) fn matrices_read(&self, n_experts: usize) -> impl Iterator<Item = &WeightMatrix> {
        self.linears_read(n_experts).map(|linear| &linear.weight)
    }

    pub fn matrices(&self) -> impl Iterator<Item = &WeightMatrix> {
        self.linears().map(|linear| &linear.weight)
    }

    fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        let biases = self.linears().filter_map(|linear| linear.bias.as_deref());
        let norms = [
            self.attn_norm.as_ref(),
            self.post_attention_norm.as_ref(),
            self.ffn_norm.as_ref(),
            self.post_ffw_norm.as_ref(),
            self.cross.as_ref().map(|cross| &cross.attn_norm),
        ];
        let of_experts = match &self.feed_forward {
            FeedForwardWeights::Dense(_) => [None, None],
            FeedForwardWeights::Experts(ExpertWeights { selection_bias, shared, .. }) => {
                let gate = shared.as_ref().and_then(|shared| shared.gate.as_deref());
                [selection_bias.as_deref(), gate]
            }
        };
        let norms = norms.into_iter().flatten().chain(self.qkv.norms());
        let norms = norms.flat_map(NormWeights::vectors);
        biases.chain(norms).chain(of_experts.into_iter().flatten()).chain([self.qkv.sinks()])
    }

    /// Matrices as the file has them, vectors as f32.
    pub fn n_bytes(&self) -> usize {
        self.matrices().map(WeightMatrix::n_bytes).sum::<usize>()
            + self.vectors().map(size_of_val).sum::<usize>()
    }
}

impl QkvWeights {
    fn linears(&self) -> Box<dyn Iterator<Item = &Linear> + '_> {
        match self {
            Self::Heads(heads) => {
                Box::new([&heads.attn_q, &heads.attn_k, &heads.attn_v].into_iter())
            }
            Self::Latent(latent) => {
                let query = latent.query.iter().map(|query| &query.linear);
                let first = query.chain([&latent.attn_q, &latent.attn_kv_a]);
                Box::new(first.chain(&latent.attn_k_b).chain(&latent.attn_v_b))
            }
        }
    }

    /// `[n_heads]`, or none.
    pub(crate) fn sinks(&self) -> &[f32] {
        match self {
            Self::Heads(heads) => &heads.attn_sinks,
            Self::Latent(_) => &[],
        }
    }

    fn norms(&self) -> impl Iterator<Item = &NormWeights> {
        let norms = match self {
            Self::Heads(heads) => [&heads.attn_q_norm, &heads.attn_k_norm]
                .map(|norm| norm.as_ref().map(|norm| &norm.weights)),
            Self::Latent(latent) => {
                let query = latent.query.as_ref().map(|query| &query.norm);
                [query, Some(&latent.attn_kv_a_norm)]
            }
        };
        norms.into_iter().flatten()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Model>();
};
