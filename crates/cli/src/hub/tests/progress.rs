//! What a person reads while a model is pulled.

use std::time::Duration;

use super::*;
use crate::hub::progress::{PlainLines, Progress as _};

fn check(every: Duration, expected: &[&str]) {
    let mut text = Vec::new();
    let mut lines = PlainLines::new(&mut text, every);
    lines.set(1);
    lines.start("pulling tiny", 1024, Some(4096));
    lines.set(2048);
    lines.note("connection ended");
    lines.start("pulling tiny", 0, None);
    lines.finish();
    lines.set(4096);
    let text = String::from_utf8(text).unwrap();
    let found: Vec<&str> = text.lines().collect();
    assert_eq!(found.len(), expected.len(), "{text}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "expected `{expected}` first in `{found}`");
    }
}

#[test]
fn plain_lines_come_no_more_often_than_asked() {
    let never = Duration::from_secs(1 << 30);
    let first = "pulling tiny: 1.02 kB of 4.10 kB";
    check(never, &[first, "connection ended", "pulling tiny: 0 B"]);
    let then = "pulling tiny: 2.05 kB of 4.10 kB";
    check(Duration::ZERO, &[first, then, "connection ended", "pulling tiny: 0 B"]);
}

/// The totals that a whole pull reports.
#[test]
fn bar_starts_at_the_partial_and_ends_at_the_total() {
    #[derive(Default)]
    struct Totals {
        started: Option<(u64, Option<u64>)>,
        last: u64,
        n_finished: u32,
    }
    impl crate::hub::progress::Progress for Totals {
        fn start(&mut self, _stage: &str, n_done: u64, n_total: Option<u64>) {
            self.started = Some((n_done, n_total));
        }
        fn set(&mut self, n_done: u64) {
            assert!(n_done > self.last);
            self.last = n_done;
        }
        fn note(&mut self, line: &str) {
            panic!("unexpected note: {line}");
        }
        fn finish(&mut self) {
            self.n_finished += 1;
        }
    }
    let server = Server::start(vec![Reply::rest(&body(), 1000)]);
    let fixture = Fixture::new(&server);
    fixture.leave_partial(&body()[..1000]);
    let mut totals = Totals::default();
    pull(&fixture.config, &fixture.model, &mut totals, &AtomicBool::new(false)).unwrap();
    assert_eq!(totals.started, Some((1000, Some(N_BYTES as u64))));
    assert_eq!((totals.last, totals.n_finished), (N_BYTES as u64, 1));
}
