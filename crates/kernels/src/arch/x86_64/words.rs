//! What unpacking asks of a width: loads of many rows, shuffles inside each 16 bytes, bits of bytes
//! and words, and products of bytes in int16.

use std::arch::x86_64::*;

use super::lanes::{Lanes, Lanes8, Lanes16, methods};

/// A word of 4 bytes a lane. Shift counts are constants once inlined.
pub(super) trait Words: Lanes {
    /// 16 bytes of every fourth of `N` rows, the first at `from`.
    ///
    /// # Safety
    /// 16 bytes can be read at `from + 4 * i * row_bytes` for `i < N / 4`.
    unsafe fn load_fourth_rows(self, from: *const u8, row_bytes: usize) -> Self::Ints;
    /// The two f16 at `from` and the same place of `N` rows.
    ///
    /// # Safety
    /// 16 bytes can be read at `from + r * row_bytes` for `r < N`.
    unsafe fn load_f16_pairs(
        self,
        from: *const u8,
        row_bytes: usize,
    ) -> (Self::Floats, Self::Floats);
    /// The 16 bits at `from` and the same place of `N` rows, as words.
    ///
    /// # Safety
    /// 16 bytes can be read at `from + r * row_bytes` for `r < N`.
    unsafe fn load_halves(self, from: *const u8, row_bytes: usize) -> Self::Ints;
    /// The low and the high half of each word, both f16.
    fn f16_pairs(self, words: Self::Ints) -> (Self::Floats, Self::Floats);
    /// The same 16 bytes, over and over.
    fn spread_16(self, bytes: [u8; 16]) -> Self::Ints;

    fn low_words(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn high_words(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn low_pairs(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn high_pairs(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Bytes of `a`, by their numbers in `b`.
    fn pick_bytes(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;

    /// Words of `table`, by their numbers modulo its length.
    fn look_up<const N: usize>(self, table: &[u32; N], indices: Self::Ints) -> Self::Ints;

    fn spread_byte(self, value: i8) -> Self::Ints;
    fn spread_i16(self, value: i16) -> Self::Ints;
    fn and(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn or(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn add_bytes(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn sub_bytes(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Of unsigned bytes.
    fn min_bytes(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn shift_left_16(self, a: Self::Ints, n: i32) -> Self::Ints;
    fn shift_right_16(self, a: Self::Ints, n: i32) -> Self::Ints;
    fn shift_left(self, a: Self::Ints, n: i32) -> Self::Ints;
    fn shift_right(self, a: Self::Ints, n: i32) -> Self::Ints;
    fn shift_right_signed(self, a: Self::Ints, n: i32) -> Self::Ints;

    fn add_i16(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn add_int(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Products of unsigned bytes `a` and signed bytes `b`, added by twos to int16.
    fn multiply_bytes(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// Products of int16, added by twos to int32.
    fn multiply_i16(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    /// `multiply_bytes` of signed bytes: the sign of `a` moves to `b`; |-128| is 128 unsigned.
    fn multiply_signed_bytes(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;

    fn as_floats(self, words: Self::Ints) -> Self::Floats;
    fn negate(self, a: Self::Floats) -> Self::Floats;
}

/// Shifts of every lane by one count.
macro_rules! shifts {
    ($(fn $name:ident($a:ident: $type:ty) = $intrinsic:ident;)*) => {$(
        #[inline(always)]
        fn $name(self, $a: $type, n: i32) -> $type {
            // SAFETY: `self` is the proof of the instructions.
            unsafe { $intrinsic($a, _mm_cvtsi32_si128(n)) }
        }
    )*};
}

impl Words for Lanes8 {
    #[inline(always)]
    unsafe fn load_fourth_rows(self, from: *const u8, row_bytes: usize) -> __m256i {
        // SAFETY: `self` is the proof of the instructions, the contract that of the memory.
        unsafe { _mm256_set_m128i(load_16(from.add(4 * row_bytes)), load_16(from)) }
    }

    #[inline(always)]
    unsafe fn load_f16_pairs(self, from: *const u8, row_bytes: usize) -> (__m256, __m256) {
        // SAFETY: as above.
        unsafe {
            let top = load_half_quads(from, row_bytes);
            let bottom = load_half_quads(from.add(4 * row_bytes), row_bytes);
            let first = _mm256_cvtph_ps(_mm_unpacklo_epi64(top, bottom));
            (first, _mm256_cvtph_ps(_mm_unpackhi_epi64(top, bottom)))
        }
    }

    #[inline(always)]
    unsafe fn load_halves(self, from: *const u8, row_bytes: usize) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let top = load_half_quads(from, row_bytes);
            let bottom = load_half_quads(from.add(4 * row_bytes), row_bytes);
            _mm256_cvtepu16_epi32(_mm_unpacklo_epi64(top, bottom))
        }
    }

    #[inline(always)]
    fn f16_pairs(self, words: __m256i) -> (__m256, __m256) {
        // SAFETY: `self` is the proof of the instructions.
        unsafe {
            let order = self.spread_16([0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15]);
            // The shuffle works in 128-bit halves: put rows 0..8 of the low parts first.
            let packed = _mm256_shuffle_epi8(words, order);
            let packed = _mm256_permute4x64_epi64::<0b11_01_10_00>(packed);
            let low = _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
            (low, _mm256_cvtph_ps(_mm256_extracti128_si256::<1>(packed)))
        }
    }

    #[inline(always)]
    fn spread_16(self, bytes: [u8; 16]) -> __m256i {
        // SAFETY: the array has 16 bytes; `self` is the proof of the instructions.
        unsafe { _mm256_broadcastsi128_si256(load_16(bytes.as_ptr())) }
    }

    #[inline(always)]
    fn look_up<const N: usize>(self, table: &[u32; N], indices: __m256i) -> __m256i {
        const { assert!(N.is_power_of_two()) };
        let indices = self.and(indices, self.spread_int(N as i32 - 1));
        // SAFETY: indices are less than `N`; `self` is the proof of the instructions.
        unsafe { _mm256_i32gather_epi32::<4>(table.as_ptr().cast(), indices) }
    }

    #[inline(always)]
    fn multiply_signed_bytes(self, a: __m256i, b: __m256i) -> __m256i {
        // SAFETY: `self` is the proof of the instructions.
        unsafe { _mm256_maddubs_epi16(_mm256_abs_epi8(a), _mm256_sign_epi8(b, a)) }
    }

    #[inline(always)]
    fn negate(self, a: __m256) -> __m256 {
        // SAFETY: `self` is the proof of the instructions.
        unsafe { _mm256_xor_ps(a, _mm256_set1_ps(-0.0)) }
    }

    shifts! {
        fn shift_left_16(a: __m256i) = _mm256_sll_epi16;
        fn shift_right_16(a: __m256i) = _mm256_srl_epi16;
        fn shift_left(a: __m256i) = _mm256_sll_epi32;
        fn shift_right(a: __m256i) = _mm256_srl_epi32;
        fn shift_right_signed(a: __m256i) = _mm256_sra_epi32;
    }

    methods! {
        fn low_words(a: __m256i, b: __m256i) -> __m256i = _mm256_unpacklo_epi32;
        fn high_words(a: __m256i, b: __m256i) -> __m256i = _mm256_unpackhi_epi32;
        fn low_pairs(a: __m256i, b: __m256i) -> __m256i = _mm256_unpacklo_epi64;
        fn high_pairs(a: __m256i, b: __m256i) -> __m256i = _mm256_unpackhi_epi64;
        fn pick_bytes(a: __m256i, b: __m256i) -> __m256i = _mm256_shuffle_epi8;
        fn spread_byte(value: i8) -> __m256i = _mm256_set1_epi8;
        fn spread_i16(value: i16) -> __m256i = _mm256_set1_epi16;
        fn and(a: __m256i, b: __m256i) -> __m256i = _mm256_and_si256;
        fn or(a: __m256i, b: __m256i) -> __m256i = _mm256_or_si256;
        fn add_bytes(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi8;
        fn sub_bytes(a: __m256i, b: __m256i) -> __m256i = _mm256_sub_epi8;
        fn min_bytes(a: __m256i, b: __m256i) -> __m256i = _mm256_min_epu8;
        fn add_i16(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi16;
        fn add_int(a: __m256i, b: __m256i) -> __m256i = _mm256_add_epi32;
        fn multiply_bytes(a: __m256i, b: __m256i) -> __m256i = _mm256_maddubs_epi16;
        fn multiply_i16(a: __m256i, b: __m256i) -> __m256i = _mm256_madd_epi16;
        fn as_floats(words: __m256i) -> __m256 = _mm256_castsi256_ps;
    }
}

impl Lanes16 {
    /// The first 16 bits of 16 rows, then the second.
    ///
    /// # Safety
    /// 16 bytes can be read at `from + r * row_bytes` for `r < 16`.
    #[inline(always)]
    unsafe fn half_pairs(self, from: *const u8, row_bytes: usize) -> __m512i {
        // SAFETY: `self` is the proof of the instructions, the contract that of the memory.
        unsafe {
            let quads = join_16([
                load_half_quads(from, row_bytes),
                load_half_quads(from.add(4 * row_bytes), row_bytes),
                load_half_quads(from.add(8 * row_bytes), row_bytes),
                load_half_quads(from.add(12 * row_bytes), row_bytes),
            ]);
            let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            _mm512_permutexvar_epi64(order, quads)
        }
    }
}

impl Words for Lanes16 {
    #[inline(always)]
    unsafe fn load_fourth_rows(self, from: *const u8, row_bytes: usize) -> __m512i {
        // SAFETY: `self` is the proof of the instructions, the contract that of the memory.
        unsafe {
            join_16([
                load_16(from),
                load_16(from.add(4 * row_bytes)),
                load_16(from.add(8 * row_bytes)),
                load_16(from.add(12 * row_bytes)),
            ])
        }
    }

    #[inline(always)]
    unsafe fn load_f16_pairs(self, from: *const u8, row_bytes: usize) -> (__m512, __m512) {
        // SAFETY: as above.
        unsafe { widen_halves(self.half_pairs(from, row_bytes)) }
    }

    #[inline(always)]
    unsafe fn load_halves(self, from: *const u8, row_bytes: usize) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let pairs = self.half_pairs(from, row_bytes);
            _mm512_cvtepu16_epi32(_mm512_castsi512_si256(pairs))
        }
    }

    #[inline(always)]
    fn f16_pairs(self, words: __m512i) -> (__m512, __m512) {
        // SAFETY: `self` is the proof of the instructions.
        unsafe {
            // Even numbers, then odd ones.
            let order = _mm512_setr_epi32(
                0x0002_0000,
                0x0006_0004,
                0x000a_0008,
                0x000e_000c,
                0x0012_0010,
                0x0016_0014,
                0x001a_0018,
                0x001e_001c,
                0x0003_0001,
                0x0007_0005,
                0x000b_0009,
                0x000f_000d,
                0x0013_0011,
                0x0017_0015,
                0x001b_0019,
                0x001f_001d,
            );
            widen_halves(_mm512_permutexvar_epi16(order, words))
        }
    }

    #[inline(always)]
    fn spread_16(self, bytes: [u8; 16]) -> __m512i {
        // SAFETY: the array has 16 bytes; `self` is the proof of the instructions.
        unsafe { _mm512_broadcast_i32x4(load_16(bytes.as_ptr())) }
    }

    #[inline(always)]
    fn look_up<const N: usize>(self, table: &[u32; N], indices: __m512i) -> __m512i {
        const { assert!(N.is_power_of_two()) };
        let indices = self.and(indices, self.spread_int(N as i32 - 1));
        // SAFETY: as above.
        unsafe { _mm512_i32gather_epi32::<4>(indices, table.as_ptr().cast()) }
    }

    #[inline(always)]
    fn multiply_signed_bytes(self, a: __m512i, b: __m512i) -> __m512i {
        // SAFETY: `self` is the proof of the instructions.
        unsafe {
            let b = _mm512_mask_sub_epi8(b, _mm512_movepi8_mask(a), _mm512_setzero_si512(), b);
            _mm512_maddubs_epi16(_mm512_abs_epi8(a), b)
        }
    }

    #[inline(always)]
    fn negate(self, a: __m512) -> __m512 {
        let sign = self.spread_int(i32::MIN);
        // SAFETY: `self` is the proof of the instructions.
        unsafe { _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), sign)) }
    }

    shifts! {
        fn shift_left_16(a: __m512i) = _mm512_sll_epi16;
        fn shift_right_16(a: __m512i) = _mm512_srl_epi16;
        fn shift_left(a: __m512i) = _mm512_sll_epi32;
        fn shift_right(a: __m512i) = _mm512_srl_epi32;
        fn shift_right_signed(a: __m512i) = _mm512_sra_epi32;
    }

    methods! {
        fn low_words(a: __m512i, b: __m512i) -> __m512i = _mm512_unpacklo_epi32;
        fn high_words(a: __m512i, b: __m512i) -> __m512i = _mm512_unpackhi_epi32;
        fn low_pairs(a: __m512i, b: __m512i) -> __m512i = _mm512_unpacklo_epi64;
        fn high_pairs(a: __m512i, b: __m512i) -> __m512i = _mm512_unpackhi_epi64;
        fn pick_bytes(a: __m512i, b: __m512i) -> __m512i = _mm512_shuffle_epi8;
        fn spread_byte(value: i8) -> __m512i = _mm512_set1_epi8;
        fn spread_i16(value: i16) -> __m512i = _mm512_set1_epi16;
        fn and(a: __m512i, b: __m512i) -> __m512i = _mm512_and_si512;
        fn or(a: __m512i, b: __m512i) -> __m512i = _mm512_or_si512;
        fn add_bytes(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi8;
        fn sub_bytes(a: __m512i, b: __m512i) -> __m512i = _mm512_sub_epi8;
        fn min_bytes(a: __m512i, b: __m512i) -> __m512i = _mm512_min_epu8;
        fn add_i16(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi16;
        fn add_int(a: __m512i, b: __m512i) -> __m512i = _mm512_add_epi32;
        fn multiply_bytes(a: __m512i, b: __m512i) -> __m512i = _mm512_maddubs_epi16;
        fn multiply_i16(a: __m512i, b: __m512i) -> __m512i = _mm512_madd_epi16;
        fn as_floats(words: __m512i) -> __m512 = _mm512_castsi512_ps;
    }
}

/// # Safety
/// 16 bytes can be read at `from`, which needs no alignment.
#[inline(always)]
unsafe fn load_16(from: *const u8) -> __m128i {
    // SAFETY: the contract; every x86-64 has the instruction.
    unsafe { _mm_loadu_si128(from.cast()) }
}

/// The first 16 bits of four rows, then the second: cheaper than joining the rows first.
///
/// # Safety
/// 16 bytes can be read at `from + r * row_bytes` for `r < 4`.
#[inline(always)]
unsafe fn load_half_quads(from: *const u8, row_bytes: usize) -> __m128i {
    // SAFETY: the contract; every x86-64 has the instructions.
    unsafe {
        let (a, b) = (load_16(from), load_16(from.add(row_bytes)));
        let (c, d) = (load_16(from.add(2 * row_bytes)), load_16(from.add(3 * row_bytes)));
        _mm_unpacklo_epi32(_mm_unpacklo_epi16(a, b), _mm_unpacklo_epi16(c, d))
    }
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn join_16([a, b, c, d]: [__m128i; 4]) -> __m512i {
    let (low, high) = (_mm256_set_m128i(b, a), _mm256_set_m128i(d, c));
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}

/// 16 f16 and 16 more.
#[inline]
#[target_feature(enable = "avx512f")]
fn widen_halves(halves: __m512i) -> (__m512, __m512) {
    let low = _mm512_cvtph_ps(_mm512_castsi512_si256(halves));
    (low, _mm512_cvtph_ps(_mm512_extracti64x4_epi64::<1>(halves)))
}
