//! Small GGUF models with random weights: same seed, same bytes. Tests turn the knobs.

#![forbid(unsafe_code)]

use format::TensorInfo;
use format::gguf::{Strings, Writer};
use kernels::{DType, block};

/// The knobs. Every width must be whole blocks of `dtype`.
#[derive(Clone, Debug)]
pub struct TinyRandom {
    pub architecture: &'static str,
    pub dtype: DType,
    pub seed: u64,
    pub n_layers: usize,
    pub d_model: usize,
    pub d_ff: usize,
    pub n_heads: usize,
    pub n_kv_heads: usize,
    pub head_dim: usize,
    /// Instead of heads of one width; with an architecture that has it.
    pub latent: Option<TinyLatent>,
    pub n_ctx: u32,
    pub is_causal: bool,
    pub window: Option<u32>,
    /// None where it is 0; every token goes through two.
    pub n_experts: usize,
    /// Experts are half as wide, in groups of two of which two can be chosen, by sigmoids and with
    /// a bias; one more is there for all tokens, and the first layer has none.
    pub has_expert_groups: bool,
    /// On attention scores and on logits.
    pub softcap: Option<f32>,
    pub output: Output,
}

/// Widths of latent attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TinyLatent {
    pub d_query: Option<usize>,
    pub d_latent: usize,
    pub d_plain: usize,
    pub rope_dim: usize,
    pub d_value: usize,
    /// Whether what makes keys and what makes values are tensors of their own.
    pub is_split: bool,
}

impl Default for TinyLatent {
    /// Wide enough for every type where it is not split.
    fn default() -> Self {
        Self {
            d_query: Some(256),
            d_latent: 256,
            d_plain: 32,
            rope_dim: 16,
            d_value: 64,
            is_split: false,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    Tied,
    Untied,
}

/// `<unk> <s> </s>`, 256 bytes, and 29 letters and marks.
pub const N_VOCAB: usize = 3 + 256 + LETTERS.len();
const LETTERS: &str = "etaoinshrdlucmfwypvbgkjqxz.,?";

impl Default for TinyRandom {
    /// Llama's shape with three query heads a kv head, 256 wide, so that every type fits.
    fn default() -> Self {
        Self {
            architecture: "llama",
            dtype: DType::F32,
            seed: 1,
            n_layers: 2,
            d_model: 256,
            d_ff: 256,
            n_heads: 12,
            n_kv_heads: 4,
            head_dim: 64,
            latent: None,
            n_ctx: 512,
            is_causal: true,
            window: None,
            n_experts: 0,
            has_expert_groups: false,
            softcap: None,
            output: Output::Untied,
        }
    }
}

impl TinyRandom {
    /// The file's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.writer().into_bytes("tiny").expect("a model that the format can hold")
    }

    /// Writes the file.
    pub fn write(&self, path: &std::path::Path) {
        self.writer().write(path).expect("a writable folder");
    }

    pub fn writer(&self) -> Writer<'static> {
        let mut writer = Writer::new();
        self.put_numbers(&mut writer);
        put_vocabulary(&mut writer);
        let mut seed = self.seed;
        for (name, shape) in self.tensors() {
            seed += 1;
            let values = random(&name, shape.iter().product(), seed);
            // Norms, biases and routers are kept as they are, as converters do.
            let is_kept = shape.len() == 1 || name.contains("ffn_gate_inp");
            let dtype = if is_kept { DType::F32 } else { self.dtype };
            let n_in = *shape.last().expect("a shape");
            let row_bytes = dtype.row_bytes(n_in).expect("whole blocks");
            let mut bytes = vec![0; values.len() / n_in * row_bytes];
            if block::is_encoded(dtype) {
                let rows = values.chunks_exact(n_in).zip(bytes.chunks_exact_mut(row_bytes));
                rows.for_each(|(row, bytes)| block::encode_row(dtype, row, bytes));
            } else {
                let size = values.iter().fold(0.0f32, |max, x| max.max(x.abs()));
                block::made_up_row(dtype, seed, size, &mut bytes);
            }
            writer.tensor(TensorInfo { name, dtype, shape }, bytes);
        }
        writer
    }

    fn put_numbers(&self, writer: &mut Writer<'static>) {
        let key = |name: &str| format!("{}.{name}", self.architecture);
        writer.set("general.architecture", self.architecture);
        for (name, value) in [
            ("block_count", self.n_layers as u32),
            ("embedding_length", self.d_model as u32),
            ("feed_forward_length", self.d_ff as u32),
            ("attention.head_count", self.n_heads as u32),
            ("attention.head_count_kv", self.n_kv_heads as u32),
            ("context_length", self.n_ctx),
        ] {
            writer.set(&key(name), value);
        }
        for (name, value) in self.widths() {
            writer.set(&key(name), value as u32);
        }
        writer.set(&key("attention.layer_norm_rms_epsilon"), 1e-5f32);
        if !self.is_causal {
            writer.set(&key("attention.causal"), false);
        }
        if let Some(window) = self.window {
            writer.set(&key("attention.sliding_window"), window);
            writer.set(&key("attention.sliding_window_pattern"), 2u32);
        }
        if self.n_experts > 0 {
            writer.set(&key("expert_count"), self.n_experts as u32);
            writer.set(&key("expert_used_count"), 2u32);
        }
        if self.has_expert_groups {
            for (name, value) in [
                ("leading_dense_block_count", 1),
                ("expert_feed_forward_length", self.d_ff / 2),
                ("expert_shared_count", 1),
                ("expert_gating_func", 2),
                ("expert_group_count", self.n_experts / 2),
                ("expert_group_used_count", 2),
            ] {
                writer.set(&key(name), value as u32);
            }
            writer.set(&key("expert_weights_scale"), 1.5f32);
        }
        if let Some(cap) = self.softcap {
            writer.set(&key("attn_logit_softcapping"), cap);
            writer.set(&key("final_logit_softcapping"), cap);
        }
    }

    fn widths(&self) -> Vec<(&'static str, usize)> {
        let Some(latent) = self.latent else {
            let names = ["attention.key_length", "attention.value_length"];
            return names.map(|name| (name, self.head_dim)).into();
        };
        let TinyLatent { d_latent, d_plain, rope_dim, d_value, .. } = latent;
        let mut widths =
            vec![("attention.kv_lora_rank", d_latent), ("rope.dimension_count", rope_dim)];
        widths.extend(latent.d_query.map(|d_query| ("attention.q_lora_rank", d_query)));
        if latent.is_split {
            widths.extend([
                ("attention.key_length", d_latent + rope_dim),
                ("attention.value_length", d_latent),
                ("attention.key_length_mla", d_plain + rope_dim),
                ("attention.value_length_mla", d_value),
            ]);
        } else {
            widths.extend([
                ("attention.key_length", d_plain + rope_dim),
                ("attention.value_length", d_value),
            ]);
        }
        widths
    }

    /// What makes queries, keys and values, and what reads what heads have found.
    fn attention_tensors(&self) -> Vec<(&'static str, Vec<usize>)> {
        let (d, n_heads) = (self.d_model, self.n_heads);
        let Some(latent) = self.latent else {
            let (q, kv) = (n_heads * self.head_dim, self.n_kv_heads * self.head_dim);
            return vec![
                ("attn_q.weight", vec![q, d]),
                ("attn_k.weight", vec![kv, d]),
                ("attn_v.weight", vec![kv, d]),
                ("attn_output.weight", vec![d, q]),
            ];
        };
        let TinyLatent { d_query, d_latent, d_plain, rope_dim, d_value, is_split } = latent;
        let q = n_heads * (d_plain + rope_dim);
        let mut tensors = match d_query {
            None => vec![("attn_q.weight", vec![q, d])],
            Some(d_query) => vec![
                ("attn_q_a.weight", vec![d_query, d]),
                ("attn_q_a_norm.weight", vec![d_query]),
                ("attn_q_b.weight", vec![q, d_query]),
            ],
        };
        tensors.push(("attn_kv_a_mqa.weight", vec![d_latent + rope_dim, d]));
        tensors.push(("attn_kv_a_norm.weight", vec![d_latent]));
        if is_split {
            tensors.push(("attn_k_b.weight", vec![n_heads, d_latent, d_plain]));
            tensors.push(("attn_v_b.weight", vec![n_heads, d_value, d_latent]));
        } else {
            tensors.push(("attn_kv_b.weight", vec![n_heads * (d_plain + d_value), d_latent]));
        }
        tensors.push(("attn_output.weight", vec![d, n_heads * d_value]));
        tensors
    }

    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let (d, d_ff) = (self.d_model, self.d_ff);
        let (q, kv) = (self.n_heads * self.head_dim, self.n_kv_heads * self.head_dim);
        let mut tensors = vec![
            ("token_embd.weight".to_owned(), vec![N_VOCAB, d]),
            ("output_norm.weight".to_owned(), vec![d]),
        ];
        if self.output == Output::Untied {
            tensors.push(("output.weight".to_owned(), vec![N_VOCAB, d]));
        }
        for layer_idx in 0..self.n_layers {
            let mut put =
                |name: &str, shape| tensors.push((format!("blk.{layer_idx}.{name}"), shape));
            put("attn_norm.weight", vec![d]);
            self.attention_tensors().into_iter().for_each(|(name, shape)| put(name, shape));
            put("ffn_norm.weight", vec![d]);
            match self.n_experts {
                n if n == 0 || (self.has_expert_groups && layer_idx == 0) => {
                    put("ffn_gate.weight", vec![d_ff, d]);
                    put("ffn_up.weight", vec![d_ff, d]);
                    put("ffn_down.weight", vec![d, d_ff]);
                }
                n => {
                    let d_ff = if self.has_expert_groups { d_ff / 2 } else { d_ff };
                    put("ffn_gate_inp.weight", vec![n, d]);
                    if self.has_expert_groups {
                        put("exp_probs_b.bias", vec![n]);
                        put("ffn_gate_shexp.weight", vec![d_ff, d]);
                        put("ffn_up_shexp.weight", vec![d_ff, d]);
                        put("ffn_down_shexp.weight", vec![d, d_ff]);
                    }
                    put("ffn_gate_exps.weight", vec![n, d_ff, d]);
                    put("ffn_up_exps.weight", vec![n, d_ff, d]);
                    put("ffn_down_exps.weight", vec![n, d, d_ff]);
                }
            }
            if self.architecture == "qwen2" {
                put("attn_q.bias", vec![q]);
                put("attn_k.bias", vec![kv]);
                put("attn_v.bias", vec![kv]);
            }
            if self.architecture == "gemma3" {
                put("attn_q_norm.weight", vec![self.head_dim]);
                put("attn_k_norm.weight", vec![self.head_dim]);
                put("post_attention_norm.weight", vec![d]);
                put("post_ffw_norm.weight", vec![d]);
            }
        }
        tensors
    }
}

/// SentencePiece-style scores: letters win over the bytes that spell them.
fn put_vocabulary(writer: &mut Writer<'static>) {
    let bytes = (0..256).map(|byte| format!("<0x{byte:02X}>"));
    let letters = LETTERS.chars().map(String::from);
    let named = ["<unk>", "<s>", "</s>"].map(String::from);
    let tokens: Vec<String> = named.into_iter().chain(bytes).chain(letters).collect();
    assert_eq!(tokens.len(), N_VOCAB);
    // Types of the GGUF specification: normal 1, unknown 2, control 3, byte 6.
    let (normal, unknown, control, byte) = (1, 2, 3, 6);
    let types = (0..N_VOCAB).map(|id| match id {
        0 => unknown,
        1 | 2 => control,
        3..259 => byte,
        _ => normal,
    });
    writer.set("tokenizer.ggml.model", "llama");
    writer.set("tokenizer.ggml.tokens", Strings::from_iter(tokens));
    writer.set("tokenizer.ggml.scores", &[0.0f32; N_VOCAB][..]);
    writer.set("tokenizer.ggml.token_type", &*types.collect::<Vec<i32>>());
    writer.set("tokenizer.ggml.bos_token_id", 1u32);
    writer.set("tokenizer.ggml.eos_token_id", 2u32);
    writer.set("tokenizer.ggml.unknown_token_id", 0u32);
    writer.set("tokenizer.ggml.add_space_prefix", false);
}

/// Weights of a size that keeps activations near one; gains near one.
fn random(name: &str, n: usize, seed: u64) -> Vec<f32> {
    let (middle, spread) = match name {
        name if name.contains("norm") => (1.0, 0.3),
        name if name.contains("token_embd") => (0.0, 1.0),
        _ => (0.0, 0.1),
    };
    uniform(n, seed).into_iter().map(|x| middle + spread * x).collect()
}

/// Uniform in -1..1 (xorshift, Marsaglia 2003).
pub fn uniform(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(|_| next()).collect()
}
