//! Formats of 32 values a block; the layouts are those of `block/`.

use super::block_rows::Rows;
use super::format::{Block, Format, Sink, formats};
use crate::arch::x86_64::int_panel::SIGNED;
use crate::arch::x86_64::words::Words;
use crate::block::iq4_nl;

formats! {
    Q4_0 = 18 32 32 15, q4_0;
    Q4_1 = 20 32 32 15, q4_1;
    Q5_0 = 22 32 32 31, q5_0;
    Q5_1 = 24 32 32 31, q5_1;
    Q8_0 = 34 32 32 SIGNED, q8_0;
    Iq4Nl = 18 32 32 SIGNED, iq4_nl;
}

#[inline(always)]
fn q4_0<L: Words>(rows: &mut Rows<L, Q4_0>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    sink.set_scales(0, d);
    sink.set_mins(0, lanes.mul(d, lanes.spread(8.0)));
    let (low, high) = nibbles(rows, 2);
    sink.set_quants(0, low);
    sink.set_quants(1, high);
}

#[inline(always)]
fn q4_1<L: Words>(rows: &mut Rows<L, Q4_1>, sink: &mut impl Sink<L>) {
    set_scale_and_min(rows.lanes, rows.f16_pair(0), sink);
    let (low, high) = nibbles(rows, 4);
    sink.set_quants(0, low);
    sink.set_quants(1, high);
}

#[inline(always)]
fn q5_0<L: Words>(rows: &mut Rows<L, Q5_0>, sink: &mut impl Sink<L>) {
    let ([first, second], lanes) = (rows.words2(0, 6), rows.lanes);
    let (d, _) = lanes.f16_pairs(first);
    sink.set_scales(0, d);
    sink.set_mins(0, lanes.mul(d, lanes.spread(16.0)));
    let bits = lanes.or(lanes.shift_right(first, 16), lanes.shift_left(second, 16));
    set_five_bits(rows, bits, 6, sink);
}

#[inline(always)]
fn q5_1<L: Words>(rows: &mut Rows<L, Q5_1>, sink: &mut impl Sink<L>) {
    let ([first, bits], lanes) = (rows.words2(0, 8), rows.lanes);
    set_scale_and_min(lanes, lanes.f16_pairs(first), sink);
    set_five_bits(rows, bits, 8, sink);
}

#[inline(always)]
fn q8_0<L: Words>(rows: &mut Rows<L, Q8_0>, sink: &mut impl Sink<L>) {
    sink.set_scales(0, rows.f16(0));
    for part in 0..2 {
        sink.set_quants(part, rows.words4(2 + 16 * part));
    }
}

#[inline(always)]
fn iq4_nl<L: Words>(rows: &mut Rows<L, Iq4Nl>, sink: &mut impl Sink<L>) {
    sink.set_scales(0, rows.f16(0));
    set_picked(rows, 2, iq4_nl::VALUES, sink, 0);
}

/// 32 columns from `16 * part` on: values by their indices, which are at byte `at`.
#[inline(always)]
pub(super) fn set_picked<L: Words, F: Format>(
    rows: &mut Rows<L, F>,
    at: usize,
    values: [i8; 16],
    sink: &mut impl Sink<L>,
    part: usize,
) {
    let lanes = rows.lanes;
    let values = lanes.spread_16(bytemuck::cast(values));
    let (mut low, mut high) = nibbles(rows, at);
    for k in 0..4 {
        low[k] = lanes.pick_bytes(values, low[k]);
        high[k] = lanes.pick_bytes(values, high[k]);
    }
    sink.set_quants(part, low);
    sink.set_quants(part + 1, high);
}

/// `d` and `m` of Q4_1 and Q5_1, where `w = d q + m`.
#[inline(always)]
fn set_scale_and_min<L: Words>(lanes: L, (d, m): (L::Floats, L::Floats), sink: &mut impl Sink<L>) {
    sink.set_scales(0, d);
    sink.set_mins(0, lanes.negate(m));
}

/// The high bits, one word a row, and the nibbles at byte `at`.
#[inline(always)]
fn set_five_bits<L: Words, F: Format>(
    rows: &mut Rows<L, F>,
    bits: L::Ints,
    at: usize,
    sink: &mut impl Sink<L>,
) {
    let lanes = rows.lanes;
    let (mut low, mut high) = nibbles(rows, at);
    for k in 0..4 {
        low[k] = lanes.or(low[k], spread_bits(lanes, bits, k, 16));
        high[k] = lanes.or(high[k], spread_bits(lanes, bits, k + 4, 16));
    }
    sink.set_quants(0, low);
    sink.set_quants(1, high);
}

/// Bits `4 k..4 k + 4` of each word, as `set`, at most 16, or 0 in the word's four bytes.
#[inline(always)]
pub(super) fn spread_bits<L: Words>(lanes: L, bits: L::Ints, k: usize, set: i8) -> L::Ints {
    // The four bits as the high half of a byte, four times: any of 16, 32, 64 and 128 is at
    // least 16.
    let bits = if k.is_multiple_of(2) { lanes.shift_left(bits, 4) } else { bits };
    let byte = k as u8 / 2;
    let mut spread = [byte; 16];
    for (i, at) in spread.iter_mut().enumerate() {
        *at += i as u8 / 4 * 4;
    }
    let select = lanes.spread_int(0x8040_2010_u32 as i32);
    let bits = lanes.and(lanes.pick_bytes(bits, lanes.spread_16(spread)), select);
    lanes.min_bytes(bits, lanes.spread_byte(set))
}

/// The low and the high nibbles of bytes `at..at + 16`, four words each.
#[inline(always)]
pub(super) fn nibbles<L: Words, F: Format>(
    rows: &mut Rows<L, F>,
    at: usize,
) -> ([L::Ints; 4], [L::Ints; 4]) {
    let lanes = rows.lanes;
    let mask = lanes.spread_byte(15);
    let mut low = rows.words4(at);
    let mut high = low;
    for k in 0..4 {
        high[k] = lanes.and(lanes.shift_right_16(low[k], 4), mask);
        low[k] = lanes.and(low[k], mask);
    }
    (low, high)
}
