//! Formats whose columns are points of a grid, four or eight together: a table of the grid's points
//! and a table of what the coordinates stand for.
//!
//! A point is a word of codes, four bits each: columns 0 to 3 in the low nibbles of its bytes,
//! columns 4 to 7 in the high ones. The fourth bit of a code is a column's sign, so that 16 values
//! say what all codes are.

use super::grids;

/// IQ2_XXS, IQ2_XS and IQ2_S.
pub(crate) const IQ2_VALUES: [i8; 16] = with_signs([8, 25, 43, 0, 0, 0, 0, 0]);
pub(crate) const IQ3_XXS_VALUES: [i8; 16] = with_signs([4, 12, 20, 28, 36, 44, 52, 62]);
pub(crate) const IQ3_S_VALUES: [i8; 16] = with_signs([1, 3, 5, 7, 9, 11, 13, 15]);
/// Eight times -1, 0 and 1, and one more or, for the second half, one less.
pub(crate) const IQ1_M_VALUES: [i8; 16] = [-7, 1, 9, 0, 0, 0, 0, 0, -9, -1, 7, 0, 0, 0, 0, 0];

pub(crate) static IQ2_XXS: [u32; 256] = eights(&grids::IQ2_XXS);
pub(crate) static IQ2_XS: [u32; 512] = eights(&grids::IQ2_XS);
pub(crate) static IQ2_S: [u32; 1024] = eights(&grids::IQ2_S);
pub(crate) static IQ3_XXS: [u32; 256] = fours(&grids::IQ3_XXS);
pub(crate) static IQ3_S: [u32; 512] = fours(&grids::IQ3_S);
/// IQ1_S and IQ1_M.
pub(crate) static IQ1: [u32; 2048] = eights(&grids::IQ1);

const fn with_signs(magnitudes: [i8; 8]) -> [i8; 16] {
    let mut values = [0; 16];
    let mut i = 0;
    while i < 8 {
        (values[i], values[i + 8]) = (magnitudes[i], -magnitudes[i]);
        i += 1;
    }
    values
}

/// Points of eight columns of two bits.
const fn eights<const N: usize>(grid: &[u16; N]) -> [u32; N] {
    let mut points = [0; N];
    let mut i = 0;
    while i < 8 * N {
        let (point, col) = (i / 8, i % 8);
        let code = grid[point] as u32 >> (2 * col) & 3;
        points[point] |= code << (8 * (col % 4) + 4 * (col / 4));
        i += 1;
    }
    points
}

/// Points of four columns of three bits.
const fn fours<const N: usize>(grid: &[u16; N]) -> [u32; N] {
    let mut points = [0; N];
    let mut i = 0;
    while i < 4 * N {
        let (point, col) = (i / 4, i % 4);
        points[point] |= (grid[point] as u32 >> (3 * col) & 7) << (8 * col);
        i += 1;
    }
    points
}

/// Whether the number of bits in a nibble is odd, as bit 7.
pub(crate) const ODD_NIBBLES: [u8; 16] =
    [0, 0x80, 0x80, 0, 0x80, 0, 0, 0x80, 0x80, 0, 0, 0x80, 0, 0x80, 0x80, 0];

/// Eight bits for the seven that are stored: an even number of signs is negative.
#[inline(always)]
pub(super) fn even_signs(seven: u8) -> u8 {
    let seven = seven & 0x7f;
    seven | (seven.count_ones() as u8 & 1) << 7
}

/// Values of eight columns; bit `j` of `signs` is the sign of column `j`.
#[inline(always)]
pub(super) fn unpack_signed(codes: u32, signs: u8, values: &[i8; 16], q: &mut [u8; 8]) {
    for (j, q) in q.iter_mut().enumerate() {
        let code = code(codes, j) | (signs >> j & 1) << 3;
        *q = values[usize::from(code)] as u8;
    }
}

/// The code of column `j`.
#[inline(always)]
pub(super) fn code(codes: u32, j: usize) -> u8 {
    (codes >> (8 * (j % 4) + 4 * (j / 4)) & 15) as u8
}

/// The little-endian word at byte `at`.
#[inline(always)]
pub(super) fn word_at(block: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*block[at..].first_chunk().expect("4 bytes"))
}

/// Nibble `i` from byte `at` on.
#[inline(always)]
pub(super) fn nibble_at(block: &[u8], at: usize, i: usize) -> u8 {
    block[at + i / 2] >> (4 * (i % 2)) & 15
}
