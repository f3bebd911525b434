//! Paragraphs: what blank lines divide.

use std::ops::Range;

use super::trim;

/// The byte ranges of the paragraphs of `text`, in order, without white space at their ends.
pub fn paragraphs(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut paragraph: Option<Range<usize>> = None;
    let mut line_start = 0;
    for line in text.split_inclusive('\n') {
        let bytes = line_start..line_start + line.len();
        line_start = bytes.end;
        if line.trim().is_empty() {
            found.extend(paragraph.take());
        } else {
            let start = paragraph.map_or(bytes.start, |paragraph| paragraph.start);
            paragraph = Some(start..bytes.end);
        }
    }
    found.extend(paragraph);
    found.into_iter().map(|range| trim(text, range)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = paragraphs(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn blank_lines_divide() {
        check("", &[]);
        check(" \n\t\n", &[]);
        check("one\ntwo", &["one\ntwo"]);
        check("\n\n  one\ntwo \n \t \nthree\r\n\r\nfour\n", &["one\ntwo", "three", "four"]);
    }
}
