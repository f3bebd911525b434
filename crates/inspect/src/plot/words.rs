//! Labels, lines and numbers short enough for a picture.

/// One line of about `n_max` letters, its end dots if it was longer. Blanks that are all there is
/// are shown.
pub(super) fn short(text: &str, n_max: usize) -> String {
    let shown: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    if shown.is_empty() {
        return text.chars().take(n_max).map(visible).collect();
    }
    let line = shown.join(" ");
    if line.chars().count() <= n_max {
        return line;
    }
    let kept: String = line.chars().take(n_max.saturating_sub(1)).collect();
    format!("{}\u{2026}", kept.trim_end())
}

fn visible(blank: char) -> char {
    match blank {
        '\n' | '\r' => '\u{21b5}',
        '\t' => '\u{2192}',
        _ => '\u{2423}',
    }
}

/// The text broken at blanks into lines of at most `n_max` letters, and longer ones where a word
/// is.
pub(super) fn lines(text: &str, n_max: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= n_max => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Three digits that count; very large and very small ones with an exponent.
pub(super) fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}").replace('-', "");
    }
    let exponent = value.abs().log10().floor() as i32;
    if !(-4..7).contains(&exponent) {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let n_decimals = (2 - exponent).max(0) as usize;
    let digits = format!("{value:.n_decimals$}");
    match digits.contains('.') {
        true => digits.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => digits,
    }
}

/// Round values from `low` to `high`, at most `n_max` or so.
pub(super) fn ticks(low: f64, high: f64, n_max: usize) -> Vec<f64> {
    if low >= high {
        return vec![low];
    }
    let rough = (high - low) / n_max.max(1) as f64;
    let power = 10f64.powf(rough.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0];
    let step = digits.map(|digit| digit * power).into_iter().find(|&step| step >= rough);
    let step = step.unwrap_or(10.0 * power);
    // Multiples of the step, so that sums do not drift from round values.
    let (first, last) = ((low / step - 1e-9).ceil() as i64, (high / step + 1e-9).floor() as i64);
    (first..=last).map(|i| i as f64 * step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_short_and_visible() {
        let cases = [
            (" the", "the"),
            ("\n", "\u{21b5}"),
            ("  ", "\u{2423}\u{2423}"),
            ("a\n b", "a b"),
            ("", ""),
            ("The lessee pays", "The\u{2026}"),
        ];
        for (text, expected) in cases {
            assert_eq!(short(text, 5), expected);
        }
    }

    #[test]
    fn lines_hold_every_word() {
        let text = "Weights say where a row read, never why.";
        for n_max in 1..50 {
            let lines = lines(text, n_max);
            assert_eq!(lines.join(" "), text);
            let is_kept = |line: &String| line.len() <= n_max || !line.contains(' ');
            assert!(lines.iter().all(is_kept), "{lines:?}");
        }
    }

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.0, "0"),
            (0.25, "0.25"),
            (1.0 / 3.0, "0.333"),
            (-0.05, "-0.05"),
            (32768.0, "32768"),
            (1.5e-7, "1.5e-7"),
            (1e9, "1e9"),
            (100.0, "100"),
        ];
        for (value, expected) in cases {
            assert_eq!(number(value), expected);
        }
    }

    #[test]
    fn ticks_are_round_and_inside() {
        for (low, high) in [(0.0, 1.0), (-0.3, 0.7), (0.0, 1e-6), (5.0, 5.0), (0.0, 32768.0)] {
            let ticks = ticks(low, high, 6);
            assert!(ticks.len() <= 7, "{ticks:?}");
            let slack = (high - low) * 1e-6;
            assert!(ticks.iter().all(|&x| x >= low - slack && x <= high + slack), "{ticks:?}");
        }
        assert_eq!(ticks(0.0, 1.0, 5), [0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0]);
    }
}
