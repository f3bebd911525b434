//! Latent attention: heads that look at latent vectors find what heads with keys and values of
//! their own would find.

use format::gguf::{GgufFile, Writer};
use format::{Tensor, TensorInfo};
use kernels::DType;
use model::attention::{AttentionParams, AttentionPattern, HeadTerms, PositionBias, reference};
use model::batch::LogitRows;
use model::kv::{KvShape, ValuePlace};
use model::load::ModelFile;
use model::{
    Arithmetic, Batch, KvCache, KvType, LoadOptions, Model, ThreadPool, Workspace, WorkspaceSize,
};
use tiny_random::{N_VOCAB, TinyLatent, TinyRandom, uniform};

const N_TOKENS: usize = 150;

fn tiny(latent: TinyLatent, dtype: DType) -> TinyRandom {
    let latent = Some(latent);
    TinyRandom { architecture: "minicpm3", latent, dtype, n_heads: 4, ..TinyRandom::default() }
}

fn open(tiny: &TinyRandom) -> GgufFile {
    GgufFile::from_bytes(tiny.bytes().into(), "tiny").expect("a model")
}

fn load(file: GgufFile, options: LoadOptions) -> Model {
    model::load(&ModelFile::Gguf(file), options, &mut |_, _| ()).expect("a model that loads")
}

/// Logits of a text, in one pass.
fn logits(model: &Model, kv_type: KvType) -> Vec<f32> {
    let shape = KvShape::of(&model.config, kv_type, kv_type);
    let mut kv = KvCache::new(shape, usize::MAX);
    let size = WorkspaceSize { n_ctx: 512, n_tokens_max: N_TOKENS, n_logit_rows_max: N_TOKENS };
    let mut ws = Workspace::new(model, kernels::detect(), ThreadPool::new(2), size);
    let id = kv.admit();
    kv.reserve(id, N_TOKENS).expect("room");
    let ids = uniform(N_TOKENS, 3).into_iter();
    let ids: Vec<u32> = ids.map(|x| ((x + 1.0) * 0.5 * (N_VOCAB - 1) as f32) as u32).collect();
    let mut batch = Batch::default();
    batch.push(id, &ids, 0, LogitRows::All);
    model::forward(model, &batch, &mut kv, &mut ws, &mut ());
    model::unembed(model, 0..N_TOKENS, &mut ws).to_vec()
}

/// `out = matrix x`, `[n_out, n_in]`.
fn product(matrix: &[f32], x: &[f32]) -> Vec<f32> {
    let dot = |row: &[f32]| row.iter().zip(x).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    matrix.chunks_exact(x.len()).map(|row| -> f64 { dot(row) }).map(|x| x as f32).collect()
}

fn transposed(matrix: &[f32], n_cols: usize) -> Vec<f32> {
    (0..n_cols).flat_map(|col| matrix.iter().skip(col).step_by(n_cols)).copied().collect()
}

/// The identity that all is built on, N x N: one kv head of `[rotated part | c]` for all heads, or
/// keys `[rotated part | K_h c]` and values `V_h c` for each.
#[test]
fn absorbed_attention_equals_expanded_attention() {
    let (n, n_heads, d_latent, d_plain, rope_dim, d_value) = (40, 3, 20, 6, 4, 9);
    let c = uniform(n * d_latent, 1);
    let rotated = uniform(n * rope_dim, 2);
    let [k, v] =
        [(d_plain, 3), (d_value, 4)].map(|(d, seed)| uniform(n_heads * d * d_latent, seed));
    let matrix = |all: &[f32], head: usize| {
        let len = all.len() / n_heads;
        all[head * len..][..len].to_vec()
    };
    let q = uniform(n * n_heads * (rope_dim + d_plain), 5);
    let mut absorbed = (Vec::new(), Vec::new());
    let mut expanded = (q.clone(), Vec::new(), Vec::new());
    for token in 0..n {
        let c = &c[token * d_latent..][..d_latent];
        let rotated = &rotated[token * rope_dim..][..rope_dim];
        absorbed.1.extend([rotated, c].concat());
        for head in 0..n_heads {
            expanded.1.extend([rotated, &product(&matrix(&k, head), c)].concat());
            expanded.2.extend(product(&matrix(&v, head), c));
            let at = (token * n_heads + head) * (rope_dim + d_plain);
            let (of_rotated, plain) = q[at..][..rope_dim + d_plain].split_at(rope_dim);
            let latent = product(&transposed(&matrix(&k, head), d_latent), plain);
            absorbed.0.extend([of_rotated, &latent].concat());
        }
    }
    // The reference takes values as wide as keys, or those in keys.
    let d = (rope_dim + d_plain).max(d_value);
    let wide = |x: &[f32], width: usize| -> Vec<f32> {
        let rows = x.chunks_exact(width);
        rows.flat_map(|row| [row, &vec![0.0; d - width]].concat()).collect()
    };
    let positions: Vec<u32> = (0..n as u32).collect();
    let terms = HeadTerms { sink_logits: &[], position_bias: &PositionBias::None };
    let attend = |params: AttentionParams, q: &[f32], keys: &[f32], values: &[f32]| {
        let how = (AttentionPattern::Causal, terms);
        reference::attend(&params, how, (q, &positions), (keys, values, &positions))
    };
    let (scale, softcap) = (0.4, None);
    let params = AttentionParams {
        n_heads,
        n_kv_heads: n_heads,
        head_dim: d,
        values: ValuePlace::Own,
        scale,
        softcap,
    };
    let width = rope_dim + d_plain;
    let (q, keys) = (wide(&expanded.0, width), wide(&expanded.1, width));
    let expected = attend(params, &q, &keys, &wide(&expanded.2, d_value));
    let values = ValuePlace::InKey { first: rope_dim };
    let params = AttentionParams { n_kv_heads: 1, head_dim: rope_dim + d_latent, values, ..params };
    let found = attend(params, &absorbed.0, &absorbed.1, &c);
    // f32 products of up to 20 numbers below one.
    let is_close = |a: f64, b: f64| (a - b).abs() < 1e-5;
    assert!(found.weights.iter().zip(&expected.weights).all(|(a, b)| is_close(*a, *b)));
    for (row, latent) in found.out.chunks_exact(d_latent).enumerate() {
        let latent: Vec<f32> = latent.iter().map(|x| *x as f32).collect();
        let found = product(&matrix(&v, row % n_heads), &latent);
        let expected = &expected.out[row * d..][..d_value];
        assert!(found.iter().zip(expected).all(|(a, b)| is_close((*a).into(), *b)), "{row}");
    }
}

/// The matrix of keys and values, head by head, as two tensors with that of keys transposed.
fn split(file: &GgufFile, latent: TinyLatent) -> GgufFile {
    let TinyLatent { d_latent, d_plain, rope_dim, d_value, .. } = latent;
    let mut writer = Writer::new();
    for (key, value) in file.metadata().iter() {
        writer.set(key, value.clone());
    }
    for (name, width) in [
        ("key_length", d_latent + rope_dim),
        ("value_length", d_latent),
        ("key_length_mla", d_plain + rope_dim),
        ("value_length_mla", d_value),
    ] {
        writer.set(&format!("minicpm3.attention.{name}"), width as u32);
    }
    for info in file.tensors() {
        let tensor: Tensor = file.tensor(&info.name).expect("a tensor");
        let Some(stem) = info.name.strip_suffix("attn_kv_b.weight") else {
            writer.tensor(tensor.info, tensor.bytes);
            continue;
        };
        let values: &[f32] = bytemuck::cast_slice(&tensor.bytes);
        let heads = values.chunks_exact((d_plain + d_value) * d_latent);
        let n_heads = heads.len();
        let parts = heads.map(|head| head.split_at(d_plain * d_latent));
        let (keys, values): (Vec<_>, Vec<_>) =
            parts.map(|(key, value)| (transposed(key, d_latent), value.to_vec())).unzip();
        for (part, all, shape) in [
            ("attn_k_b", keys, [n_heads, d_latent, d_plain]),
            ("attn_v_b", values, [n_heads, d_value, d_latent]),
        ] {
            let (name, shape) = (format!("{stem}{part}.weight"), shape.to_vec());
            let bytes = bytemuck::cast_slice(&all.concat()).to_vec();
            writer.tensor(TensorInfo { name, dtype: DType::F32, shape }, bytes);
        }
    }
    let bytes = writer.into_bytes("tiny").expect("a model that the format can hold");
    GgufFile::from_bytes(bytes.into(), "tiny").expect("a file")
}

/// Both ways in which files hold what makes keys and values.
#[test]
fn joined_and_split_matrices_are_one_model() {
    for d_query in [None, Some(96)] {
        let latent = TinyLatent { d_query, ..TinyLatent::default() };
        let file = open(&tiny(latent, DType::F32));
        let apart = load(split(&file, latent), LoadOptions::default());
        let joined = load(file, LoadOptions::default());
        assert_eq!(logits(&joined, KvType::F32), logits(&apart, KvType::F32));
        assert_eq!(joined.n_weight_bytes(), apart.n_weight_bytes());
    }
}

/// Keys of blocks that are quantised become f16, whose error is far below that of the blocks.
#[test]
fn quantised_matrices_are_transposed_almost_exactly() {
    for dtype in [DType::Q8_0, DType::Q4K, DType::Iq4Xs] {
        let quantised = open(&tiny(TinyLatent::default(), dtype));
        // The same numbers as f32.
        let mut writer = Writer::new();
        for (key, value) in quantised.metadata().iter() {
            writer.set(key, value.clone());
        }
        for info in quantised.tensors() {
            let tensor = quantised.tensor(&info.name).expect("a tensor");
            let n_in = *info.shape.last().expect("a shape");
            let mut values = vec![0.0; info.shape.iter().product()];
            let row_bytes = info.dtype.row_bytes(n_in).expect("whole blocks");
            let rows = tensor.bytes.chunks_exact(row_bytes).zip(values.chunks_exact_mut(n_in));
            rows.for_each(|(row, out)| kernels::block::decode_row(info.dtype, row, out));
            let info = TensorInfo { dtype: DType::F32, ..tensor.info };
            let bytes: Vec<u8> = bytemuck::cast_slice(&values).to_vec();
            writer.tensor(info, bytes);
        }
        let bytes = writer.into_bytes("tiny").expect("a model that the format can hold");
        let floats = GgufFile::from_bytes(bytes.into(), "tiny").expect("a file");
        let exact = LoadOptions { arithmetic: Arithmetic::Exact, ..LoadOptions::default() };
        let [found, expected] =
            [quantised, floats].map(|file| logits(&load(file, exact), KvType::F32));
        let largest = expected.iter().fold(0.0f32, |max, x| max.max(x.abs()));
        let error = found.iter().zip(&expected).fold(0.0f32, |max, (a, b)| max.max((a - b).abs()));
        // Keys are rounded by 2^-11 at most, the sums of 32 products by less.
        assert!(error < 1e-3 * largest, "{dtype}: {error} of {largest}");
    }
}

/// Every type of cache holds the row well enough, in the first block and behind it.
#[test]
fn every_type_of_cache_holds_latent_vectors() {
    let model = load(open(&tiny(TinyLatent::default(), DType::F32)), LoadOptions::default());
    let expected = logits(&model, KvType::F32);
    let largest = expected.iter().fold(0.0f32, |max, x| max.max(x.abs()));
    // Relative, twice what was measured.
    for (kv_type, tolerance) in [
        (KvType::F16, 1e-3),
        (KvType::Bf16, 1e-2),
        (KvType::Q8_0, 1e-2),
        (KvType::Q5_0, 0.1),
        (KvType::Q4_0, 0.2),
    ] {
        let found = logits(&model, kv_type);
        let error = found.iter().zip(&expected).fold(0.0f32, |max, (a, b)| max.max((a - b).abs()));
        assert!(error < tolerance * largest, "{kv_type:?}: {error} of {largest}");
    }
    let bytes = |kv_type| KvShape::of(&model.config, kv_type, kv_type).position_bytes();
    // Two layers of 256 + 16 numbers, and nothing beside them.
    assert_eq!(bytes(KvType::F16), 2 * 2 * 272);
    // Nine groups of 32, each with a scale; means of 64 keys.
    assert_eq!(bytes(KvType::Q8_0), 2 * (288 + 18) + 2 * 272 * 2 / 64);
}
