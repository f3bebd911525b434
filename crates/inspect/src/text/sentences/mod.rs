//! Sentences: lines into blocks, blocks at their full stops, and what is left at clauses.

mod abbreviations;
mod blocks;
mod clauses;
mod stops;

use std::ops::Range;

use blocks::BlockKind;

/// The byte ranges of the sentences of `text`: in order, disjoint, and together all of it that is
/// no white space.
///
/// Headings, items of lists, rows of tables and lines of code are sentences of their own; a line
/// that is only wrapped is not. What goes on for more than 200 words or 4096 bytes without an end
/// is divided between clauses. The rules for abbreviations are those of English.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let sentences = blocks::blocks(text).into_iter().flat_map(|block| match block.kind {
        BlockKind::Prose => stops::divide(text, block.bytes),
        BlockKind::Whole => vec![block.bytes],
    });
    sentences.flat_map(|sentence| clauses::divide(text, sentence)).collect()
}

#[cfg(test)]
mod tests;
