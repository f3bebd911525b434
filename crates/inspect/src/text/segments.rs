//! Tokens divided by what readers read: words, sentences, paragraphs.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{TokenText, paragraphs, sentences, words};

/// What a text is divided into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    Token,
    Word,
    Sentence,
    Paragraph,
}

/// A word, a sentence, a paragraph, and the tokens that are counted as its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segment {
    pub bytes: Range<usize>,
    /// Never empty.
    pub tokens: Range<usize>,
}

/// A partition of tokens.
///
/// A token that reaches over two segments belongs to the one that holds most of its bytes that are
/// no white space, of equal ones to the first. A segment that gets no token that way is joined to
/// the one that has its first token. Tokens between segments belong to none: white space, and
/// punctuation where the segments are words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Segments {
    tokens: Range<usize>,
    segments: Vec<Segment>,
    segment_of_token: Vec<Option<u32>>,
}

impl Segments {
    /// Divides the text of `tokens` alone: what stands around them is not read.
    pub fn new(text: &TokenText, tokens: Range<usize>, unit: Unit) -> Self {
        assert!(tokens.start <= tokens.end, "a range of tokens ends after it starts");
        assert!(tokens.end <= text.n_tokens(), "tokens are those of the text");
        let bytes = text.bytes(tokens.clone());
        let inside = &text.text()[bytes.clone()];
        let ranges = match unit {
            Unit::Token => return Self::of_tokens(text, tokens),
            Unit::Word => words(inside),
            Unit::Sentence => sentences(inside),
            Unit::Paragraph => paragraphs(inside),
        };
        let shift = |range: Range<usize>| range.start + bytes.start..range.end + bytes.start;
        let ranges: Vec<Range<usize>> = ranges.into_iter().map(shift).collect();
        let segments = claim(text, tokens.clone(), &ranges);
        let mut segment_of_token = vec![None; tokens.len()];
        for (idx, segment) in (0..).zip(&segments) {
            let own = segment.tokens.start - tokens.start..segment.tokens.end - tokens.start;
            segment_of_token[own].fill(Some(idx));
        }
        Self { tokens, segments, segment_of_token }
    }

    fn of_tokens(text: &TokenText, tokens: Range<usize>) -> Self {
        let segment =
            |idx: usize| Segment { bytes: text.tokens()[idx].clone(), tokens: idx..idx + 1 };
        Self {
            segments: tokens.clone().map(segment).collect(),
            segment_of_token: (0..).take(tokens.len()).map(Some).collect(),
            tokens,
        }
    }

    /// The tokens that were divided.
    pub fn tokens(&self) -> Range<usize> {
        self.tokens.clone()
    }

    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment of each token of [`Segments::tokens`], by its place among them.
    pub fn segment_of_token(&self) -> &[Option<u32>] {
        &self.segment_of_token
    }
}

/// The segments of `ranges`, which ascend and do not overlap, with their tokens.
fn claim(text: &TokenText, tokens: Range<usize>, ranges: &[Range<usize>]) -> Vec<Segment> {
    let mut claimed: Vec<Option<Segment>> = vec![None; ranges.len()];
    // The first token that holds a part of each range, and whose that token became.
    let mut owners: Vec<Option<usize>> = vec![None; ranges.len()];
    let mut first = 0;
    for token in tokens {
        let bytes = &text.tokens()[token];
        first += ranges[first..].iter().take_while(|range| range.end <= bytes.start).count();
        let overlaps = ranges[first..].iter().take_while(|range| range.start < bytes.end);
        let overlaps = first..first + overlaps.count();
        let n_held = |idx: usize| {
            let range = &ranges[idx];
            let held = range.start.max(bytes.start)..range.end.min(bytes.end);
            text.text()[held].chars().filter(|c| !c.is_whitespace()).map(char::len_utf8).sum()
        };
        let held =
            overlaps.map(|idx| (idx, n_held(idx))).filter(|&(_, n_held): &(_, usize)| n_held > 0);
        let held: Vec<(usize, usize)> = held.collect();
        let Some(n_most) = held.iter().map(|&(_, n_held)| n_held).max() else { continue };
        let owner = held.iter().find(|&&(_, n_held)| n_held == n_most).map(|&(idx, _)| idx);
        for &(idx, _) in &held {
            owners[idx] = owners[idx].or(owner);
        }
        if let Some(owner) = owner {
            let bytes = ranges[owner].clone();
            let segment = claimed[owner].get_or_insert(Segment { bytes, tokens: token..token });
            segment.tokens.end = token + 1;
        }
    }
    let unclaimed = (0..ranges.len()).filter(|&idx| claimed[idx].is_none());
    for idx in unclaimed.collect::<Vec<_>>() {
        if let Some(segment) = owners[idx].and_then(|owner| claimed[owner].as_mut()) {
            let bytes = &segment.bytes;
            segment.bytes = bytes.start.min(ranges[idx].start)..bytes.end.max(ranges[idx].end);
        }
    }
    claimed.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn token_text(tokens: &[&str]) -> TokenText {
        TokenText::new(tokens.iter().map(|token| token.as_bytes()))
    }

    /// `expected`: the text of each segment, and the tokens that are its own.
    #[track_caller]
    fn check(tokens: &[&str], unit: Unit, expected: &[(&str, Range<usize>)]) {
        let text = token_text(tokens);
        let found = Segments::new(&text, 0..tokens.len(), unit);
        let segments = found.segments().iter();
        let segments = segments.map(|s| (&text.text()[s.bytes.clone()], s.tokens.clone()));
        assert_eq!(segments.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn white_space_and_punctuation_between_words_are_of_no_segment() {
        let tokens = &["The", " cat", ",", "\n", " Ann", "'s", "."];
        check(tokens, Unit::Word, &[("The", 0..1), ("cat", 1..2), ("Ann's", 4..6)]);
        check(&["a", " "], Unit::Token, &[("a", 0..1), (" ", 1..2)]);
    }

    #[test]
    fn a_token_over_two_segments_is_of_the_larger_part() {
        let tokens = &["It rains", ". Stay", " in.", "\n\n", "Go", "."];
        let sentences = &[("It rains.", 0..1), ("Stay in.", 1..3), ("Go.", 4..6)];
        check(tokens, Unit::Sentence, sentences);
        check(tokens, Unit::Paragraph, &[("It rains. Stay in.", 0..3), ("Go.", 4..6)]);
    }

    #[test]
    fn a_segment_without_a_token_is_joined_to_the_owner_of_its_own() {
        check(&["Yes. No. ", "Go."], Unit::Sentence, &[("Yes. No.", 0..1), ("Go.", 1..2)]);
        check(&["a bc d"], Unit::Word, &[("a bc d", 0..1)]);
    }

    #[test]
    fn only_the_tokens_asked_for_are_divided() {
        let text = token_text(&["<s>", "One", " two", ".", " Three", "</s>"]);
        let found = Segments::new(&text, 1..5, Unit::Sentence);
        assert_eq!(found.segment_of_token(), [Some(0), Some(0), Some(0), Some(1)]);
        assert_eq!(found.segments()[1].tokens, 4..5);
        assert_eq!(Segments::new(&text, 2..2, Unit::Sentence).segments(), []);
    }

    proptest! {
        #[test]
        fn segments_are_a_partition(
            tokens in prop::collection::vec("[ab漢é .,\n]{0,5}", 0..20),
            unit in prop::sample::select(vec![Unit::Word, Unit::Sentence, Unit::Paragraph]),
        ) {
            let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
            let text = token_text(&tokens);
            let found = Segments::new(&text, 0..tokens.len(), unit);
            let (mut byte, mut token) = (0, 0);
            for (idx, segment) in (0..).zip(found.segments()) {
                prop_assert!(byte <= segment.bytes.start && token <= segment.tokens.start);
                prop_assert!(!segment.bytes.is_empty() && !segment.tokens.is_empty());
                for own in segment.tokens.clone() {
                    prop_assert_eq!(found.segment_of_token()[own], Some(idx));
                }
                (byte, token) = (segment.bytes.end, segment.tokens.end);
            }
            let n_owned: usize = found.segments().iter().map(|s| s.tokens.len()).sum();
            prop_assert_eq!(n_owned, found.segment_of_token().iter().flatten().count());
            // Whatever is no white space is in a segment, but for punctuation beside words.
            let is_held = |byte| found.segments().iter().any(|s| s.bytes.contains(&byte));
            for (byte, c) in text.text().char_indices() {
                let must_be = unit != Unit::Word && !c.is_whitespace() || c.is_alphanumeric();
                prop_assert!(!must_be || is_held(byte));
            }
        }
    }
}
