//! Element and block formats, with GGUF's type numbers.

/// How the values of a tensor are stored. Quantised is a `DType`, not another kind of tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    F32,
    F16,
    BF16,
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
    Iq4Nl,
    Iq4Xs,
    Iq2Xxs,
    Iq2Xs,
    Iq2S,
    Iq3Xxs,
    Iq3S,
    Iq1S,
    Iq1M,
    Mxfp4,
    Nvfp4,
    Tq1_0,
    Tq2_0,
    Q1_0,
    Q2_0,
}

/// A GGUF type number that this build cannot read, with its name where it has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownDType {
    pub id: u32,
    pub name: &'static str,
}

/// (type, GGUF id, GGUF name, values per block, bytes per block)
const TABLE: [(DType, u32, &str, usize, usize); 29] = [
    (DType::F32, 0, "F32", 1, 4),
    (DType::F16, 1, "F16", 1, 2),
    (DType::BF16, 30, "BF16", 1, 2),
    (DType::Q4_0, 2, "Q4_0", 32, 18),
    (DType::Q4_1, 3, "Q4_1", 32, 20),
    (DType::Q5_0, 6, "Q5_0", 32, 22),
    (DType::Q5_1, 7, "Q5_1", 32, 24),
    (DType::Q8_0, 8, "Q8_0", 32, 34),
    (DType::Q2K, 10, "Q2_K", 256, 84),
    (DType::Q3K, 11, "Q3_K", 256, 110),
    (DType::Q4K, 12, "Q4_K", 256, 144),
    (DType::Q5K, 13, "Q5_K", 256, 176),
    (DType::Q6K, 14, "Q6_K", 256, 210),
    (DType::Q8K, 15, "Q8_K", 256, 292),
    (DType::Iq4Nl, 20, "IQ4_NL", 32, 18),
    (DType::Iq4Xs, 23, "IQ4_XS", 256, 136),
    (DType::Iq2Xxs, 16, "IQ2_XXS", 256, 66),
    (DType::Iq2Xs, 17, "IQ2_XS", 256, 74),
    (DType::Iq2S, 22, "IQ2_S", 256, 82),
    (DType::Iq3Xxs, 18, "IQ3_XXS", 256, 98),
    (DType::Iq3S, 21, "IQ3_S", 256, 110),
    (DType::Iq1S, 19, "IQ1_S", 256, 50),
    (DType::Iq1M, 29, "IQ1_M", 256, 56),
    (DType::Mxfp4, 39, "MXFP4", 32, 17),
    (DType::Nvfp4, 40, "NVFP4", 64, 36),
    (DType::Tq1_0, 34, "TQ1_0", 256, 54),
    (DType::Tq2_0, 35, "TQ2_0", 256, 66),
    (DType::Q1_0, 41, "Q1_0", 128, 18),
    (DType::Q2_0, 42, "Q2_0", 64, 18),
];

/// Types that exist in GGUF files but have no kernels here, so that errors can name them.
const UNREADABLE: [(u32, &str); 14] = [
    (4, "Q4_2 (removed)"),
    (5, "Q4_3 (removed)"),
    (9, "Q8_1"),
    (24, "I8"),
    (25, "I16"),
    (26, "I32"),
    (27, "I64"),
    (28, "F64"),
    (31, "Q4_0_4_4 (removed)"),
    (32, "Q4_0_4_8 (removed)"),
    (33, "Q4_0_8_8 (removed)"),
    (36, "IQ4_NL_4_4 (removed)"),
    (37, "IQ4_NL_4_8 (removed)"),
    (38, "IQ4_NL_8_8 (removed)"),
];

impl DType {
    /// Every readable type.
    pub fn all() -> impl Iterator<Item = DType> {
        TABLE.iter().map(|row| row.0)
    }

    pub fn from_gguf_id(id: u32) -> Result<Self, UnknownDType> {
        if let Some(row) = TABLE.iter().find(|row| row.1 == id) {
            return Ok(row.0);
        }
        let name = UNREADABLE.iter().find(|row| row.0 == id).map_or("unknown", |row| row.1);
        Err(UnknownDType { id, name })
    }

    pub fn from_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.2.eq_ignore_ascii_case(name)).map(|row| row.0)
    }

    fn row(self) -> &'static (DType, u32, &'static str, usize, usize) {
        TABLE.iter().find(|row| row.0 == self).expect("every DType has a row in TABLE")
    }

    pub fn gguf_id(self) -> u32 {
        self.row().1
    }

    /// GGUF's spelling, e.g. `Q4_K`.
    pub fn name(self) -> &'static str {
        self.row().2
    }

    /// Values in one block; 1 for the float types.
    pub fn block_len(self) -> usize {
        self.row().3
    }

    pub fn block_bytes(self) -> usize {
        self.row().4
    }

    /// Whether values are quantised in blocks (everything but F32, F16, BF16).
    pub fn is_quantized(self) -> bool {
        self.block_len() > 1
    }

    /// Bytes of one row of `n` values; `None` when `n` is no multiple of the block or overflows.
    pub fn row_bytes(self, n: usize) -> Option<usize> {
        let (len, bytes) = (self.block_len(), self.block_bytes());
        n.is_multiple_of(len).then_some(n / len)?.checked_mul(bytes)
    }
}

impl std::fmt::Display for DType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
