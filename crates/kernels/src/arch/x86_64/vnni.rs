//! Sums of byte products by `vpdpbusd`, which adds four of them to an int32 lane: exact for every
//! range of quants, with nothing to widen.
//!
//! The instruction takes unsigned quants. To signed ones 128 is added, and 128 times the sum of
//! the activations taken off: `sum(q x) = sum((q + 128) x) - 128 sum(x)`.

use std::arch::x86_64::*;
use std::marker::PhantomData;

use super::int_panel::{Bytes, SIGNED, Tokens, weights};
use super::lanes::{Lanes, Lanes8, Lanes16, methods};
use crate::{Step, TILE_TOKENS};

/// 128 in each byte.
pub(super) const BIAS: i32 = 0x8080_8080_u32 as i32;

/// `vpdpbusd` for a width of registers and an encoding, which is a feature of its own. A value is
/// the proof that it may be used.
#[derive(Clone, Copy)]
pub(super) struct Vnni<L, E>(L, PhantomData<E>);

/// AVX-VNNI.
#[derive(Clone, Copy)]
pub(super) struct Vex;

/// AVX-512 VNNI.
#[derive(Clone, Copy)]
pub(super) struct Evex;

/// What is an instruction of its own for each width.
pub(super) trait Dot<L: Lanes> {
    /// `sum` and four products of unsigned bytes `a` and signed bytes `b`, lane by lane.
    fn dot(self, sum: L::Ints, a: L::Ints, b: L::Ints) -> L::Ints;
    /// Each lane `i` becomes the sum of all lanes that are `i` modulo 4.
    fn add_quads(self, x: L::Ints) -> L::Ints;
    /// Lane `t < 4` of an `x` whose quads are alike, in every lane.
    fn spread_lane(self, x: L::Ints, t: usize) -> L::Ints;
}

impl<L: Lanes, E: Copy> Bytes for Vnni<L, E>
where
    Self: Dot<L>,
{
    type Lanes = L;
    const NEEDS_RANGE: bool = false;

    #[inline(always)]
    fn lanes(self) -> L {
        self.0
    }

    #[inline(always)]
    unsafe fn sum_group<
        const Q_MAX: i32,
        const STEPS: usize,
        const N: usize,
        const T: usize,
        const H: usize,
    >(
        self,
        steps: *const Step,
        x: Tokens<N, T>,
    ) -> [[[L::Ints; H]; T]; N] {
        let bias = self.0.spread_int(BIAS);
        let mut sums = [[[self.0.spread_int(0); H]; T]; N];
        for i in 0..N {
            if Q_MAX == SIGNED {
                // SAFETY: the contract.
                let starts = unsafe { self.unbias::<STEPS, N, T>(x, i) };
                for t in 0..T {
                    sums[i][t] = [starts[t]; H];
                }
            }
        }
        for step in 0..STEPS {
            // SAFETY: the contract.
            let mut w = unsafe { weights::<L, H>(self.0, steps.add(step)) };
            for h in 0..H {
                if Q_MAX == SIGNED {
                    w[h] = self.0.xor(w[h], bias);
                }
            }
            for i in 0..N {
                for t in 0..T {
                    // SAFETY: the contract.
                    let x = unsafe { x.columns(self.0, i, t, step) };
                    for h in 0..H {
                        sums[i][t][h] = self.dot(sums[i][t][h], w[h], x);
                    }
                }
            }
        }
        sums
    }
}

impl<L: Lanes, E: Copy> Vnni<L, E>
where
    Self: Dot<L>,
{
    /// `-128 sum(x)` over all columns, for each token of tile `i`.
    ///
    /// # Safety
    /// `x` holds `STEPS` steps, and `i < N`.
    #[inline(always)]
    unsafe fn unbias<const STEPS: usize, const N: usize, const T: usize>(
        self,
        x: Tokens<N, T>,
        i: usize,
    ) -> [L::Ints; T] {
        let (zero, bias) = (self.0.spread_int(0), self.0.spread_int(BIAS));
        let mut starts = [zero; T];
        if T == TILE_TOKENS {
            // Lanes are tokens here, over and over.
            let mut sums = zero;
            for register in 0..STEPS * T / L::N {
                // SAFETY: the contract.
                let x = unsafe { self.0.load_bytes(x.tile(i).add(register * 4 * L::N)) };
                sums = self.dot(sums, bias, x);
            }
            let sums = self.0.sub_int(zero, self.add_quads(sums));
            for t in 0..T {
                starts[t] = self.spread_lane(sums, t);
            }
            return starts;
        }
        for t in 0..T {
            let mut sum = zero;
            for step in 0..STEPS {
                // SAFETY: the contract.
                sum = self.dot(sum, bias, unsafe { x.columns(self.0, i, t, step) });
            }
            starts[t] = self.0.sub_int(zero, sum);
        }
        starts
    }
}

macro_rules! of_eight_lanes {
    ($Encoding:ident, $features:literal, $dot:ident) => {
        impl Vnni<Lanes8, $Encoding> {
            #[inline]
            #[target_feature(enable = $features)]
            pub(super) fn new() -> Self {
                Self(Lanes8::new(), PhantomData)
            }
        }

        impl Dot<Lanes8> for Vnni<Lanes8, $Encoding> {
            methods! {
                fn dot(sum: __m256i, a: __m256i, b: __m256i) -> __m256i = $dot;
            }

            #[inline(always)]
            fn add_quads(self, x: __m256i) -> __m256i {
                // SAFETY: `self` is the proof of the instructions.
                unsafe { _mm256_add_epi32(x, _mm256_permute2x128_si256::<1>(x, x)) }
            }

            #[inline(always)]
            fn spread_lane(self, x: __m256i, t: usize) -> __m256i {
                // SAFETY: `self` is the proof of the instructions.
                unsafe {
                    match t {
                        0 => _mm256_shuffle_epi32::<0b00_00_00_00>(x),
                        1 => _mm256_shuffle_epi32::<0b01_01_01_01>(x),
                        2 => _mm256_shuffle_epi32::<0b10_10_10_10>(x),
                        _ => _mm256_shuffle_epi32::<0b11_11_11_11>(x),
                    }
                }
            }
        }
    };
}
of_eight_lanes!(Vex, "avx2,fma,f16c,avxvnni", _mm256_dpbusd_avx_epi32);
of_eight_lanes!(Evex, "avx2,fma,f16c,avx512vl,avx512vnni", _mm256_dpbusd_epi32);

impl Vnni<Lanes16, Evex> {
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
    pub(super) fn new() -> Self {
        Self(Lanes16::new(), PhantomData)
    }
}

impl Dot<Lanes16> for Vnni<Lanes16, Evex> {
    methods! {
        fn dot(sum: __m512i, a: __m512i, b: __m512i) -> __m512i = _mm512_dpbusd_epi32;
    }

    #[inline(always)]
    fn add_quads(self, x: __m512i) -> __m512i {
        // SAFETY: `self` is the proof of the instructions.
        unsafe {
            let x = _mm512_add_epi32(x, _mm512_shuffle_i32x4::<0b10_11_00_01>(x, x));
            _mm512_add_epi32(x, _mm512_shuffle_i32x4::<0b01_00_11_10>(x, x))
        }
    }

    #[inline(always)]
    fn spread_lane(self, x: __m512i, t: usize) -> __m512i {
        // SAFETY: `self` is the proof of the instructions.
        unsafe {
            match t {
                0 => _mm512_shuffle_epi32::<0b00_00_00_00>(x),
                1 => _mm512_shuffle_epi32::<0b01_01_01_01>(x),
                2 => _mm512_shuffle_epi32::<0b10_10_10_10>(x),
                _ => _mm512_shuffle_epi32::<0b11_11_11_11>(x),
            }
        }
    }
}
