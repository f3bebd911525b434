//! The text of prompt and answer as its tokens, its sentences and its messages.

use std::ops::Range;

use crate::text::{Segments, TokenText, Unit};

/// The text of each token: together they are the whole text. A character that tokens share is the
/// first one's.
pub fn pieces(text: &TokenText) -> Vec<&str> {
    let mut end = 0;
    let piece = |token: &Range<usize>| {
        let start = token.start.max(end);
        end = token.end.max(start);
        &text.text()[start..end]
    };
    text.tokens().iter().map(piece).collect()
}

/// The tokens of each sentence among some tokens.
pub fn sentences(text: &TokenText, tokens: Range<usize>) -> Vec<Range<usize>> {
    let segments = Segments::new(text, tokens, Unit::Sentence);
    segments.segments().iter().map(|segment| segment.tokens.clone()).collect()
}

/// Where texts that follow each other lie, in tokens; `None`: a template left one out or changed
/// it.
pub fn contents<'a>(
    text: &TokenText,
    contents: impl IntoIterator<Item = &'a str>,
) -> Vec<Option<Range<usize>>> {
    let mut from = 0;
    let find = |content: &str| {
        let content = content.trim();
        let start = from + text.text()[from..].find(content).filter(|_| !content.is_empty())?;
        from = start + content.len();
        text.span(start..from).ok().map(|span| span.tokens)
    };
    contents.into_iter().map(find).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(tokens: &[&[u8]]) -> TokenText {
        TokenText::new(tokens.iter().copied())
    }

    #[test]
    fn pieces_are_the_text() {
        let check = |tokens: &[&[u8]], expected: &[&str]| {
            let text = text(tokens);
            assert_eq!(pieces(&text), expected);
            assert_eq!(pieces(&text).concat(), text.text());
        };
        check(&[b"a", b" b"], &["a", " b"]);
        check(&[b"\xf0\x9f", b"\xa6\x99", b"!"], &["🦙", "", "!"]);
        check(&[b"x\xc3", b"\xa9y"], &["xé", "y"]);
        check(&[b"", b"a", b""], &["", "a", ""]);
        check(&[], &[]);
    }

    #[test]
    fn contents_follow_each_other() {
        let text = text(&[b"[", b"a b", b"]", b"[", b"a", b" b", b"]"]);
        assert_eq!(contents(&text, ["a b", "a b ", "a b"]), [Some(1..2), Some(4..6), None]);
        assert_eq!(contents(&text, ["", "none", "b"]), [None, None, Some(1..2)]);
    }
}
