//! Products of sixteen columns in registers, and what they add up to over a group.

use super::format::{Format, PART};
use crate::arch::x86_64::int_panel::{Bytes, SIGNED, int16_depth};
use crate::arch::x86_64::lanes::Lanes;
use crate::arch::x86_64::vnni::{BIAS, Dot, Vnni};
use crate::arch::x86_64::words::Words;

/// A way to multiply bytes. A value is the proof that its instructions may be used.
pub(in super::super) trait PartSums: Copy {
    type Lanes: Words;

    fn lanes(self) -> Self::Lanes;
    /// `sum(q * xq)` over a part, or what `add_parts` needs to know of it. Quants and groups are
    /// those of `F`.
    fn sum_part<F: Format>(self, w: [Ints<Self>; 4], x: [Ints<Self>; 4]) -> Ints<Self>;
    /// `sum(q * xq)`, exactly, over the parts of a group, one or two.
    fn add_parts<F: Format>(self, first: Ints<Self>, second: Option<Ints<Self>>) -> Ints<Self>;
}

pub(super) type Ints<B> = <<B as PartSums>::Lanes as Lanes>::Ints;

/// By `vpmaddubsw`: sums in int16, as long as they fit.
#[derive(Clone, Copy)]
pub(in super::super) struct WordSums<L>(pub(in super::super) L);

impl<L: Words> WordSums<L> {
    #[inline(always)]
    fn widen(self, words: L::Ints) -> L::Ints {
        self.0.multiply_i16(words, self.0.spread_i16(1))
    }
}

impl<L: Words> PartSums for WordSums<L> {
    type Lanes = L;

    #[inline(always)]
    fn lanes(self) -> L {
        self.0
    }

    #[inline(always)]
    fn sum_part<F: Format>(self, w: [L::Ints; 4], x: [L::Ints; 4]) -> L::Ints {
        let lanes = self.0;
        let mut products = w;
        for i in 0..4 {
            products[i] = if F::Q_MAX == SIGNED {
                lanes.multiply_signed_bytes(w[i], x[i])
            } else {
                lanes.multiply_bytes(w[i], x[i])
            };
        }
        let [a, b, c, d] = products;
        let depth = int16_depth(F::Q_MAX);
        if depth >= PART / 4 {
            lanes.add_i16(lanes.add_i16(a, b), lanes.add_i16(c, d))
        } else if depth == 2 {
            let low = self.widen(lanes.add_i16(a, b));
            lanes.add_int(low, self.widen(lanes.add_i16(c, d)))
        } else {
            let low = lanes.add_int(self.widen(a), self.widen(b));
            lanes.add_int(low, lanes.add_int(self.widen(c), self.widen(d)))
        }
    }

    #[inline(always)]
    fn add_parts<F: Format>(self, first: L::Ints, second: Option<L::Ints>) -> L::Ints {
        let lanes = self.0;
        let depth = int16_depth(F::Q_MAX);
        let is_wide = depth < PART / 4;
        match second {
            None if is_wide => first,
            None => self.widen(first),
            Some(second) if is_wide => lanes.add_int(first, second),
            Some(second) if depth >= F::GROUP / 4 => self.widen(lanes.add_i16(first, second)),
            Some(second) => lanes.add_int(self.widen(first), self.widen(second)),
        }
    }
}

impl<L: Words, E: Copy> PartSums for Vnni<L, E>
where
    Self: Dot<L>,
{
    type Lanes = L;

    #[inline(always)]
    fn lanes(self) -> L {
        Bytes::lanes(self)
    }

    #[inline(always)]
    fn sum_part<F: Format>(self, w: [L::Ints; 4], x: [L::Ints; 4]) -> L::Ints {
        let lanes = PartSums::lanes(self);
        let bias = lanes.spread_int(BIAS);
        let mut sum = lanes.spread_int(0);
        let mut biases = sum;
        for i in 0..4 {
            if F::Q_MAX == SIGNED {
                sum = self.dot(sum, lanes.xor(w[i], bias), x[i]);
                biases = self.dot(biases, bias, x[i]);
            } else {
                sum = self.dot(sum, w[i], x[i]);
            }
        }
        if F::Q_MAX == SIGNED { lanes.sub_int(sum, biases) } else { sum }
    }

    #[inline(always)]
    fn add_parts<F: Format>(self, first: L::Ints, second: Option<L::Ints>) -> L::Ints {
        match second {
            None => first,
            Some(second) => PartSums::lanes(self).add_int(first, second),
        }
    }
}
