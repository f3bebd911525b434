//! Formats of 256 values a block; the layouts are those of `block/`.

use super::block_rows::Rows;
use super::format::{Block, Format, Sink, formats};
use super::small_blocks::{nibbles, set_picked};
use crate::arch::x86_64::int_panel::SIGNED;
use crate::arch::x86_64::words::Words;
use crate::block::iq4_nl;

formats! {
    Q2K = 84 256 16 15, q2_k;
    Q3K = 110 256 16 15, q3_k;
    Q4K = 144 256 32 15, q4_k;
    Q5K = 176 256 32 31, q5_k;
    Q6K = 210 256 16 63, q6_k;
    Q8K = 292 256 32 SIGNED, q8_k;
    Iq4Xs = 136 256 32 SIGNED, iq4_xs;
}

#[inline(always)]
fn q2_k<L: Words>(rows: &mut Rows<L, Q2K>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let (d, dmin) = lanes.f16_pairs(rows.last_word());
    let nibble = lanes.spread_byte(15);
    let codes = rows.words4(0);
    for i in 0..4 {
        let scales = unsigned_bytes(lanes, lanes.and(codes[i], nibble));
        let mins = lanes.and(lanes.shift_right_16(codes[i], 4), nibble);
        let mins = unsigned_bytes(lanes, mins);
        for j in 0..4 {
            sink.set_scales(4 * i + j, lanes.mul(d, scales[j]));
            sink.set_mins(4 * i + j, lanes.mul(dmin, mins[j]));
        }
    }
    set_pairs(rows, 16, sink);
}

/// 256 columns of two bits from byte `at` on.
#[inline(always)]
pub(super) fn set_pairs<L: Words, F: Format>(
    rows: &mut Rows<L, F>,
    at: usize,
    sink: &mut impl Sink<L>,
) {
    let lanes = rows.lanes;
    let three = lanes.spread_byte(3);
    for part in 0..4 {
        let mut pairs = rows.words4(at + 16 * part);
        for j in 0..4 {
            let first = part / 2 * 8 + part % 2;
            let mut quants = pairs;
            for k in 0..4 {
                quants[k] = lanes.and(pairs[k], three);
                pairs[k] = lanes.shift_right_16(pairs[k], 2);
            }
            sink.set_quants(first + 2 * j, quants);
        }
    }
}

#[inline(always)]
fn q3_k<L: Words>(rows: &mut Rows<L, Q3K>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let (_, d) = lanes.f16_pairs(rows.last_word());
    let [_, low, high, top] = rows.words4(92);
    let nibble = lanes.spread_byte(15);
    let mut codes = [low, high, low, high];
    for i in 0..4 {
        let code = if i < 2 { codes[i] } else { lanes.shift_right_16(codes[i], 4) };
        let top = lanes.and(lanes.shift_right_16(top, 2 * i as i32), lanes.spread_byte(3));
        codes[i] = lanes.or(lanes.and(code, nibble), lanes.shift_left_16(top, 4));
        let scales = signed_bytes(lanes, lanes.sub_bytes(codes[i], lanes.spread_byte(32)));
        for j in 0..4 {
            let scale = lanes.mul(d, scales[j]);
            sink.set_scales(4 * i + j, scale);
            sink.set_mins(4 * i + j, lanes.mul(scale, lanes.spread(4.0)));
        }
    }
    let (three, four) = (lanes.spread_byte(3), lanes.spread_byte(4));
    for part in 0..2 {
        let mut bits = rows.words4(16 * part);
        for n in 0..2 {
            let mut pairs = rows.words4(32 + 32 * n + 16 * part);
            for j in 0..4 {
                let mut quants = pairs;
                for k in 0..4 {
                    // Bit 4 n + j, moved to bit 2.
                    let bit = lanes.and(lanes.shift_left_16(bits[k], 2), four);
                    quants[k] = lanes.or(lanes.and(pairs[k], three), bit);
                    bits[k] = lanes.shift_right_16(bits[k], 1);
                    pairs[k] = lanes.shift_right_16(pairs[k], 2);
                }
                sink.set_quants(8 * n + 2 * j + part, quants);
            }
        }
    }
}

#[inline(always)]
fn q4_k<L: Words>(rows: &mut Rows<L, Q4K>, sink: &mut impl Sink<L>) {
    set_k_scales(rows, sink);
    for i in 0..8 {
        let (low, high) = nibbles(rows, 16 + 16 * i);
        let part = i / 2 * 4 + i % 2;
        sink.set_quants(part, low);
        sink.set_quants(part + 2, high);
    }
}

#[inline(always)]
fn q5_k<L: Words>(rows: &mut Rows<L, Q5K>, sink: &mut impl Sink<L>) {
    set_k_scales(rows, sink);
    let lanes = rows.lanes;
    let fifth = lanes.spread_byte(16);
    for part in 0..2 {
        let mut bits = rows.words4(16 + 16 * part);
        for pair in 0..4 {
            let (mut low, mut high) = nibbles(rows, 48 + 32 * pair + 16 * part);
            for k in 0..4 {
                // Bits 2 pair and 2 pair + 1 are now bits 0 and 1.
                let low_bit = lanes.and(lanes.shift_left_16(bits[k], 4), fifth);
                let high_bit = lanes.and(lanes.shift_left_16(bits[k], 3), fifth);
                bits[k] = lanes.shift_right_16(bits[k], 2);
                low[k] = lanes.or(low[k], low_bit);
                high[k] = lanes.or(high[k], high_bit);
            }
            sink.set_quants(4 * pair + part, low);
            sink.set_quants(4 * pair + part + 2, high);
        }
    }
}

#[inline(always)]
fn q6_k<L: Words>(rows: &mut Rows<L, Q6K>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let (_, d) = lanes.f16_pairs(rows.last_word());
    let codes = rows.words4(192);
    for i in 0..4 {
        let scales = signed_bytes(lanes, codes[i]);
        for j in 0..4 {
            let scale = lanes.mul(d, scales[j]);
            sink.set_scales(4 * i + j, scale);
            sink.set_mins(4 * i + j, lanes.mul(scale, lanes.spread(32.0)));
        }
    }
    let top = lanes.spread_byte(0x30);
    for n in 0..2 {
        for part in 0..2 {
            let (even, even_high) = nibbles(rows, 64 * n + 16 * part);
            let (odd, odd_high) = nibbles(rows, 64 * n + 32 + 16 * part);
            let mut bits = rows.words4(128 + 32 * n + 16 * part);
            let mut quants = [even, odd, even_high, odd_high];
            for r in 0..4 {
                for k in 0..4 {
                    // Bits 2 r and 2 r + 1 are now bits 0 and 1.
                    let top_bits = lanes.and(lanes.shift_left_16(bits[k], 4), top);
                    bits[k] = lanes.shift_right_16(bits[k], 2);
                    quants[r][k] = lanes.or(quants[r][k], top_bits);
                }
                sink.set_quants(8 * n + 2 * r + part, quants[r]);
            }
        }
    }
}

#[inline(always)]
fn q8_k<L: Words>(rows: &mut Rows<L, Q8K>, sink: &mut impl Sink<L>) {
    let d = rows.words(0);
    for g in 0..8 {
        sink.set_scales(g, rows.lanes.as_floats(d));
    }
    for part in 0..16 {
        sink.set_quants(part, rows.words4(4 + 16 * part));
    }
}

#[inline(always)]
fn iq4_xs<L: Words>(rows: &mut Rows<L, Iq4Xs>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let [first, mut low] = rows.words2(0, 8);
    let (d, _) = lanes.f16_pairs(first);
    let mut high = lanes.shift_right(first, 16);
    for g in 0..8 {
        let low_bits = lanes.and(low, lanes.spread_int(15));
        let high_bits = lanes.and(lanes.shift_left(high, 4), lanes.spread_int(0x30));
        (high, low) = (lanes.shift_right(high, 2), lanes.shift_right(low, 4));
        let code = lanes.sub_int(lanes.or(low_bits, high_bits), lanes.spread_int(32));
        sink.set_scales(g, lanes.mul(d, lanes.to_floats(code)));
        set_picked(rows, 8 + 16 * g, iq4_nl::VALUES, sink, 2 * g);
    }
}

/// The 16 bytes that Q4_K and Q5_K start with: `d`, `dmin` and three words of codes.
#[inline(always)]
fn set_k_scales<L: Words, F: Format>(rows: &mut Rows<L, F>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let [d, a, b, c] = rows.words4(0);
    let (d, dmin) = lanes.f16_pairs(d);
    let six = lanes.spread_byte(63);
    let scales = [lanes.and(a, six), join(lanes, c, a)];
    let mins = [lanes.and(b, six), join(lanes, lanes.shift_right_16(c, 4), b)];
    for i in 0..2 {
        let (s, m) = (unsigned_bytes(lanes, scales[i]), unsigned_bytes(lanes, mins[i]));
        for j in 0..4 {
            sink.set_scales(4 * i + j, lanes.mul(d, s[j]));
            sink.set_mins(4 * i + j, lanes.mul(dmin, m[j]));
        }
    }
}

/// The low nibbles of `low` with the two high bits of `bits`, byte by byte.
#[inline(always)]
fn join<L: Words>(lanes: L, low: L::Ints, bits: L::Ints) -> L::Ints {
    let bits = lanes.and(lanes.shift_right_16(bits, 2), lanes.spread_byte(0x30));
    lanes.or(lanes.and(low, lanes.spread_byte(15)), bits)
}

/// Byte `j` of every word as f32, for `j < 4`.
#[inline(always)]
fn unsigned_bytes<L: Words>(lanes: L, v: L::Ints) -> [L::Floats; 4] {
    let mut bytes = [lanes.spread(0.0); 4];
    for j in 0..4 {
        let byte = lanes.shift_right(v, 8 * j as i32);
        let byte = if j == 3 { byte } else { lanes.and(byte, lanes.spread_int(255)) };
        bytes[j] = lanes.to_floats(byte);
    }
    bytes
}

/// Byte `j` of every word, two's complement, as f32, for `j < 4`.
#[inline(always)]
fn signed_bytes<L: Words>(lanes: L, v: L::Ints) -> [L::Floats; 4] {
    let mut bytes = [lanes.spread(0.0); 4];
    for j in 0..4 {
        let top = lanes.shift_left(v, 24 - 8 * j as i32);
        bytes[j] = lanes.to_floats(lanes.shift_right_signed(top, 24));
    }
    bytes
}
