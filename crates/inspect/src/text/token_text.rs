//! `TokenText`: a text made of tokens, and which of them hold a part of it.

use std::ops::Range;

use serde::Serialize;

/// The text that a row of tokens spells, and where in it each of them lies.
///
/// A token is bytes, and may hold a part of a character only: the character then belongs to all
/// tokens that its bytes are split over, so their ranges overlap. Bytes that are no UTF-8 become
/// U+FFFD.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenText {
    text: String,
    tokens: Vec<Range<usize>>,
}

/// The tokens that hold a part of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Span {
    pub tokens: Range<usize>,
    /// The tokens hold more than was asked for, white space aside: what is measured over them is
    /// not about the part alone.
    pub is_widened: bool,
}

/// Why a part of a text cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpanError {
    #[error("the span {start}..{end} is empty: name at least one byte of the text")]
    Empty { start: usize, end: usize },
    #[error("the span {start}..{end} leaves the text: expected an end of at most {n_bytes}")]
    OutOfRange { start: usize, end: usize, n_bytes: usize },
    #[error("the span {start}..{end} cuts a character: expected byte offsets of whole characters")]
    CutsCharacter { start: usize, end: usize },
    #[error("an empty text cannot be looked for: name at least one character")]
    EmptyNeedle,
    #[error("the text does not hold {needle:?}")]
    Absent { needle: String },
    #[error(
        "the text holds {needle:?} {n_found} times: number {nth}, counted from 0, is not there"
    )]
    NotFound { needle: String, n_found: usize, nth: usize },
    #[error("the text has {word:?} as a whole word {n_found} times")]
    NoWord { word: String, n_found: usize },
}

/// Longer texts are shortened in messages.
const N_SHOWN_CHARS_MAX: usize = 60;

impl SpanError {
    /// A text that is not there at all.
    pub(crate) fn not_found(needle: &str) -> Self {
        Self::Absent { needle: needle.chars().take(N_SHOWN_CHARS_MAX).collect() }
    }

    pub(super) fn no_word(word: &str, n_found: usize) -> Self {
        Self::NoWord { word: word.chars().take(N_SHOWN_CHARS_MAX).collect(), n_found }
    }
}

impl TokenText {
    /// From the bytes of the tokens, in order.
    pub fn new<'a>(tokens: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for token in tokens {
            bytes.extend_from_slice(token);
            ends.push(bytes.len());
        }
        let (text, edges) = decode(&bytes, &ends);
        let mut before = Edge { floor: 0, ceil: 0 };
        let tokens = edges.into_iter().zip(&ends).scan(0, |start, (edge, &end)| {
            let is_empty = *start == end;
            let range = before.floor..if is_empty { before.floor } else { edge.ceil };
            (before, *start) = (edge, end);
            Some(range)
        });
        let tokens = tokens.collect();
        Self { text, tokens }
    }

    pub fn text(&self) -> &str {
        &self.text
    }

    pub fn n_tokens(&self) -> usize {
        self.tokens.len()
    }

    /// The bytes of the text that each token spells or helps to spell.
    pub fn tokens(&self) -> &[Range<usize>] {
        &self.tokens
    }

    /// The bytes that a range of tokens spells; empty for an empty range.
    pub fn bytes(&self, tokens: Range<usize>) -> Range<usize> {
        let tokens = &self.tokens[tokens];
        match (tokens.first(), tokens.iter().map(|token| token.end).max()) {
            (Some(first), Some(end)) => first.start..end,
            _ => 0..0,
        }
    }

    /// The tokens that hold `bytes` of the text.
    pub fn span(&self, bytes: Range<usize>) -> Result<Span, SpanError> {
        let Range { start, end } = bytes;
        let n_bytes = self.text.len();
        if start >= end {
            return Err(SpanError::Empty { start, end });
        }
        if end > n_bytes {
            return Err(SpanError::OutOfRange { start, end, n_bytes });
        }
        if !self.text.is_char_boundary(start) || !self.text.is_char_boundary(end) {
            return Err(SpanError::CutsCharacter { start, end });
        }
        let holds = |token: &Range<usize>| token.start < end && start < token.end;
        let first = self.tokens.iter().position(holds);
        let last = self.tokens.iter().rposition(holds);
        let (first, last) = first.zip(last).expect("every byte of the text is of a token");
        let held = self.bytes(first..last + 1);
        let is_more = |range: Range<usize>| !self.text[range].trim().is_empty();
        let is_widened = is_more(held.start..start) || is_more(end..held.end);
        Ok(Span { tokens: first..last + 1, is_widened })
    }

    /// The bytes of occurrence `nth` of `needle`, counted from 0. Occurrences do not overlap.
    pub fn find(&self, needle: &str, nth: usize) -> Result<Range<usize>, SpanError> {
        if needle.is_empty() {
            return Err(SpanError::EmptyNeedle);
        }
        let found = self.text.match_indices(needle).nth(nth);
        let found = found.map(|(start, _)| start..start + needle.len());
        found.ok_or_else(|| match self.text.matches(needle).count() {
            0 => SpanError::not_found(needle),
            n_found => SpanError::NotFound {
                needle: needle.chars().take(N_SHOWN_CHARS_MAX).collect(),
                n_found,
                nth,
            },
        })
    }
}

/// Where a border between two tokens lies in the text: in one place, or around the character that
/// it cuts.
#[derive(Clone, Copy)]
struct Edge {
    floor: usize,
    ceil: usize,
}

/// The text of `bytes`, and where in it the offsets `borders`, which ascend, came to lie.
fn decode(bytes: &[u8], borders: &[usize]) -> (String, Vec<Edge>) {
    let mut text = String::with_capacity(bytes.len());
    let mut edges = Vec::with_capacity(borders.len());
    let mut borders = borders.iter().copied().peekable();
    let mut start = 0;
    for chunk in bytes.utf8_chunks() {
        let (valid, invalid) = (chunk.valid(), chunk.invalid());
        while let Some(border) = borders.next_if(|&border| border < start + valid.len()) {
            let offset = border - start;
            edges.push(Edge {
                floor: text.len() + valid.floor_char_boundary(offset),
                ceil: text.len() + valid.ceil_char_boundary(offset),
            });
        }
        start += valid.len();
        text.push_str(valid);
        let floor = text.len();
        if !invalid.is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
        while let Some(border) = borders.next_if(|&border| border < start + invalid.len()) {
            edges.push(Edge { floor, ceil: if border == start { floor } else { text.len() } });
        }
        start += invalid.len();
    }
    edges.extend(borders.map(|_| Edge { floor: text.len(), ceil: text.len() }));
    (text, edges)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token_text(tokens: &[&[u8]]) -> TokenText {
        TokenText::new(tokens.iter().copied())
    }

    #[track_caller]
    fn check_tokens(tokens: &[&[u8]], text: &str, expected: &[Range<usize>]) {
        let found = token_text(tokens);
        assert_eq!((found.text(), found.tokens()), (text, expected));
    }

    #[test]
    fn a_character_belongs_to_all_its_tokens() {
        check_tokens(&[], "", &[]);
        check_tokens(&[b"a", b" bc"], "a bc", &[0..1, 1..4]);
        check_tokens(&[b"a\xc3", b"\xa9b"], "aéb", &[0..3, 1..4]);
        check_tokens(&[b"\xf0", b"\x9f\x98", b"\x80"], "😀", &[0..4, 0..4, 0..4]);
        check_tokens(&[b"", b"a", b""], "a", &[0..0, 0..1, 1..1]);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        check_tokens(&[b"a", b"\xff", b"b"], "a\u{fffd}b", &[0..1, 1..4, 4..5]);
        check_tokens(&[b"\xe2\x82", b"b"], "\u{fffd}b", &[0..3, 3..4]);
        check_tokens(&[b"\xe2", b"\x82"], "\u{fffd}", &[0..3, 0..3]);
        check_tokens(&[b"\xff\xff", b""], "\u{fffd}\u{fffd}", &[0..6, 6..6]);
    }

    #[track_caller]
    fn check_span(bytes: Range<usize>, expected: Result<(Range<usize>, bool), SpanError>) {
        // 0 "The", 3 " Lis", 7 "bon", 10 " caf", 14 half of é and 14..16, 16 "."
        let text = token_text(&[b"The", b" Lis", b"bon", b" caf", b"\xc3", b"\xa9."]);
        let found = text.span(bytes).map(|span| (span.tokens, span.is_widened));
        assert_eq!(found, expected);
    }

    #[test]
    fn white_space_of_a_token_is_no_widening() {
        check_span(0..3, Ok((0..1, false)));
        check_span(4..10, Ok((1..3, false)));
        check_span(3..4, Ok((1..2, true)));
        check_span(5..10, Ok((1..3, true)));
        check_span(4..6, Ok((1..2, true)));
    }

    #[test]
    fn a_split_character_takes_all_its_tokens() {
        check_span(14..16, Ok((4..6, true)));
        check_span(11..16, Ok((3..6, true)));
        check_span(11..17, Ok((3..6, false)));
        check_span(16..17, Ok((5..6, true)));
    }

    #[test]
    fn spans_outside_of_the_text_are_refused() {
        check_span(3..3, Err(SpanError::Empty { start: 3, end: 3 }));
        check_span(16..18, Err(SpanError::OutOfRange { start: 16, end: 18, n_bytes: 17 }));
        check_span(14..15, Err(SpanError::CutsCharacter { start: 14, end: 15 }));
    }

    #[track_caller]
    fn check_find(needle: &str, nth: usize, expected: Result<Range<usize>, &str>) {
        let found = token_text(&[b"to be or", b" not to be"]).find(needle, nth);
        assert_eq!(found.map_err(|e| e.to_string()), expected.map_err(str::to_owned));
    }

    #[test]
    fn texts_are_found_by_number() {
        check_find("to be", 0, Ok(0..5));
        check_find("to be", 1, Ok(13..18));
        check_find("", 0, Err("an empty text cannot be looked for: name at least one character"));
        let message = "the text holds \"be\" 2 times: number 2, counted from 0, is not there";
        check_find("be", 2, Err(message));
        check_find("been", 0, Err("the text does not hold \"been\""));
    }

    proptest! {
        #[test]
        fn tokens_cover_the_text_that_their_bytes_spell(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                "[aé漢😀 ]{0,20}".prop_map(String::into_bytes),
            ],
            cuts in prop::collection::vec(0usize..40, 0..12),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
            cuts.extend([0, bytes.len()]);
            cuts.sort_unstable();
            let found = TokenText::new(cuts.windows(2).map(|cut| &bytes[cut[0]..cut[1]]));
            prop_assert_eq!(found.text(), String::from_utf8_lossy(&bytes));
            let mut end = 0;
            for token in found.tokens().iter().filter(|token| !token.is_empty()) {
                prop_assert!(found.text().get(token.clone()).is_some(), "cuts a character");
                prop_assert!(token.start <= end, "leaves a gap");
                end = end.max(token.end);
            }
            prop_assert_eq!(end, found.text().len());
        }
    }
}
