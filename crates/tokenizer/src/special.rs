//! Finds tokens that are cut out of the text before the model's own algorithm runs.

use aho_corasick::{AhoCorasick, MatchKind};

use crate::error::Error;

/// Whether white space beside a special token belongs to it. Only `tokenizer.json` says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Strip {
    pub(crate) left: bool,
    pub(crate) right: bool,
    /// The token must not touch a letter or a digit.
    pub(crate) single_word: bool,
}

/// Text between special tokens, or one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segment<'t> {
    Text(&'t str),
    Token(u32),
}

/// A set of special tokens: the leftmost match wins, and of those the longest.
#[derive(Debug)]
pub(crate) struct Specials {
    matcher: AhoCorasick,
    tokens: Vec<SpecialToken>,
}

#[derive(Clone, Debug)]
pub(crate) struct SpecialToken {
    pub(crate) text: String,
    pub(crate) id: u32,
    pub(crate) strip: Strip,
}

impl Specials {
    pub(crate) fn new(mut tokens: Vec<SpecialToken>) -> Result<Self, Error> {
        tokens.retain(|token| !token.text.is_empty());
        let matcher = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(tokens.iter().map(|token| &token.text))
            .map_err(|source| Error::SpecialTokens { source })?;
        Ok(Self { matcher, tokens })
    }

    /// Calls `use_segment` for the stretches of `text` in order; no text is empty.
    pub(crate) fn split<'t>(&self, text: &'t str, mut use_segment: impl FnMut(Segment<'t>)) {
        let mut done = 0;
        for found in self.matcher.find_iter(text) {
            let token = &self.tokens[found.pattern().as_usize()];
            if found.start() < done || !token.strip.allows(text, found.start(), found.end()) {
                continue;
            }
            let before = &text[done..found.start()];
            let before = if token.strip.left { before.trim_end() } else { before };
            if !before.is_empty() {
                use_segment(Segment::Text(before));
            }
            use_segment(Segment::Token(token.id));
            let after = &text[found.end()..];
            let n_stripped =
                if token.strip.right { after.len() - after.trim_start().len() } else { 0 };
            done = found.end() + n_stripped;
        }
        if done < text.len() {
            use_segment(Segment::Text(&text[done..]));
        }
    }

    /// The first special token at or after `start`: where it lies, and its text.
    pub(crate) fn find_bytes(&self, text: &[u8], start: usize) -> Option<(usize, &str)> {
        let found = self.matcher.find(aho_corasick::Input::new(text).range(start..))?;
        Some((found.start(), &self.tokens[found.pattern().as_usize()].text))
    }

    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|token| token.text.as_str())
    }
}

impl Strip {
    fn allows(self, text: &str, start: usize, end: usize) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_';
        let touches = text[..start].ends_with(is_word) || text[end..].starts_with(is_word);
        !(self.single_word && touches)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[Segment<'_>]) {
        let token = |text: &str, id, strip| SpecialToken { text: text.to_owned(), id, strip };
        let specials = Specials::new(vec![
            token("<a>", 1, Strip::default()),
            token("<a><b>", 2, Strip::default()),
            token("<r>", 3, Strip { right: true, ..Strip::default() }),
            token("<l>", 4, Strip { left: true, ..Strip::default() }),
            token("word", 5, Strip { single_word: true, ..Strip::default() }),
            token("", 6, Strip::default()),
        ]);
        let mut segments = Vec::new();
        specials.unwrap().split(text, |segment| segments.push(segment));
        assert_eq!(segments, expected);
    }

    #[test]
    fn longest_token_at_the_leftmost_place() {
        use Segment::{Text, Token};
        check("", &[]);
        check("x <a><b> y", &[Text("x "), Token(2), Text(" y")]);
        check("<a><a>", &[Token(1), Token(1)]);
        check(" <r> \n y <l>z", &[Text(" "), Token(3), Text("y"), Token(4), Text("z")]);
        check("words word", &[Text("words "), Token(5)]);
    }
}
