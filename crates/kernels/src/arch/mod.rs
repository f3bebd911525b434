//! Kernels for one instruction set each; `table.rs` decides which of them may be named.

/// Calls `$with!(small_blocks::q4_0, small_blocks::Q4_0)` and the like: an integer format, named as
/// a function and as a type.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! by_format {
    ($dtype:expr, $with:ident) => {
        match $dtype {
            DType::F32 | DType::F16 | DType::BF16 => {
                unreachable!("float types have no integer form")
            }
            DType::Q4_0 => $with!(small_blocks::q4_0, small_blocks::Q4_0),
            DType::Q4_1 => $with!(small_blocks::q4_1, small_blocks::Q4_1),
            DType::Q5_0 => $with!(small_blocks::q5_0, small_blocks::Q5_0),
            DType::Q5_1 => $with!(small_blocks::q5_1, small_blocks::Q5_1),
            DType::Q8_0 => $with!(small_blocks::q8_0, small_blocks::Q8_0),
            DType::Iq4Nl => $with!(small_blocks::iq4_nl, small_blocks::Iq4Nl),
            DType::Q2K => $with!(k_quants::q2_k, k_quants::Q2K),
            DType::Q3K => $with!(k_quants::q3_k, k_quants::Q3K),
            DType::Q4K => $with!(k_quants::q4_k, k_quants::Q4K),
            DType::Q5K => $with!(k_quants::q5_k, k_quants::Q5K),
            DType::Q6K => $with!(k_quants::q6_k, k_quants::Q6K),
            DType::Q8K => $with!(k_quants::q8_k, k_quants::Q8K),
            DType::Iq4Xs => $with!(k_quants::iq4_xs, k_quants::Iq4Xs),
            DType::Iq2Xxs => $with!(grids::iq2_xxs, grids::Iq2Xxs),
            DType::Iq2Xs => $with!(grids::iq2_xs, grids::Iq2Xs),
            DType::Iq2S => $with!(grids::iq2_s, grids::Iq2S),
            DType::Iq3Xxs => $with!(grids::iq3_xxs, grids::Iq3Xxs),
            DType::Iq3S => $with!(grids::iq3_s, grids::Iq3S),
            DType::Iq1S => $with!(grids::iq1_s, grids::Iq1S),
            DType::Iq1M => $with!(grids::iq1_m, grids::Iq1M),
            DType::Mxfp4 => $with!(fp4::mxfp4, fp4::Mxfp4),
            DType::Nvfp4 => $with!(fp4::nvfp4, fp4::Nvfp4),
            DType::Tq1_0 => $with!(few_bits::tq1_0, few_bits::Tq1_0),
            DType::Tq2_0 => $with!(few_bits::tq2_0, few_bits::Tq2_0),
            DType::Q1_0 => $with!(few_bits::q1_0, few_bits::Q1_0),
            DType::Q2_0 => $with!(few_bits::q2_0, few_bits::Q2_0),
        }
    };
}
#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
