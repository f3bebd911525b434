//! Formats of 4-bit floats; the layouts are those of `block/`.

use super::block_rows::Rows;
use super::format::{Block, Format, Sink, formats};
use super::small_blocks::{nibbles, set_picked};
use crate::arch::x86_64::int_panel::SIGNED;
use crate::arch::x86_64::words::Words;
use crate::block::{mxfp4, nvfp4};

formats! {
    Mxfp4 = 17 32 32 SIGNED, mxfp4;
    Nvfp4 = 36 64 16 SIGNED, nvfp4;
}

#[inline(always)]
fn mxfp4<L: Words>(rows: &mut Rows<L, Mxfp4>, sink: &mut impl Sink<L>) {
    let (e, lanes) = (rows.byte(0), rows.lanes);
    // 2^(e - 128), in two factors: the least are subnormal.
    let low = lanes.shift_right(e, 1);
    let power = |e| lanes.as_floats(lanes.shift_left(lanes.add_int(e, lanes.spread_int(63)), 23));
    sink.set_scales(0, lanes.mul(power(low), power(lanes.sub_int(e, low))));
    set_picked(rows, 1, mxfp4::DOUBLED, sink, 0);
}

#[inline(always)]
fn nvfp4<L: Words>(rows: &mut Rows<L, Nvfp4>, sink: &mut impl Sink<L>) {
    let lanes = rows.lanes;
    let codes = rows.words(0);
    // Zero where all seven bits are set and the eighth is not.
    let others = lanes.xor(codes, lanes.spread_byte(0x7f));
    let is_other = lanes.min_bytes(others, lanes.spread_byte(1));
    let mut codes = lanes.and(codes, lanes.sub_bytes(lanes.spread_int(0), is_other));
    for g in 0..4 {
        let bits = lanes.and(codes, lanes.spread_int(0x7f));
        let scale = lanes.as_floats(lanes.shift_left(bits, 20));
        sink.set_scales(g, lanes.mul(scale, lanes.spread(nvfp4::SCALE_UNIT)));
        codes = lanes.shift_right(codes, 8);
    }
    let values = lanes.spread_16(bytemuck::cast(mxfp4::DOUBLED));
    for half in 0..2 {
        let (low, high) = nibbles(rows, 4 + 16 * half);
        for g in 0..2 {
            let indices = [low[2 * g], low[2 * g + 1], high[2 * g], high[2 * g + 1]];
            let mut quants = indices;
            for k in 0..4 {
                quants[k] = lanes.pick_bytes(values, indices[k]);
            }
            sink.set_quants(2 * half + g, quants);
        }
    }
}
