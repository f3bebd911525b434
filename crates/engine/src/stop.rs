//! Stop strings: where an answer ends, found in text that arrives in pieces.

use crate::error::Error;

/// Looks for stop strings in a stream of text and holds back what may be the start of one.
///
/// The answer ends before the stop string that starts earliest; of those that start together,
/// the shortest, as it is complete first. How the text is cut into pieces changes neither. No
/// byte of that stop string is ever emitted.
#[derive(Clone, Debug)]
pub struct StopMatcher {
    stops: Vec<String>,
    /// Text that was pushed and not emitted.
    held: String,
    stopped: Option<usize>,
}

/// What a piece of text leads to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Emit {
    /// Text that is certainly part of the answer.
    pub text: String,
    /// The index of the stop string that ended the answer; nothing more is emitted after it.
    pub stopped: Option<usize>,
}

/// What the stop strings say about one place in the held text.
enum Found {
    Nothing,
    /// The text ends before a stop string would.
    Start,
    Stop(usize),
}

impl StopMatcher {
    /// Which stop text was found.
    pub fn stopped(&self) -> Option<usize> {
        self.stopped
    }

    /// # Errors
    /// [`Error::EmptyStop`]: an empty string would end every answer before it begins.
    pub fn new(stops: Vec<String>) -> Result<Self, Error> {
        match stops.iter().position(String::is_empty) {
            Some(stop_idx) => Err(Error::EmptyStop { stop_idx }),
            None => Ok(Self { stops, held: String::new(), stopped: None }),
        }
    }

    /// Takes the next piece of text.
    pub fn push(&mut self, delta: &str) -> Emit {
        if self.stopped.is_some() {
            return self.emit(0);
        }
        self.held.push_str(delta);
        for (at, _) in self.held.char_indices() {
            match self.find(at) {
                Found::Nothing => continue,
                Found::Start => return self.emit(at),
                Found::Stop(stop_idx) => return self.stop(at, stop_idx),
            }
        }
        self.emit(self.held.len())
    }

    /// Ends the text: what was held is emitted, up to a stop string in it. That is possible where
    /// the text ends within a longer one that started before.
    pub fn finish(&mut self) -> Emit {
        for (at, _) in self.held.char_indices() {
            if let Found::Stop(stop_idx) = self.find(at) {
                return self.stop(at, stop_idx);
            }
        }
        self.emit(self.held.len())
    }

    fn find(&self, at: usize) -> Found {
        let text = &self.held[at..];
        let complete = self.stops.iter().enumerate().filter(|(_, stop)| text.starts_with(*stop));
        match complete.min_by_key(|(_, stop)| stop.len()) {
            Some((stop_idx, _)) => Found::Stop(stop_idx),
            None if self.stops.iter().any(|stop| stop.starts_with(text)) => Found::Start,
            None => Found::Nothing,
        }
    }

    fn stop(&mut self, at: usize, stop_idx: usize) -> Emit {
        self.stopped = Some(stop_idx);
        self.held.truncate(at);
        self.emit(at)
    }

    fn emit(&mut self, n_bytes: usize) -> Emit {
        Emit { text: self.held.drain(..n_bytes).collect(), stopped: self.stopped }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matcher(stops: &[&str]) -> StopMatcher {
        StopMatcher::new(stops.iter().map(|&stop| stop.into()).collect()).unwrap()
    }

    /// `expected`: what every delta emits, then what the end does; with the stop found by then.
    fn check(stops: &[&str], deltas: &[&str], expected: &[(&str, Option<usize>)]) {
        let mut matcher = matcher(stops);
        let mut found: Vec<Emit> = deltas.iter().map(|delta| matcher.push(delta)).collect();
        found.push(matcher.finish());
        let found: Vec<_> = found.iter().map(|emit| (&*emit.text, emit.stopped)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn without_stops_nothing_is_held() {
        check(&[], &["a", "", "b\n"], &[("a", None), ("", None), ("b\n", None), ("", None)]);
    }

    #[test]
    fn d07_a_stop_split_over_many_tokens() {
        let deltas = [" N", " O", " P", " Q", " R"];
        let (go, stop) = ((" ", None), ("", Some(0)));
        check(&["O P Q"], &deltas, &[(" N", None), go, ("", None), stop, stop, stop]);
        check(&["O P Q"], &deltas[..3], &[(" N", None), go, ("", None), ("O P", None)]);
    }

    #[test]
    fn d09_text_before_the_stop_in_the_same_token_is_kept() {
        check(
            &["\n"],
            &["Why", "?\n", "x"],
            &[("Why", None), ("?", Some(0)), ("", Some(0)), ("", Some(0))],
        );
    }

    #[test]
    fn d11_the_first_token_is_the_stop() {
        check(&["a", "</s>"], &["</s>"], &[("", Some(1)), ("", Some(1))]);
    }

    #[test]
    fn a_start_that_comes_to_nothing_is_given_back() {
        check(
            &["aab"],
            &["a", "a", "a", "c"],
            &[("", None), ("", None), ("a", None), ("aac", None), ("", None)],
        );
    }

    #[test]
    fn the_earliest_start_wins_then_the_shortest() {
        check(&["bc", "abcd"], &["abc", "d"], &[("", None), ("", Some(1)), ("", Some(1))]);
        check(&["bc", "abcd"], &["abc", "x"], &[("", None), ("a", Some(0)), ("", Some(0))]);
        check(&["bc", "abcd"], &["abc"], &[("", None), ("a", Some(0))]);
        check(&["xyz", "xy"], &["wxyz"], &[("w", Some(1)), ("", Some(1))]);
    }

    #[test]
    fn stops_may_end_inside_no_character() {
        check(&["é!"], &["caf", "é", "?"], &[("caf", None), ("", None), ("é?", None), ("", None)]);
    }

    #[test]
    fn an_empty_stop_is_an_error() {
        let error = StopMatcher::new(vec!["a".into(), String::new()]).unwrap_err();
        assert_eq!(error, Error::EmptyStop { stop_idx: 1 });
    }

    /// The definition, on the whole text.
    fn expected(text: &str, stops: &[String]) -> (String, Option<usize>) {
        let starts = stops.iter().enumerate().filter_map(|(stop_idx, stop)| {
            text.find(stop.as_str()).map(|at| (at, stop.len(), stop_idx))
        });
        match starts.min() {
            Some((at, _, stop_idx)) => (text[..at].into(), Some(stop_idx)),
            None => (text.into(), None),
        }
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_text_up_to_the_first_stop(
            deltas in proptest::collection::vec("[abé]{0,4}", 0..12),
            stops in proptest::collection::vec("[abé]{1,4}", 0..4),
        ) {
            let mut matcher = StopMatcher::new(stops.clone()).unwrap();
            let (text, stop) = expected(&deltas.concat(), &stops);
            let mut found = String::new();
            for delta in &deltas {
                found += &matcher.push(delta).text;
                prop_assert!(text.starts_with(&found));
            }
            let end = matcher.finish();
            prop_assert_eq!(found + &end.text, text);
            prop_assert_eq!(end.stopped, stop);
        }
    }
}
