//! A loaded model: weights where the file has them, numbers, and nothing that changes (M4).

use format::Bytes;
use kernels::{DType, block};
use sha2::{Digest, Sha256};

use crate::attention::RopeTable;
use crate::config::ModelConfig;
use crate::spec::ArchSpec;

/// `[n_out, n_in]`, in the file's own format. Quantised is a [`DType`], not another type.
#[derive(Clone)]
pub struct WeightMatrix {
    pub name: String,
    pub dtype: DType,
    pub n_out: usize,
    pub n_in: usize,
    bytes: Bytes,
    row_bytes: usize,
}

/// `y = weight x + bias`
pub struct Linear {
    pub weight: WeightMatrix,
    /// `[n_out]`
    pub bias: Option<Vec<f32>>,
}

/// Gains of the norms are ready to multiply: `1 + w` is already added where a file stores `w`.
pub struct LayerWeights {
    /// `[d_model]`
    pub attn_norm: Vec<f32>,
    pub attn_q: Linear,
    pub attn_k: Linear,
    pub attn_v: Linear,
    /// `[head_dim]`, where the architecture norms q and k.
    pub attn_q_norm: Option<Vec<f32>>,
    pub attn_k_norm: Option<Vec<f32>>,
    pub attn_output: Linear,
    /// `[d_model]`, where the residual is a sandwich.
    pub post_attention_norm: Option<Vec<f32>>,
    /// `[d_model]`
    pub ffn_norm: Vec<f32>,
    pub ffn_gate: Linear,
    pub ffn_up: Linear,
    pub ffn_down: Linear,
    /// `[d_model]`, where the residual is a sandwich.
    pub post_ffw_norm: Option<Vec<f32>>,
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
    pub layers: Vec<LayerWeights>,
    /// `[d_model]`
    pub output_norm: Vec<f32>,
    /// `[n_vocab, d_model]`; `None` when the embedding serves as output too.
    pub output: Option<WeightMatrix>,
    pub rope_full: RopeTable,
    pub rope_sliding: RopeTable,
    /// Size of the model's files.
    pub n_bytes: u64,
}

impl WeightMatrix {
    /// `bytes` holds `n_out` rows of `n_in` values.
    pub fn new(name: String, dtype: DType, shape: [usize; 2], bytes: Bytes) -> Self {
        let [n_out, n_in] = shape;
        let row_bytes = dtype.row_bytes(n_in).expect("the file reader checked whole blocks");
        assert_eq!(bytes.len(), row_bytes * n_out, "{name}");
        Self { name, dtype, n_out, n_in, bytes, row_bytes }
    }

    /// The bytes of rows `first..first + n`, fewer at the end of the matrix.
    pub fn rows(&self, first: usize, n: usize) -> &[u8] {
        let end = (first + n).min(self.n_out);
        &self.bytes[first * self.row_bytes..end * self.row_bytes]
    }

    /// Row `row_idx` as f32; `out`: `[n_in]`.
    pub fn decode_row(&self, row_idx: usize, out: &mut [f32]) {
        block::decode_row(self.dtype, self.rows(row_idx, 1), out);
    }

    pub fn n_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl Model {
    /// The matrix that turns the last hidden state into logits.
    pub fn output_matrix(&self) -> &WeightMatrix {
        self.output.as_ref().unwrap_or(&self.token_embd)
    }

    pub fn matrices(&self) -> impl Iterator<Item = &WeightMatrix> {
        let layers = self.layers.iter().flat_map(LayerWeights::matrices);
        [&self.token_embd].into_iter().chain(layers).chain(&self.output)
    }

    /// Bytes of all weights in memory: matrices as the file has them, vectors as f32.
    pub fn n_weight_bytes(&self) -> usize {
        let embeddings = [&self.token_embd].into_iter().chain(&self.output);
        embeddings.map(WeightMatrix::n_bytes).sum::<usize>()
            + self.layers.iter().map(LayerWeights::n_bytes).sum::<usize>()
            + size_of_val(&*self.output_norm)
    }

    /// SHA-256 over names, types, shapes and both ends of every matrix, and the arithmetic: models
    /// that compute other keys have another one. Reads a few pages of each matrix.
    pub fn fingerprint(&self) -> [u8; 32] {
        const END_BYTES: usize = 4096;
        let mut hasher = Sha256::new();
        hasher.update(format!("{} {:?}\n", self.spec.name, self.arithmetic));
        for matrix in self.matrices() {
            let WeightMatrix { name, dtype, n_out, n_in, bytes, .. } = matrix;
            hasher.update(format!("{name} {dtype} {n_out} {n_in}\n"));
            hasher.update(&bytes[..END_BYTES.min(bytes.len())]);
            hasher.update(&bytes[bytes.len().saturating_sub(END_BYTES)..]);
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
    fn linears(&self) -> [&Linear; 7] {
        [
            &self.attn_q,
            &self.attn_k,
            &self.attn_v,
            &self.attn_output,
            &self.ffn_gate,
            &self.ffn_up,
            &self.ffn_down,
        ]
    }

    pub fn matrices(&self) -> impl Iterator<Item = &WeightMatrix> {
        self.linears().into_iter().map(|linear| &linear.weight)
    }

    fn vectors(&self) -> impl Iterator<Item = &[f32]> {
        let biases = self.linears().map(|linear| linear.bias.as_ref());
        let norms = [
            Some(&self.attn_norm),
            self.attn_q_norm.as_ref(),
            self.attn_k_norm.as_ref(),
            self.post_attention_norm.as_ref(),
            Some(&self.ffn_norm),
            self.post_ffw_norm.as_ref(),
        ];
        biases.into_iter().chain(norms).flatten().map(Vec::as_slice)
    }

    /// Matrices as the file has them, vectors as f32.
    pub fn n_bytes(&self) -> usize {
        self.matrices().map(WeightMatrix::n_bytes).sum::<usize>()
            + self.vectors().map(size_of_val).sum::<usize>()
    }
}

const _: () = {
    const fn is_send_and_sync<T: Send + Sync>() {}
    is_send_and_sync::<Model>();
};
