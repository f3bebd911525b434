//! Sentences without an end, divided between clauses.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::super::trim;

const N_WORDS_MAX: usize = 200;
/// Bounds what has no words too; 200 words of English are about 1200 bytes.
const N_BYTES_MAX: usize = 4096;

/// `sentence` in parts of at most 200 words and 4096 bytes.
pub(super) fn divide(text: &str, sentence: Range<usize>) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut rest = sentence;
    while let Some(cut) = overflow(&text[rest.clone()]) {
        let at = rest.start + clause_before(&text[rest.start..rest.start + cut]);
        found.push(trim(text, rest.start..at));
        rest = trim(text, at..rest.end);
    }
    found.push(rest);
    found
}

/// Where more than a sentence may hold begins.
fn overflow(text: &str) -> Option<usize> {
    let n_bytes = text.floor_char_boundary(N_BYTES_MAX);
    let word = text[..n_bytes].unicode_word_indices().nth(N_WORDS_MAX).map(|(start, _)| start);
    word.or((n_bytes < text.len()).then_some(n_bytes))
}

/// The last border between clauses in the second half of `text`; of words where there is none; its
/// end where there are no words either.
fn clause_before(text: &str) -> usize {
    let half = text.len() / 2;
    let last = |borders: &[char]| {
        let found = text.char_indices().rev().take_while(|&(start, _)| start > half);
        let is_border = |c: char| borders.contains(&c) || borders == [' '] && c.is_whitespace();
        let ends = found.filter(|&(_, c)| is_border(c)).map(|(start, c)| (start + c.len_utf8(), c));
        // Within words they are no borders: "3,000".
        let is_free = |end: usize| text[end..].chars().next().is_none_or(char::is_whitespace);
        let mut ends = ends.filter(|&(end, c)| !c.is_ascii_punctuation() || is_free(end));
        ends.next().map(|(end, _)| end)
    };
    let borders: [&[char]; 3] = [&[';', '；'], &[':', ',', '—', '–', '：', '，', '、'], &[' ']];
    borders.into_iter().find_map(last).unwrap_or(text.len())
}
