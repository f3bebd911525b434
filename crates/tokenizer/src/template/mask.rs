//! Keeps what people write apart from what the template writes.
//!
//! Rendering joins both into one text, and a message that mentions `<|im_end|>` would then end
//! its own turn. So before rendering, the characters of the messages that could begin a control
//! token are replaced, one for one, by private characters which occur nowhere in the conversation.
//! Control tokens still found in the rendered text are the template's own; in the text between
//! them the characters are put back.
//!
//! Templates look into messages too (`'</think>' in content`). A stretch that equals a string
//! of the template itself is therefore left as it is, unless it holds a control token.

use super::conversation::Conversation;
use crate::error::Error;
use crate::special::Specials;

/// The private planes 15 and 16, in blocks of one ASCII alphabet each.
const PRIVATE_START: u32 = 0xF_0000;
const BLOCK_LEN: u32 = 128;
const N_BLOCKS: usize = 1024;

/// Never part of UTF-8: marks a byte that is to be replaced.
const MARK: u8 = 0xFF;

pub(super) struct Mask<'a> {
    control: &'a Specials,
    /// Strings of the template that hold a character with which a control token begins.
    literals: Vec<String>,
    /// `[256]`: the punctuation with which control tokens begin.
    is_opening: [bool; 256],
    /// The ASCII character `c` is replaced by `base + c`.
    base: u32,
}

impl<'a> Mask<'a> {
    pub(super) fn new(
        control: &'a Specials,
        template_source: &str,
        conversation: &Conversation,
    ) -> Result<Self, Error> {
        let mut is_opening = [false; 256];
        for text in control.texts() {
            if let Some(byte) = text.bytes().next().filter(u8::is_ascii_punctuation) {
                is_opening[usize::from(byte)] = true;
            }
        }
        let mut literals = string_literals(template_source);
        literals.retain(|literal| literal.bytes().any(|byte| is_opening[usize::from(byte)]));
        let base = free_block(template_source, conversation)?;
        Ok(Self { control, literals, is_opening, base })
    }

    /// The text with nothing left in it that could be taken for a control token.
    pub(super) fn hide(&self, text: &str) -> String {
        let mut marked = text.as_bytes().to_vec();
        self.mark_openings(text, &mut marked);
        let mut start = 0;
        while let Some((found, token)) = self.control.find_bytes(&marked, start) {
            match markable(token) {
                Some(at) => {
                    marked[found + at] = MARK;
                    start = found;
                }
                None => start = found + 1,
            }
        }
        let replace = |(at, c): (usize, char)| {
            let private = char::from_u32(self.base + u32::from(c)).filter(|_| marked[at] == MARK);
            private.unwrap_or(c)
        };
        text.char_indices().map(replace).collect()
    }

    /// The rendered text with the replaced characters back in their places.
    pub(super) fn reveal(&self, text: &str) -> String {
        let original = |c: char| {
            let ascii = u32::from(c).checked_sub(self.base).filter(|offset| *offset < BLOCK_LEN);
            ascii.and_then(char::from_u32).unwrap_or(c)
        };
        text.chars().map(original).collect()
    }

    /// Even half a token is marked, lest the template joins two halves.
    fn mark_openings(&self, text: &str, marked: &mut [u8]) {
        for byte in marked.iter_mut().filter(|byte| self.is_opening[usize::from(**byte)]) {
            *byte = MARK;
        }
        for literal in &self.literals {
            for (start, _) in text.match_indices(literal.as_str()) {
                marked[start..start + literal.len()].copy_from_slice(literal.as_bytes());
            }
        }
    }
}

/// Which byte of a control token is replaced. `None` for the rare token without an ASCII
/// character, which is then never taken from a rendered text.
pub(super) fn markable(token: &str) -> Option<usize> {
    let find = |test: fn(&u8) -> bool| token.bytes().position(|byte| test(&byte));
    find(u8::is_ascii_punctuation).or_else(|| find(u8::is_ascii_alphanumeric))
}

/// The first block of private characters that no text uses.
fn free_block(template_source: &str, conversation: &Conversation) -> Result<u32, Error> {
    let mut is_used = [false; N_BLOCKS];
    let mut see = |text: &str| {
        for c in text.chars() {
            if let Some(offset) = u32::from(c).checked_sub(PRIVATE_START) {
                is_used[(offset / BLOCK_LEN) as usize] = true;
            }
        }
    };
    see(template_source);
    conversation.for_each_text(&mut see);
    let block = is_used.iter().position(|used| !used).ok_or(Error::NoPrivateCharacters)?;
    Ok(PRIVATE_START + BLOCK_LEN * block as u32)
}

/// The quoted strings inside the tags of a template.
fn string_literals(source: &str) -> Vec<String> {
    let mut literals = Vec::new();
    let mut rest = source;
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        let end_of_tag = if rest[open..].starts_with("{{") { "}}" } else { "%}" };
        rest = &rest[open + 2..];
        while let Some(at) = rest.find(['"', '\'']) {
            if rest.find(end_of_tag).is_some_and(|end| end < at) {
                break;
            }
            let (literal, after) = read_literal(&rest[at..]);
            literals.push(literal);
            rest = after;
        }
    }
    literals.retain(|literal| !literal.is_empty());
    literals
}

/// Reads the string that starts with the first character, a quote; also yields what follows it.
fn read_literal(text: &str) -> (String, &str) {
    let mut chars = text.chars();
    let quote = chars.next();
    let mut literal = String::new();
    while let Some(c) = chars.next().filter(|c| Some(*c) != quote) {
        match c {
            '\\' => literal.extend(chars.next().map(|escaped| match escaped {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            })),
            _ => literal.push(c),
        }
    }
    (literal, chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::special::{SpecialToken, Strip};
    use crate::template::{Message, Options};

    fn specials() -> Specials {
        let tokens = ["<|end|>", "<|e", "[X]", "stop", "中"].iter().enumerate();
        let token = |(id, text): (usize, &&str)| SpecialToken {
            text: (*text).to_owned(),
            id: id as u32,
            strip: Strip::default(),
        };
        Specials::new(tokens.map(token).collect()).unwrap()
    }

    fn with_mask(source: &str, check: impl Fn(&Mask<'_>)) {
        let specials = specials();
        let message = Message::user("uses \u{F0001} itself");
        let conversation = Conversation::new(&[message], &Options::default()).unwrap();
        check(&Mask::new(&specials, source, &conversation).unwrap());
    }

    #[test]
    fn hidden_text_has_no_control_token_and_comes_back() {
        with_mask("{{ 'a' }}", |mask| {
            for text in ["<|end|>", "<|end|", "<|e<|e", "x [X] \u{F0001}", "no stop <", "é<é", ""]
            {
                let hidden = mask.hide(text);
                assert_eq!(hidden.chars().count(), text.chars().count());
                assert!(!hidden.contains(['<', '[']) && !hidden.contains("stop"), "{hidden}");
                assert_eq!(mask.reveal(&hidden), text);
            }
        });
    }

    #[test]
    fn strings_of_the_template_stay_visible_to_it() {
        with_mask("it's {% if '<b>' in x %}{{ \"<|e\" }}{% endif %} '<i>'", |mask| {
            assert!(mask.hide("a <b> c").contains("<b>"));
            assert!(!mask.hide("a <i> c").contains("<i>"));
            assert!(!mask.hide("a <|e c").contains("<|e"));
        });
    }

    #[test]
    fn literals_of_a_template() {
        let source = r#"'no' {{ "a\n" + 'b"}}' }} it's {% if x == '\'' %}'no'{% endif %}{{ 'c"#;
        assert_eq!(string_literals(source), ["a\n", "b\"}}", "'", "c"]);
    }
}
