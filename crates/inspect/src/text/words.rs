//! Words, as Unicode's annex 29 divides them.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use super::SpanError;

/// The byte ranges of the words of `text`, in order.
///
/// Punctuation and symbols alone are no words. "don't", "4.2" and "3,000" are one word, and
/// "well-known" is two. Scripts that write no spaces have no words without a dictionary: Chinese
/// and Japanese get one for each ideograph and Hiragana letter, Katakana one for each run.
pub fn words(text: &str) -> Vec<Range<usize>> {
    text.unicode_word_indices().map(|(start, word)| start..start + word.len()).collect()
}

/// Where `word` stands as a whole one: for the `nth` time, counted from 0, or for the last.
///
/// # Errors
/// A text that does not hold it so often.
pub fn find_word(text: &str, word: &str, nth: Option<usize>) -> Result<Range<usize>, SpanError> {
    if word.trim().is_empty() {
        return Err(SpanError::EmptyNeedle);
    }
    let borders = words(text);
    let cuts = |at: usize| {
        let next = borders.partition_point(|word| word.end <= at);
        borders.get(next).is_some_and(|word| word.start < at)
    };
    let all = text.match_indices(word).map(|(start, _)| start..start + word.len());
    let all: Vec<Range<usize>> = all.filter(|at| !cuts(at.start) && !cuts(at.end)).collect();
    let found = match nth {
        Some(nth) => all.get(nth),
        None => all.last(),
    };
    found.cloned().ok_or_else(|| SpanError::no_word(word, all.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let found: Vec<&str> = words(text).into_iter().map(|range| &text[range]).collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn punctuation_is_no_word() {
        check("", &[]);
        check(" -- ... !?", &[]);
        check("Stop! (Now.)", &["Stop", "Now"]);
    }

    #[test]
    fn words_keep_their_apostrophes_and_points() {
        check("I don't owe 3,000.50 euros", &["I", "don't", "owe", "3,000.50", "euros"]);
        check("a well-known naïve café", &["a", "well", "known", "naïve", "café"]);
    }

    #[test]
    fn scripts_without_spaces_are_divided_all_the_same() {
        check("猫は黒い。", &["猫", "は", "黒", "い"]);
        check("コーヒーを", &["コーヒー", "を"]);
        check("한국어 텍스트", &["한국어", "텍스트"]);
    }

    #[test]
    fn a_word_is_found_where_it_is_whole() {
        let check = |word: &str, nth: Option<usize>, expected: Result<usize, &str>| {
            let found = find_word("It was wet; it was: was it?", word, nth);
            let start = found.map(|range| range.start).map_err(|error| error.to_string());
            assert_eq!(start, expected.map_err(str::to_owned), "{word:?} {nth:?}");
        };
        check("it", None, Ok(24));
        check("it", Some(0), Ok(12));
        check("it was", None, Ok(12));
        check("it", Some(2), Err("the text has \"it\" as a whole word 2 times"));
        check("we", None, Err("the text has \"we\" as a whole word 0 times"));
        check(" ", None, Err("an empty text cannot be looked for: name at least one character"));
    }
}
