//! A text as its readers divide it: a model into tokens, people into words, sentences, mentions.
//!
//! All places are byte ranges of the text; [`TokenText`] says which tokens hold them.

pub(crate) mod calendar;
mod mentions;
mod paragraphs;
mod segments;
mod sentences;
mod token_text;
mod words;

pub use mentions::{Mention, MentionKind, Pronoun, mentions};
pub use paragraphs::paragraphs;
pub use segments::{Segment, Segments, Unit};
pub use sentences::sentences;
pub use token_text::{Span, SpanError, TokenText};
pub use words::{find_word, words};

use std::ops::Range;

/// `range` without the white space at its ends: empty, at its start, where there is nothing else.
fn trim(text: &str, range: Range<usize>) -> Range<usize> {
    let inside = &text[range.clone()];
    let start = range.start + (inside.len() - inside.trim_start().len());
    let end = range.start + inside.trim_end().len();
    if start < end { start..end } else { range.start..range.start }
}
