//! What a block format is to a table, and what becomes of its values.

use super::block_rows::Rows;
use crate::arch::x86_64::words::Words;

/// What is read at once from a row.
pub(in super::super) trait Block: Sized {
    const BYTES: usize;
}

/// How blocks become integer form. Written once for every width of registers, and for every `Sink`.
pub(in super::super) trait Format: Block {
    /// Columns of a block.
    const LEN: usize;
    /// Columns that share a scale.
    const GROUP: usize;
    /// Quants are `0..=Q_MAX` with mins, or int8 without where it is `int_panel::SIGNED`.
    const Q_MAX: i32;

    /// Hands over one block of each row, its parts in any order, each once.
    fn unpack<L: Words>(rows: &mut Rows<L, Self>, sink: &mut impl Sink<L>);
}

/// Declares formats, each by `BYTES`, `LEN`, `GROUP`, `Q_MAX` and a function that unpacks.
macro_rules! formats {
    ($($Name:ident =
        $bytes:literal $len:literal $group:literal $q_max:expr, $unpack:ident;)*) => {$(
        pub(in super::super) struct $Name;

        impl Block for $Name {
            const BYTES: usize = $bytes;
        }

        impl Format for $Name {
            const LEN: usize = $len;
            const GROUP: usize = $group;
            const Q_MAX: i32 = $q_max;

            #[inline(always)]
            fn unpack<L: Words>(rows: &mut Rows<L, Self>, sink: &mut impl Sink<L>) {
                $unpack(rows, sink);
            }
        }
    )*};
}
pub(super) use formats;

/// Takes one block in integer form, a row in each lane.
pub(in super::super) trait Sink<L: Words> {
    /// Columns `PART * part..PART * (part + 1)`, four to a register.
    fn set_quants(&mut self, part: usize, quants: [L::Ints; 4]);
    fn set_scales(&mut self, g: usize, scales: L::Floats);
    fn set_mins(&mut self, g: usize, mins: L::Floats);
}

/// Columns that `words4` reads, and so the fewest that a `Sink` takes.
pub(super) const PART: usize = 16;
