//! The same part of a text in less of it, and in other places of it.

use std::ops::Range;

use serde::Serialize;

use crate::text::sentences;

/// How a text differs from the actual one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum VariantKind {
    /// One of so many sentences around the span is left.
    Cut {
        one_of: usize,
    },
    Actual,
    /// The span's sentences stand elsewhere.
    Start,
    Middle,
    End,
}

/// A text that holds the span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    pub kind: VariantKind,
    pub text: String,
    /// The bytes of the span.
    pub span: Range<usize>,
}

/// The texts of a curve, the shortest first and the actual one last, then those with the span
/// elsewhere. Sentences stay whole; those that are left are the nearest, as many before the span
/// and behind it as it takes for the same relative depth.
pub fn variants(text: &str, span: &Range<usize>) -> Vec<Variant> {
    let sentences = sentences(text);
    let n_before = sentences.iter().take_while(|sentence| sentence.end <= span.start).count();
    let n_behind = sentences.iter().rev().take_while(|sentence| span.end <= sentence.start).count();
    let kept = n_before..sentences.len() - n_behind;
    let n_others = n_before + n_behind;
    let n_halvings = n_others.max(1).ilog2();
    let cuts = (1..=n_halvings).rev().map(|n_halvings| {
        let one_of = 1 << n_halvings;
        let n_left = n_others / one_of;
        let before = (n_left * n_before + n_others / 2) / n_others;
        let first = &sentences[n_before - before];
        let last = &sentences[kept.end + (n_left - before) - 1];
        let part = first.start.min(span.start)..last.end.max(span.end);
        let kind = VariantKind::Cut { one_of };
        let span = span.start - part.start..span.end - part.start;
        Variant { kind, text: text[part].to_owned(), span }
    });
    let actual = Variant { kind: VariantKind::Actual, text: text.to_owned(), span: span.clone() };
    let mut found: Vec<Variant> = cuts.chain([actual]).collect();
    if n_others > 0 {
        found.extend(moved(text, span, &sentences, kept));
    }
    found
}

/// The whole text with the `kept` sentences, which hold the span, elsewhere.
fn moved(
    text: &str,
    span: &Range<usize>,
    sentences: &[Range<usize>],
    kept: Range<usize>,
) -> [Variant; 3] {
    let block =
        sentences[kept.start].start.min(span.start)..sentences[kept.end - 1].end.max(span.end);
    let within = span.start - block.start..span.end - block.start;
    let others: Vec<&Range<usize>> =
        sentences[..kept.start].iter().chain(&sentences[kept.end..]).collect();
    let (before, behind) = (text[..block.start].trim_end(), text[block.end..].trim_start());
    let gap = if before.is_empty() || behind.is_empty() { "" } else { " " };
    let rest = format!("{before}{gap}{behind}");
    // Where the other sentences lie once the block is out.
    let place = |sentence: &Range<usize>| match sentence.start < block.start {
        true => sentence.start,
        false => before.len() + gap.len() + sentence.start - (text.len() - behind.len()),
    };
    let middle = place(others[others.len() / 2]);
    let at = |(kind, at): (VariantKind, usize)| {
        let (head, tail) = (rest[..at].trim_end(), rest[at..].trim_start());
        let lead = if head.is_empty() { "" } else { " " };
        let trail = if tail.is_empty() { "" } else { " " };
        let start = head.len() + lead.len() + within.start;
        Variant {
            kind,
            text: format!("{head}{lead}{}{trail}{tail}", &text[block.clone()]),
            span: start..start + within.len(),
        }
    };
    [(VariantKind::Start, 0), (VariantKind::Middle, middle), (VariantKind::End, rest.len())].map(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, needle: &str, expected: &[(VariantKind, &str)]) {
        let start = text.find(needle).expect("it is there");
        let found = variants(text, &(start..start + needle.len()));
        let texts: Vec<(VariantKind, &str)> =
            found.iter().map(|variant| (variant.kind, &variant.text[..])).collect();
        assert_eq!(texts, expected);
        for variant in &found {
            assert_eq!(&variant.text[variant.span.clone()], needle);
        }
    }

    #[test]
    fn the_span_is_whole_in_every_text() {
        use VariantKind::{Actual, Cut, End, Middle, Start};
        check("It rains.", "rains", &[(Actual, "It rains.")]);
        let text = "One is. Two is.\n\nIt rains. Four is. Five is.";
        let expected = [
            (Cut { one_of: 4 }, "Two is.\n\nIt rains."),
            (Cut { one_of: 2 }, "Two is.\n\nIt rains. Four is."),
            (Actual, text),
            (Start, "It rains. One is. Two is. Four is. Five is."),
            (Middle, "One is. Two is. It rains. Four is. Five is."),
            (End, "One is. Two is. Four is. Five is. It rains."),
        ];
        check(text, "rains", &expected);
        let text = "It rains. Two is. Three is.";
        let expected = [
            (Cut { one_of: 2 }, "It rains. Two is."),
            (Actual, text),
            (Start, text),
            (Middle, "Two is. It rains. Three is."),
            (End, "Two is. Three is. It rains."),
        ];
        check(text, "It rains.", &expected);
    }
}
