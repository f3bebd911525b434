//! Formats of one and two bits and of three values; the layouts are those of `block/`.

use super::block_rows::Rows;
use super::format::{Block, Format, Sink, formats};
use super::k_quants::set_pairs;
use super::small_blocks::spread_bits;
use crate::arch::x86_64::words::Words;

formats! {
    Tq1_0 = 54 256 32 15, tq1_0;
    Tq2_0 = 66 256 32 15, tq2_0;
    Q1_0 = 18 128 32 15, q1_0;
    Q2_0 = 18 64 32 15, q2_0;
}

#[inline(always)]
fn tq1_0<L: Words>(rows: &mut Rows<L, Tq1_0>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let [middle, end] = rows.last_words2(6);
    let (_, d) = lanes.f16_pairs(end);
    set_one_scale::<L, Tq1_0>(d, d, sink);
    for (at, first, stride) in [(0, 0, 2), (16, 1, 2), (32, 10, 1)] {
        let mut fractions = rows.words4(at);
        for n in 0..5 {
            let mut digits = fractions;
            for k in 0..4 {
                (digits[k], fractions[k]) = next_digit(lanes, fractions[k]);
            }
            sink.set_quants(first + stride * n, digits);
        }
    }
    let mut fraction = lanes.or(lanes.shift_right(middle, 16), lanes.shift_left(end, 16));
    let mut digits = [fraction; 4];
    for n in 0..4 {
        (digits[n], fraction) = next_digit(lanes, fraction);
    }
    sink.set_quants(15, digits);
}

/// The first digit of each byte, a fraction in base 3, and the fraction of the others.
#[inline(always)]
fn next_digit<L: Words>(lanes: L, fraction: L::Ints) -> (L::Ints, L::Ints) {
    let digit = lanes.add_bytes(is_above(lanes, fraction, 85), is_above(lanes, fraction, 170));
    (digit, lanes.add_bytes(lanes.add_bytes(fraction, fraction), fraction))
}

/// 1 for every byte greater than `bound`, 0 for the others.
#[inline(always)]
fn is_above<L: Words>(lanes: L, bytes: L::Ints, bound: u8) -> L::Ints {
    let rest = lanes.min_bytes(bytes, lanes.spread_byte(bound as i8));
    lanes.min_bytes(lanes.sub_bytes(bytes, rest), lanes.spread_byte(1))
}

#[inline(always)]
fn tq2_0<L: Words>(rows: &mut Rows<L, Tq2_0>, sink: &mut impl Sink<L>) {
    let (_, d) = rows.lanes.f16_pairs(rows.last_word());
    set_one_scale::<L, Tq2_0>(d, d, sink);
    set_pairs(rows, 0, sink);
}

#[inline(always)]
fn q1_0<L: Words>(rows: &mut Rows<L, Q1_0>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    set_one_scale::<L, Q1_0>(lanes.mul(d, lanes.spread(2.0)), d, sink);
    let words = rows.words4(2);
    for g in 0..4 {
        for half in 0..2 {
            let mut quants = words;
            for k in 0..4 {
                quants[k] = spread_bits(lanes, words[g], 4 * half + k, 1);
            }
            sink.set_quants(2 * g + half, quants);
        }
    }
}

#[inline(always)]
fn q2_0<L: Words>(rows: &mut Rows<L, Q2_0>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    set_one_scale::<L, Q2_0>(d, d, sink);
    let words = rows.words4(2);
    for part in 0..4 {
        let mut quants = words;
        for k in 0..4 {
            let byte = lanes.shift_right(words[part], 8 * k as i32);
            quants[k] = spread_pairs(lanes, lanes.and(byte, lanes.spread_int(255)));
        }
        sink.set_quants(part, quants);
    }
}

/// Bits `2j` and `2j + 1` of the low byte in byte `j`; the other bytes are zero before.
#[inline(always)]
fn spread_pairs<L: Words>(lanes: L, byte: L::Ints) -> L::Ints {
    let two = lanes.or(byte, lanes.shift_left(byte, 12));
    let four = lanes.or(two, lanes.shift_left(two, 6));
    lanes.and(four, lanes.spread_byte(3))
}

/// The same for all groups of a block.
#[inline(always)]
fn set_one_scale<L: Words, F: Format>(scale: L::Floats, min: L::Floats, sink: &mut impl Sink<L>) {
    for g in 0..F::LEN / F::GROUP {
        sink.set_scales(g, scale);
        sink.set_mins(g, min);
    }
}
