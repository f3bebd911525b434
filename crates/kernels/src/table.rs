//! One table of kernels per instruction set, and the only place that asks what the CPU can do (K3).

use crate::{
    CellBlock, DType, F32Panel, IntPanel, IntValues, Moments, PANEL_ROWS, QuantizedTile,
    TILE_TOKENS,
};

/// One tile of results: `[token, row]`.
pub type Tile = [[f32; PANEL_ROWS]; TILE_TOKENS];

/// Every hot kernel, as one implementation. Granularity is a tile or a row, never a single dot.
pub struct Kernels {
    /// `scalar`, `avx2`, ...
    pub name: &'static str,
    /// What its tests have run on.
    pub evidence: Evidence,

    /// Writes up to 16 consecutive weight rows in integer form. `rows`: their bytes, row after row;
    /// rows beyond the last one are zeros (scale and min zero too).
    pub unpack_int: fn(dtype: DType, rows: &[u8], n_in: usize, panel: &mut IntPanel),
    /// The same as f32: the exact path, and the path of F32, F16 and BF16 weights.
    pub unpack_f32: fn(dtype: DType, rows: &[u8], n_in: usize, panel: &mut F32Panel),
    /// Quantises `x`: `[t, n_in]`, `t` at most 4, to int8 with a scale per 32 columns
    /// (`max |x| / 127`, round half to even). `n_in` is a multiple of 32. A value that is not
    /// finite makes the scale of its columns NaN, and with it every result of its token.
    pub quantize: fn(x: &[f32], n_in: usize, out: &mut QuantizedTile),
    /// `out[i][t][r] = panel[r] . x[i][t]`; see `panel.rs` for the order of sums. Rows of a tile
    /// beyond its tokens stay as they are.
    pub int_panel: fn(panel: &IntPanel, x: &[QuantizedTile], out: &mut [Tile]),
    /// `out[p][t][r] = row[16 p + r] . x[t]` for weight rows as they are stored, bit for bit what
    /// `unpack_int` and `int_panel` give: for so few tokens that writing a panel would cost more
    /// than its products. Columns of `out` beyond the rows stay as they are too.
    pub int_rows: fn(dtype: DType, rows: &[u8], n_in: usize, x: &QuantizedTile, out: &mut [Tile]),
    /// `out[i][t][r] = panel[r] . x[4 i + t]` in f32, columns in order, one fused multiply-add
    /// each. `x`: `[n_tokens, n_in]`, as many tokens as `out` has tiles for, or up to 3 fewer.
    pub f32_panel: fn(panel: &F32Panel, x: &[f32], out: &mut [Tile]),
    /// `out[p][t][r] = row[16 p + r] . x[t]` for rows of F32, F16 or BF16 as they are stored and
    /// up to 4 tokens, bit for bit what `unpack_f32` and `f32_panel` give. Columns of `out` beyond
    /// the rows stay as they are.
    pub f32_rows: fn(dtype: DType, rows: &[u8], n_in: usize, x: &[f32], out: &mut [Tile]),

    /// `out[r][k] = q[r] . key[k]`: `q` `[n_rows, head_dim]`, `keys` `[head_dim, KEY_BLOCK]`
    /// (transposed: lanes are keys), `out` `[n_rows, KEY_BLOCK]`.
    pub attention_scores: fn(q: &[f32], keys: CellBlock<'_>, head_dim: usize, out: &mut [f32]),
    /// `scores[r][k] += q[r] . mean` for all keys: what the keys of a block have in common, where
    /// they are stored without it. `q` `[n_rows, head_dim]`, `mean` `[head_dim]`, `scores`
    /// `[n_rows, KEY_BLOCK]`.
    pub add_dots: fn(q: &[f32], mean: &[f32], scores: &mut [f32]),
    /// One step of online softmax for one row of a key block (Milakov & Gimelshein 2018, eq. 3).
    /// Turns `scores` (hidden keys are `-inf`) into `exp(score - new_max)`, returns
    /// `(new_max, exp(max - new_max), sum of the weights)`. A row with every key hidden leaves
    /// `max` as it is, with weights and sum zero and factor one.
    pub online_softmax: fn(scores: &mut [f32], max: f32) -> (f32, f32, f32),
    /// The same bits, with more sums over the weights, for those who watch.
    pub online_softmax_moments: fn(scores: &mut [f32], max: f32) -> (f32, f32, Moments),
    /// `acc[r] = acc[r] * rescale[r] + sum_k weights[r][k] * values[k]`: `weights`
    /// `[n_rows, KEY_BLOCK]`, `values` `[KEY_BLOCK, head_dim]`, `acc` `[n_rows, head_dim]`.
    /// Values of hidden keys count with weight zero, so they must be finite.
    pub attention_accumulate: fn(
        weights: &[f32],
        rescale: &[f32],
        values: CellBlock<'_>,
        head_dim: usize,
        acc: &mut [f32],
    ),
    /// The same for int8 values: `acc[r] += sum_k (weights[r][k] * scale[k]) * q[k]`, group after
    /// group of dimensions.
    pub attention_accumulate_int: fn(
        weights: &[f32],
        rescale: &[f32],
        values: IntValues<'_>,
        head_dim: usize,
        acc: &mut [f32],
    ),

    /// `x = H x` with the normalised Hadamard matrix of the length's largest power of two, block
    /// after block; its own inverse.
    pub hadamard: fn(x: &mut [f32]),
    /// `out = x / sqrt(mean(x^2) + eps) * gain` (Zhang & Sennrich 2019).
    pub rms_norm: fn(x: &[f32], gain: &[f32], eps: f32, out: &mut [f32]),
    /// `out = (x - mean(x)) / sqrt(var(x) + eps) * gain` (Ba et al. 2016, without the bias).
    pub layer_norm: fn(x: &[f32], gain: &[f32], eps: f32, out: &mut [f32]),
    /// `gate = silu(gate) * up`, `silu(x) = x / (1 + exp(-x))`.
    pub silu_mul: fn(gate: &mut [f32], up: &[f32]),
    /// `gate = g sigmoid(1.702 g) (u + 1)` with `g = min(gate, 7)`, `u = min(max(up, -7), 7)`
    /// (OpenAI 2025, gpt-oss).
    pub clamped_silu_mul: fn(gate: &mut [f32], up: &[f32]),
    /// `gate = gelu(gate) * up` with the tanh form of GELU (Hendrycks & Gimpel 2016).
    pub gelu_tanh_mul: fn(gate: &mut [f32], up: &[f32]),
    /// `x = gelu(x)` with the same form.
    pub gelu_tanh: fn(x: &mut [f32]),
    /// `x = gelu(x)`, `gelu(x) = x Phi(x)` with the normal distribution's `Phi`.
    pub gelu: fn(x: &mut [f32]),
    /// `x = max(x, 0)`.
    pub relu: fn(x: &mut [f32]),
    /// `x = max(x, 0)^2` (So et al. 2021).
    pub relu_squared: fn(x: &mut [f32]),
    /// `x = cap * tanh(x / cap)`.
    pub softcap: fn(x: &mut [f32], cap: f32),
    /// `acc += x`.
    pub add: fn(acc: &mut [f32], x: &[f32]),
    /// Rotates the first `2 * cos.len()` values of one head; pairs `(2i, 2i + 1)`.
    pub rope_interleaved: fn(head: &mut [f32], cos: &[f32], sin: &[f32]),
    /// The same for pairs `(i, i + cos.len())`.
    pub rope_half_split: fn(head: &mut [f32], cos: &[f32], sin: &[f32]),

    /// Asks for bytes that will be read soon; changes nothing.
    pub prefetch: fn(bytes: &[u8]),
    pub f16_to_f32: fn(src: &[u16], dst: &mut [f32]),
    pub f32_to_f16: fn(src: &[f32], dst: &mut [u16]),
}

/// What the tests of a table have run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// A CPU that has its instructions.
    Hardware,
    /// An emulator of one.
    Emulated,
    /// Neither: it was compiled and reviewed.
    Compiled,
}

/// The definition of every kernel.
pub fn scalar() -> &'static Kernels {
    &crate::scalar::KERNELS
}

/// Every table that this CPU can run, the best first; scalar is always the last.
pub fn tables() -> impl Iterator<Item = &'static Kernels> {
    wide_tables().into_iter().flatten().chain([scalar()])
}

/// By products of bytes, where the time goes: `vpdpbusd` does in one instruction what takes two or
/// three without it, so with it even half the width is worth more than AVX-512.
#[cfg(target_arch = "x86_64")]
fn wide_tables() -> [Option<&'static Kernels>; 5] {
    use crate::arch::x86_64::{avx2, avx512, avx512vnni, avxvnni};
    let whole = Avx512Vnni::detect().map(avx512vnni::table);
    let halved = Avx512VnniHalved::detect().map(avx512vnni::halved_table);
    let [first, second] = if halves_512_bits() { [halved, whole] } else { [whole, halved] };
    [
        first,
        second,
        AvxVnni::detect().map(avxvnni::table),
        Avx512::detect().map(avx512::table),
        Avx2::detect().map(avx2::table),
    ]
}

#[cfg(target_arch = "aarch64")]
fn wide_tables() -> [Option<&'static Kernels>; 3] {
    use crate::arch::aarch64::{dotprod, i8mm, neon};
    [I8mm::detect().map(i8mm), Dotprod::detect().map(dotprod), Some(neon())]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn wide_tables() -> [Option<&'static Kernels>; 0] {
    []
}

/// What a table asks of a CPU.
pub(crate) struct Needs {
    pub(crate) table: &'static str,
    pub(crate) arch: &'static str,
    pub(crate) features: &'static [&'static str],
}

const fn needs(
    table: &'static str,
    arch: &'static str,
    features: &'static [&'static str],
) -> Needs {
    Needs { table, arch, features }
}

const AVX512: &[&str] = &["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl"];
const AVX512_VNNI: &[&str] =
    &["avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni"];

/// Every table that there is for some CPU, but scalar, which asks nothing.
pub(crate) const NEEDS: [Needs; 8] = [
    needs("avx512vnni", "x86-64", AVX512_VNNI),
    needs("avx512vnni256", "x86-64", AVX512_VNNI),
    needs("avxvnni", "x86-64", &["avx2", "fma", "f16c", "avxvnni"]),
    needs("avx512", "x86-64", AVX512),
    needs("avx2", "x86-64", &["avx2", "fma", "f16c"]),
    needs("i8mm", "aarch64", &["dotprod", "i8mm"]),
    needs("dotprod", "aarch64", &["dotprod"]),
    needs("neon", "aarch64", &["neon"]),
];

/// Whether operations of 512 bits are done as two halves: AMD's family 25, which is Zen 4 where it
/// has AVX-512.
#[cfg(target_arch = "x86_64")]
fn halves_512_bits() -> bool {
    use std::arch::x86_64::__cpuid;
    let (vendor, signature) = (__cpuid(0), __cpuid(1).eax);
    let family = (signature >> 8 & 0xf) + (signature >> 20 & 0xff);
    let name = [vendor.ebx, vendor.edx, vendor.ecx].map(u32::to_le_bytes);
    name.as_flattened() == b"AuthenticAMD" && family == 25
}

/// Whether this CPU has a feature that `NEEDS` names.
#[cfg(target_arch = "x86_64")]
pub(crate) fn has(feature: &str) -> bool {
    match feature {
        "avx2" => is_x86_feature_detected!("avx2"),
        "avx512bw" => is_x86_feature_detected!("avx512bw"),
        "avx512dq" => is_x86_feature_detected!("avx512dq"),
        "avx512f" => is_x86_feature_detected!("avx512f"),
        "avx512vl" => is_x86_feature_detected!("avx512vl"),
        "avx512vnni" => is_x86_feature_detected!("avx512vnni"),
        "avxvnni" => is_x86_feature_detected!("avxvnni"),
        "f16c" => is_x86_feature_detected!("f16c"),
        "fma" => is_x86_feature_detected!("fma"),
        _ => false,
    }
}

#[cfg(target_arch = "aarch64")]
pub(crate) fn has(feature: &str) -> bool {
    use std::arch::is_aarch64_feature_detected;
    match feature {
        "dotprod" => is_aarch64_feature_detected!("dotprod"),
        "i8mm" => is_aarch64_feature_detected!("i8mm"),
        "neon" => is_aarch64_feature_detected!("neon"),
        _ => false,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(crate) fn has(_feature: &str) -> bool {
    false
}

/// `proofs! { Type "table" ... }`: a value of the type is the proof that this CPU has what the
/// table needs. The table asks for it, so nobody can name the table without the check.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! proofs {
    ($($Proof:ident $table:literal)*) => {$(
        pub(crate) struct $Proof(());

        impl $Proof {
            fn detect() -> Option<Self> {
                let needs = NEEDS.iter().find(|needs| needs.table == $table)?;
                needs.features.iter().all(|feature| has(feature)).then_some(Self(()))
            }
        }
    )*};
}

#[cfg(target_arch = "x86_64")]
proofs! {
    Avx512Vnni "avx512vnni"
    Avx512VnniHalved "avx512vnni256"
    AvxVnni "avxvnni"
    Avx512 "avx512"
    Avx2 "avx2"
}

#[cfg(target_arch = "aarch64")]
proofs! {
    I8mm "i8mm"
    Dotprod "dotprod"
}
