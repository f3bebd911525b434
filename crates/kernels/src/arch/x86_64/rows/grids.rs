//! Formats whose columns are points of a grid; the layouts are those of `block/`, the tables those
//! of `block/codebook.rs`.

use super::block_rows::Rows;
use super::format::{Block, Format, Sink, formats};
use crate::arch::x86_64::int_panel::SIGNED;
use crate::arch::x86_64::words::Words;
use crate::block::codebook::{self, IQ1_M_VALUES, IQ2_VALUES, IQ3_S_VALUES, IQ3_XXS_VALUES};

formats! {
    Iq2Xxs = 66 256 32 SIGNED, iq2_xxs;
    Iq2Xs = 74 256 16 SIGNED, iq2_xs;
    Iq2S = 82 256 16 SIGNED, iq2_s;
    Iq3Xxs = 98 256 32 SIGNED, iq3_xxs;
    Iq3S = 110 256 32 SIGNED, iq3_s;
    Iq1S = 50 256 32 15, iq1_s;
    Iq1M = 56 256 16 SIGNED, iq1_m;
}

#[inline(always)]
fn iq2_xxs<L: Words>(rows: &mut Rows<L, Iq2Xxs>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    for pair in 0..4 {
        let words = rows.words4(2 + 16 * pair);
        for j in 0..2 {
            let (g, indices, last) = (2 * pair + j, words[2 * j], words[2 * j + 1]);
            sink.set_scales(g, affine(lanes, d, lanes.shift_right(last, 28), [0.25, 0.125]));
            let signs = even_signs(lanes, spread_sevens(lanes, last));
            for half in 0..2 {
                let mut codes = [signs; 2];
                for l in 0..2 {
                    let idx = byte(lanes, indices, 2 * half + l);
                    codes[l] = lanes.look_up(&codebook::IQ2_XXS, idx);
                }
                sink.set_quants(2 * g + half, signed(lanes, &IQ2_VALUES, codes, signs, 2 * half));
            }
        }
    }
}

#[inline(always)]
fn iq2_xs<L: Words>(rows: &mut Rows<L, Iq2Xs>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    set_nibble_scales(lanes, d, rows.last_words2(8), sink);
    for i in 0..4 {
        let pairs = rows.words4(2 + 16 * i);
        for j in 0..4 {
            let first = lanes.and(lanes.shift_right(pairs[j], 9), lanes.spread_int(0x7f));
            let second = lanes.and(lanes.shift_right(pairs[j], 17), lanes.spread_int(0x7f00));
            let signs = even_signs(lanes, lanes.or(first, second));
            let codes = [
                lanes.look_up(&codebook::IQ2_XS, pairs[j]),
                lanes.look_up(&codebook::IQ2_XS, lanes.shift_right(pairs[j], 16)),
            ];
            sink.set_quants(4 * i + j, signed(lanes, &IQ2_VALUES, codes, signs, 0));
        }
    }
}

#[inline(always)]
fn iq2_s<L: Words>(rows: &mut Rows<L, Iq2S>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    let last = rows.words4(66);
    set_nibble_scales(lanes, d, [last[2], last[3]], sink);
    for i in 0..2 {
        let (low, signs) = (rows.words4(2 + 16 * i), rows.words4(34 + 16 * i));
        for j in 0..4 {
            let high = byte(lanes, last[i], j);
            for half in 0..2 {
                let mut codes = [high; 2];
                for l in 0..2 {
                    let of_group = 2 * half + l;
                    let top = lanes.shift_left(high, 8 - 2 * of_group as i32);
                    let idx = index(lanes, low[j], of_group, top, 3);
                    codes[l] = lanes.look_up(&codebook::IQ2_S, idx);
                }
                let quants = signed(lanes, &IQ2_VALUES, codes, signs[j], 2 * half);
                sink.set_quants(8 * i + 2 * j + half, quants);
            }
        }
    }
}

#[inline(always)]
fn iq3_xxs<L: Words>(rows: &mut Rows<L, Iq3Xxs>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    for i in 0..2 {
        let last = rows.words4(66 + 16 * i);
        for pair in 0..2 {
            let indices = rows.words4(2 + 32 * i + 16 * pair);
            for j in 0..2 {
                let (g, last) = (4 * i + 2 * pair + j, last[2 * pair + j]);
                sink.set_scales(g, affine(lanes, d, lanes.shift_right(last, 28), [0.5, 0.25]));
                let signs = even_signs(lanes, spread_sevens(lanes, last));
                for half in 0..2 {
                    let mut fours = [signs; 4];
                    for l in 0..4 {
                        let idx = byte(lanes, indices[2 * j + half], l);
                        fours[l] = lanes.look_up(&codebook::IQ3_XXS, idx);
                    }
                    let codes = join_fours(lanes, fours);
                    let quants = signed(lanes, &IQ3_XXS_VALUES, codes, signs, 2 * half);
                    sink.set_quants(2 * g + half, quants);
                }
            }
        }
    }
}

#[inline(always)]
fn iq3_s<L: Words>(rows: &mut Rows<L, Iq3S>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    let scales = rows.last_word();
    for g in 0..8 {
        let s = bits(lanes, scales, 4 * g, 15);
        sink.set_scales(g, affine(lanes, d, s, [2.0, 1.0]));
    }
    let high = rows.words2(66, 8);
    for i in 0..2 {
        let signs = rows.words4(74 + 16 * i);
        for pair in 0..2 {
            let low = rows.words4(2 + 32 * i + 16 * pair);
            for j in 0..4 {
                let (word, half) = (2 * pair + j / 2, j % 2);
                let high = lanes.shift_right(high[i], (8 * word + 4 * half) as i32);
                let mut fours = low;
                for l in 0..4 {
                    let top = lanes.shift_left(high, 8 - l as i32);
                    fours[l] = lanes.look_up(&codebook::IQ3_S, index(lanes, low[j], l, top, 1));
                }
                let codes = join_fours(lanes, fours);
                let quants = signed(lanes, &IQ3_S_VALUES, codes, signs[word], 2 * half);
                sink.set_quants(8 * i + 4 * pair + j, quants);
            }
        }
    }
}

#[inline(always)]
fn iq1_s<L: Words>(rows: &mut Rows<L, Iq1S>, sink: &mut impl Sink<L>) {
    let (d, lanes) = (rows.f16(0), rows.lanes);
    let last = rows.words4(34);
    for i in 0..2 {
        let low = rows.words4(2 + 16 * i);
        for j in 0..4 {
            let g = 4 * i + j;
            let last = lanes.shift_right(last[g / 2], 16 * (g % 2) as i32);
            let scale = affine(lanes, d, bits(lanes, last, 12, 7), [2.0, 1.0]);
            sink.set_scales(g, scale);
            sink.set_mins(g, affine(lanes, scale, bits(lanes, last, 15, 1), [0.25, 0.875]));
            for half in 0..2 {
                let mut quants = low;
                for l in 0..2 {
                    let of_group = 2 * half + l;
                    // Bits 3 l.. to bits 8..
                    let top = lanes.shift_right(lanes.shift_left(last, 8), 3 * of_group as i32);
                    let idx = index(lanes, low[j], of_group, top, 7);
                    let codes = nibbles(lanes, lanes.look_up(&codebook::IQ1, idx));
                    (quants[2 * l], quants[2 * l + 1]) = (codes[0], codes[1]);
                }
                sink.set_quants(2 * g + half, quants);
            }
        }
    }
}

#[inline(always)]
fn iq1_m<L: Words>(rows: &mut Rows<L, Iq1M>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let last = rows.last_words2(8);
    let first = lanes.or(bits(lanes, last[0], 12, 0xf), bits(lanes, last[0], 24, 0xf0));
    let second = lanes.or(bits(lanes, last[1], 4, 0xf00), bits(lanes, last[1], 16, 0xf000));
    let (d, _) = lanes.f16_pairs(lanes.or(first, second));
    let eighth = lanes.mul(d, lanes.spread(0.125));
    for g in 0..16 {
        let s = bits(lanes, last[g / 8], 16 * (g / 4 % 2) + 3 * (g % 4), 7);
        sink.set_scales(g, affine(lanes, eighth, s, [2.0, 1.0]));
    }
    let high = rows.words4(32);
    for i in 0..2 {
        let low = rows.words4(16 * i);
        for j in 0..8 {
            let part = 8 * i + j;
            let high = byte(lanes, high[part / 4], part % 4);
            let mut codes = [high; 2];
            for l in 0..2 {
                let top = lanes.shift_left(high, 8 - 4 * l as i32);
                let idx = index(lanes, low[j / 2], 2 * (j % 2) + l, top, 7);
                codes[l] = lanes.look_up(&codebook::IQ1, idx);
            }
            // Bit 3 in all bits of the first byte, bit 7 in those of the second.
            let second = lanes.and(lanes.shift_left(high, 1), lanes.spread_int(0x100));
            let is_less = lanes.or(bits(lanes, high, 3, 1), second);
            let signs = lanes.sub_int(lanes.shift_left(is_less, 8), is_less);
            sink.set_quants(part, signed(lanes, &IQ1_M_VALUES, codes, signs, 0));
        }
    }
}

/// `s` of 16 groups, four bits each, of the scales `d (s / 4 + 1/8)`.
#[inline(always)]
fn set_nibble_scales<L: Words>(
    lanes: L,
    d: L::Floats,
    words: [L::Ints; 2],
    sink: &mut impl Sink<L>,
) {
    for g in 0..16 {
        let s = bits(lanes, words[g / 8], 4 * (g % 8), 15);
        sink.set_scales(g, affine(lanes, d, s, [0.25, 0.125]));
    }
}

/// `d (a s + b)`, where nothing is rounded but the last product.
#[inline(always)]
fn affine<L: Words>(lanes: L, d: L::Floats, s: L::Ints, [a, b]: [f32; 2]) -> L::Floats {
    lanes.mul(d, lanes.mul_add(lanes.to_floats(s), lanes.spread(a), lanes.spread(b)))
}

/// Each word from bit `first` on, as far as `mask` goes.
#[inline(always)]
fn bits<L: Words>(lanes: L, words: L::Ints, first: usize, mask: i32) -> L::Ints {
    lanes.and(lanes.shift_right(words, first as i32), lanes.spread_int(mask))
}

/// Byte `i` of each word.
#[inline(always)]
fn byte<L: Words>(lanes: L, words: L::Ints, i: usize) -> L::Ints {
    bits(lanes, words, 8 * i, 255)
}

/// Byte `i` of `low` with the bits of `mask`, moved up by 8, of `top`.
#[inline(always)]
fn index<L: Words>(lanes: L, low: L::Ints, i: usize, top: L::Ints, mask: i32) -> L::Ints {
    lanes.or(byte(lanes, low, i), lanes.and(top, lanes.spread_int(mask << 8)))
}

/// Four times seven bits, to a byte each.
#[inline(always)]
fn spread_sevens<L: Words>(lanes: L, sevens: L::Ints) -> L::Ints {
    let mut bytes = lanes.and(sevens, lanes.spread_int(0x7f));
    for i in 1..4 {
        let moved = lanes.shift_left(sevens, i);
        bytes = lanes.or(bytes, lanes.and(moved, lanes.spread_int(0x7f << (8 * i))));
    }
    bytes
}

/// See `codebook::even_signs`; of every byte.
#[inline(always)]
fn even_signs<L: Words>(lanes: L, sevens: L::Ints) -> L::Ints {
    let halves = lanes.xor(sevens, lanes.shift_right_16(sevens, 4));
    let odd = lanes.spread_16(codebook::ODD_NIBBLES);
    lanes.or(sevens, lanes.pick_bytes(odd, lanes.and(halves, lanes.spread_byte(15))))
}

/// Points of four columns, two by two.
#[inline(always)]
fn join_fours<L: Words>(lanes: L, [a, b, c, d]: [L::Ints; 4]) -> [L::Ints; 2] {
    [lanes.or(a, lanes.shift_left(b, 4)), lanes.or(c, lanes.shift_left(d, 4))]
}

/// The low nibbles of all bytes, and the high ones.
#[inline(always)]
fn nibbles<L: Words>(lanes: L, words: L::Ints) -> [L::Ints; 2] {
    let mask = lanes.spread_byte(15);
    [lanes.and(words, mask), lanes.and(lanes.shift_right_16(words, 4), mask)]
}

/// The sixteen columns of two points, whose signs are bytes `first` and `first + 1` of `signs`.
#[inline(always)]
fn signed<L: Words>(
    lanes: L,
    values: &[i8; 16],
    codes: [L::Ints; 2],
    signs: L::Ints,
    first: usize,
) -> [L::Ints; 4] {
    let values = lanes.spread_16(bytemuck::cast(*values));
    let mut quants = [values; 4];
    for i in 0..2 {
        // Bits `j` and `4 + j` to bits 3 and 7 of byte `j`.
        let signs = byte(lanes, signs, first + i);
        let two = lanes.or(signs, lanes.shift_left(signs, 7));
        let four = lanes.shift_left(lanes.or(two, lanes.shift_left(two, 14)), 3);
        let signs = lanes.and(four, lanes.spread_byte(0x88_u8 as i8));
        let [low, high] = nibbles(lanes, lanes.or(codes[i], signs));
        quants[2 * i] = lanes.pick_bytes(values, low);
        quants[2 * i + 1] = lanes.pick_bytes(values, high);
    }
    quants
}
