//! Words, as Unicode's annex 29 divides them.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

/// The byte ranges of the words of `text`, in order.
///
/// Punctuation and symbols alone are no words. "don't", "4.2" and "3,000" are one word, and
/// "well-known" is two. Scripts that write no spaces have no words without a dictionary: Chinese
/// and Japanese get one for each ideograph and Hiragana letter, Katakana one for each run.
pub fn words(text: &str) -> Vec<Range<usize>> {
    text.unicode_word_indices().map(|(start, word)| start..start + word.len()).collect()
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
}
