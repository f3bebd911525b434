//! Kernels for one instruction set each; `table.rs` decides which of them may be named.

/// Calls `$with!(small_blocks::q4_0)` and the like: the unpacker of an integer format, which every
/// table has under the same name.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_format {
    ($dtype:expr, $with:ident) => {
        match $dtype {
            DType::F32 | DType::F16 | DType::BF16 => {
                unreachable!("float types have no integer form")
            }
            DType::Q4_0 => $with!(small_blocks::q4_0),
            DType::Q4_1 => $with!(small_blocks::q4_1),
            DType::Q5_0 => $with!(small_blocks::q5_0),
            DType::Q5_1 => $with!(small_blocks::q5_1),
            DType::Q8_0 => $with!(small_blocks::q8_0),
            DType::Iq4Nl => $with!(small_blocks::iq4_nl),
            DType::Q2K => $with!(k_quants::q2_k),
            DType::Q3K => $with!(k_quants::q3_k),
            DType::Q4K => $with!(k_quants::q4_k),
            DType::Q5K => $with!(k_quants::q5_k),
            DType::Q6K => $with!(k_quants::q6_k),
            DType::Q8K => $with!(k_quants::q8_k),
            DType::Iq4Xs => $with!(k_quants::iq4_xs),
        }
    };
}
#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
