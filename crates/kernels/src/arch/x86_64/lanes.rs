//! Registers of 32-bit lanes, 8 or 16 of them, for what is written once for both widths.

use std::arch::x86_64::*;

/// A width of registers. A value is the proof that its instructions may be used: it is made where
/// they are enabled. Methods are inlined into functions that enable them.
pub(super) trait Lanes: Copy {
    /// Lanes of a register.
    const N: usize;
    /// How many registers there are.
    const N_REGISTERS: usize;
    type Floats: Copy;
    /// 32-bit integers, or four bytes in each lane.
    type Ints: Copy;

    /// Wider registers come on top of these.
    fn eight(self) -> Lanes8;

    /// # Safety
    /// `N` values can be read at `from`, which needs no alignment.
    unsafe fn load(self, from: *const f32) -> Self::Floats;
    /// # Safety
    /// `N` values can be written at `to`, which needs no alignment.
    unsafe fn store(self, to: *mut f32, values: Self::Floats);
    /// # Safety
    /// `4 * N` bytes can be read at `from`, which needs no alignment.
    unsafe fn load_bytes(self, from: *const u8) -> Self::Ints;

    /// # Safety
    /// `N` f16 can be read at `from`, which needs no alignment.
    unsafe fn load_f16(self, from: *const u16) -> Self::Floats;
    /// # Safety
    /// `N` bf16 can be read at `from`, which needs no alignment.
    unsafe fn load_bf16(self, from: *const u16) -> Self::Floats;
    /// # Safety
    /// `N` int8 can be read at `from`.
    unsafe fn load_i8(self, from: *const i8) -> Self::Floats;

    fn spread(self, value: f32) -> Self::Floats;
    fn spread_int(self, value: i32) -> Self::Ints;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// `c - a * b`, rounded once.
    fn neg_mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    fn to_floats(self, ints: Self::Ints) -> Self::Floats;
    fn sub_int(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn xor(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
}

/// Registers converted from memory by one instruction each. The intrinsics take registers, which
/// the compiler would load early and spill.
macro_rules! conversions {
    ($($name:ident $features:literal $class:ident $Register:ty = $instruction:literal;)*) => {$(
        /// # Safety
        /// What the instruction reads can be read at `from`.
        #[inline]
        #[target_feature(enable = $features)]
        unsafe fn $name<T>(from: *const T) -> $Register {
            let converted: $Register;
            // SAFETY: the contract; the instruction needs no alignment and writes no memory.
            unsafe {
                std::arch::asm!(
                    $instruction,
                    out($class) converted,
                    in(reg) from,
                    options(pure, readonly, nostack, preserves_flags),
                );
            }
            converted
        }
    )*};
}
conversions! {
    f16_8 "avx2,f16c" ymm_reg __m256 = "vcvtph2ps {}, xmmword ptr [{}]";
    words_8 "avx2" ymm_reg __m256i = "vpmovzxwd {}, xmmword ptr [{}]";
    bytes_8 "avx2" ymm_reg __m256i = "vpmovsxbd {}, qword ptr [{}]";
    f16_16 "avx512f" zmm_reg __m512 = "vcvtph2ps {}, ymmword ptr [{}]";
    words_16 "avx512f" zmm_reg __m512i = "vpmovzxwd {}, ymmword ptr [{}]";
    bytes_16 "avx512f" zmm_reg __m512i = "vpmovsxbd {}, xmmword ptr [{}]";
}

/// Methods that are one intrinsic each.
macro_rules! methods {
    ($(fn $name:ident($($arg:ident: $type:ty),*) -> $out:ty = $intrinsic:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: $type),*) -> $out {
            // SAFETY: `self` is the proof of the instructions.
            unsafe { $intrinsic($($arg),*) }
        }
    )*};
}
pub(super) use methods;

/// `ymm` registers.
#[derive(Clone, Copy)]
pub(super) struct Lanes8(());

impl Lanes8 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl Lanes for Lanes8 {
    const N: usize = 8;
    const N_REGISTERS: usize = 16;
    type Floats = __m256;
    type Ints = __m256i;

    #[inline(always)]
    fn eight(self) -> Lanes8 {
        self
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: `self` is the proof of the instructions, the contract that of the memory.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, values: __m256) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_ps(to, values) }
    }

    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> __m256 {
        // SAFETY: as above.
        unsafe { f16_8(from) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let halves = words_8(from);
            _mm256_castsi256_ps(_mm256_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> __m256 {
        // SAFETY: as above.
        unsafe {
            let ints = bytes_8(from);
            _mm256_cvtepi32_ps(ints)
        }
    }

    methods! {
        fn spread(value: f32) -> __m256 = _mm256_set1_ps;
        fn spread_int(value: i32) -> __m256i = _mm256_set1_epi32;
        fn mul(a: __m256, b: __m256) -> __m256 = _mm256_mul_ps;
        fn mul_add(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fmadd_ps;
        fn neg_mul_add(a: __m256, b: __m256, c: __m256) -> __m256 = _mm256_fnmadd_ps;
        fn to_floats(ints: __m256i) -> __m256 = _mm256_cvtepi32_ps;
        fn sub_int(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi32;
        fn xor(a: __m256i, b: __m256i) -> __m256i = _mm256_xor_si256;
    }
}

/// `zmm` registers.
#[derive(Clone, Copy)]
pub(super) struct Lanes16(());

impl Lanes16 {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq")]
    pub(super) fn new() -> Self {
        Self(())
    }
}

impl Lanes for Lanes16 {
    const N: usize = 16;
    const N_REGISTERS: usize = 32;
    type Floats = __m512;
    type Ints = __m512i;

    #[inline(always)]
    fn eight(self) -> Lanes8 {
        Lanes8(())
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: `self` is the proof of the instructions, the contract that of the memory.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, values: __m512) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_ps(to, values) }
    }

    #[inline(always)]
    unsafe fn load_bytes(self, from: *const u8) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const u16) -> __m512 {
        // SAFETY: as above.
        unsafe { f16_16(from) }
    }

    #[inline(always)]
    unsafe fn load_bf16(self, from: *const u16) -> __m512 {
        // SAFETY: as above.
        unsafe {
            let halves = words_16(from);
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(halves))
        }
    }

    #[inline(always)]
    unsafe fn load_i8(self, from: *const i8) -> __m512 {
        // SAFETY: as above.
        unsafe {
            let ints = bytes_16(from);
            _mm512_cvtepi32_ps(ints)
        }
    }

    methods! {
        fn spread(value: f32) -> __m512 = _mm512_set1_ps;
        fn spread_int(value: i32) -> __m512i = _mm512_set1_epi32;
        fn mul(a: __m512, b: __m512) -> __m512 = _mm512_mul_ps;
        fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fmadd_ps;
        fn neg_mul_add(a: __m512, b: __m512, c: __m512) -> __m512 = _mm512_fnmadd_ps;
        fn to_floats(ints: __m512i) -> __m512 = _mm512_cvtepi32_ps;
        fn sub_int(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi32;
        fn xor(a: __m512i, b: __m512i) -> __m512i = _mm512_xor_si512;
    }
}
