//! Where sentences end within a block: at the full stops that are ones.

use std::ops::Range;

use super::super::trim;
use super::abbreviations::{self, Abbreviation, abbreviation};

/// The sentences of one block, trimmed.
pub(super) fn divide(text: &str, block: Range<usize>) -> Vec<Range<usize>> {
    let inside = &text[block.clone()];
    let mut found = Vec::new();
    let mut start = 0;
    let mut from = 0;
    while let Some(offset) = inside[from..].find(is_stop) {
        let stop = from + offset;
        let end = end_of_stops(inside, stop);
        if ends(inside, Stop { start, stop, end }) {
            found.push(start..end);
            start = end;
        }
        from = end;
    }
    found.push(start..inside.len());
    let shifted = found.into_iter().map(|range| block.start + range.start..block.start + range.end);
    shifted.map(|range| trim(text, range)).filter(|range| !range.is_empty()).collect()
}

/// What may end a sentence.
pub(super) fn is_stop(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '‽' | '؟' | '۔' | '।' | '॥') || is_ideographic_stop(c)
}

/// Those that no space follows.
fn is_ideographic_stop(c: char) -> bool {
    matches!(c, '。' | '！' | '？' | '．' | '｡')
}

/// What may stand between a full stop and the end that it makes.
pub(super) fn is_closer(c: char) -> bool {
    matches!(c, ')' | ']' | '}' | '"' | '\'' | '”' | '’' | '»' | '*' | '_')
        || matches!(c, '」' | '』' | '）' | '】' | '》' | '〉' | '〕')
}

fn is_opener(c: char) -> bool {
    matches!(c, '(' | '[' | '{' | '"' | '\'' | '“' | '‘' | '«' | '„' | '*' | '_' | '「' | '『')
}

fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | '»')
}

/// One or more stops with what closes after them: from `stop` to `end`, in a sentence that begins
/// at `start`.
#[derive(Clone, Copy)]
struct Stop {
    start: usize,
    stop: usize,
    end: usize,
}

/// Behind the stops at `stop`, what closes there, and the mark of a footnote.
fn end_of_stops(text: &str, stop: usize) -> usize {
    let rest = text[stop..].trim_start_matches(is_stop).trim_start_matches(is_closer);
    let note = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let is_note =
        |note: &str| (1..=3).contains(&note.len()) && note.bytes().all(|c| c.is_ascii_digit());
    let rest = match note {
        Some((note, rest)) if is_note(note) => rest,
        _ => rest,
    };
    text.len() - rest.len()
}

fn ends(text: &str, at: Stop) -> bool {
    let (marks, rest) = (&text[at.stop..at.end], &text[at.end..]);
    let stops = marks.trim_end_matches(|c| !is_stop(c));
    if rest.is_empty() {
        return true;
    }
    if stops.ends_with(is_ideographic_stop) {
        return !goes_on_after_quote(marks, rest);
    }
    if !rest.starts_with(char::is_whitespace) || !may_begin(rest) {
        return false;
    }
    if marks.ends_with(is_quote) && !stops.ends_with('.') && names_speaker(rest) {
        return false;
    }
    stops != "." || marks != "." || ends_after_word(text, at)
}

/// Japanese goes on after a quotation with a particle or a comma.
fn goes_on_after_quote(marks: &str, rest: &str) -> bool {
    marks.ends_with(is_closer)
        && rest.starts_with(['と', 'っ', 'は', 'が', 'の', 'を', 'に', '、', '，', '。'])
}

/// Whether what follows can be the start of a sentence.
fn may_begin(rest: &str) -> bool {
    let rest = rest.trim_start();
    let first = rest.trim_start_matches(is_opener).chars().next();
    let is_punctuation = |c| is_stop(c) || is_closer(c) || ",;:-–—/&%".contains(c);
    first.is_some_and(|c| !c.is_lowercase() && !is_punctuation(c))
}

/// `"..." Maria Keller said`, which a question mark or an exclamation mark does not end.
fn names_speaker(rest: &str) -> bool {
    rest.split_whitespace()
        .take(4)
        .skip(1)
        .any(|word| abbreviations::is_speech(word.trim_end_matches(|c: char| !c.is_alphabetic())))
}

/// Whether one full stop after a word is the end of a sentence, by the words around it.
fn ends_after_word(text: &str, at: Stop) -> bool {
    let word = word_before(&text[at.start..at.stop]);
    let next = next_word(&text[at.end..]);
    let begins = |next: &str| abbreviations::starts_sentences(next);
    if is_marker(&text[at.start..at.stop]) {
        return false;
    }
    if is_initial(word) {
        let before = &text[at.start..at.stop - word.len()];
        return begins(next) || word == "I" && !follows_name(before);
    }
    match abbreviation(word) {
        None => true,
        Some(Abbreviation::Open) => false,
        Some(Abbreviation::BeforeNumber) => !is_number(next),
        Some(Abbreviation::Either) => begins(next),
        Some(Abbreviation::BeforeCapital) => {
            next.starts_with(char::is_uppercase) && !abbreviations::follows_time(next)
        }
    }
}

/// Letters, and full stops between them, at the end of `text`.
fn word_before(text: &str) -> &str {
    let start = text.rfind(|c: char| !c.is_alphabetic() && c != '.');
    let start =
        start.map_or(0, |start| start + text[start..].chars().next().map_or(0, char::len_utf8));
    &text[start..]
}

/// The first word after what opens it.
fn next_word(rest: &str) -> &str {
    let rest = rest.trim_start().trim_start_matches(is_opener);
    rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or(rest)
}

/// A capital letter alone: "J".
fn is_initial(word: &str) -> bool {
    let mut letters = word.chars();
    letters.next().is_some_and(char::is_uppercase) && letters.next().is_none()
}

/// "Charles" before "I."
fn follows_name(before: &str) -> bool {
    let name = before.split_whitespace().next_back();
    name.is_none_or(|name| name.starts_with(char::is_uppercase))
}

/// Digits, a Roman numeral, or a letter that stands for one.
fn is_number(word: &str) -> bool {
    word.starts_with(|c: char| c.is_numeric()) || is_roman(word) || is_initial(word)
}

fn is_roman(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|c| b"IVXLC".contains(&c))
}

/// What is all of the sentence so far: "4", "IV", "a", "Section 4.2". It marks what follows.
fn is_marker(so_far: &str) -> bool {
    /// "Theorem" and a number of a few levels.
    const N_BYTES_MAX: usize = 24;
    let so_far = so_far.trim().trim_start_matches(['#', '*', ' ']);
    if so_far.len() > N_BYTES_MAX {
        return false;
    }
    let is_level = |level: &str| {
        let is_digits = level.bytes().all(|c| c.is_ascii_digit());
        !level.is_empty() && level.len() <= 3 && is_digits
            || level.len() == 1 && level.bytes().all(|c| c.is_ascii_alphabetic())
            || is_roman(level)
    };
    let is_mark = |mark: &str| mark.trim_start_matches('§').split('.').all(is_level);
    match so_far.split_once(' ') {
        Some((word, mark)) => abbreviations::is_numbered(word) && is_mark(mark),
        None => is_mark(so_far),
    }
}
