//! Progress of work that takes a while: a bar on a terminal, silence elsewhere.

use std::borrow::Cow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::open::Show;

/// Appears only if the work lasts: short work should not flicker.
pub(crate) struct Bar {
    bar: ProgressBar,
    start: std::time::Instant,
}

const QUIET: Duration = Duration::from_millis(150);

impl Bar {
    /// `loading  [####    ] 120 MB of 398 MB`
    pub(crate) fn bytes(show: Show, what: &'static str) -> Self {
        Self::new(show, what, "{msg} {wide_bar} {decimal_bytes} of {decimal_total_bytes}")
    }

    /// `reading  [####    ] 1200 of 4096 tokens, 380/s, 7s left`
    pub(crate) fn tokens(show: Show, what: impl Into<Cow<'static, str>>) -> Self {
        Self::new(show, what, "{msg} {wide_bar} {pos} of {len} tokens, {rate}/s, {eta} left")
    }

    /// `measuring  [####    ]`
    pub(crate) fn steps(show: Show, what: &'static str) -> Self {
        Self::new(show, what, "{msg} {wide_bar}")
    }

    fn new(show: Show, what: impl Into<Cow<'static, str>>, template: &str) -> Self {
        let target = match show {
            Show::Progress => ProgressDrawTarget::stderr(),
            Show::Nothing => ProgressDrawTarget::hidden(),
        };
        let bar = ProgressBar::with_draw_target(None, target).with_message(what);
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("rate", write_rate));
        }
        Self { bar, start: std::time::Instant::now() }
    }

    pub(crate) fn set(&mut self, n_done: u64, n_total: u64) {
        if self.start.elapsed() >= QUIET {
            self.bar.set_length(n_total);
            self.bar.set_position(n_done);
        }
    }

    pub(crate) fn finish(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// A decimal would only flicker.
fn write_rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    // A bar that cannot be drawn is no reason to stop.
    let _ = write!(out, "{:.0}", state.per_sec());
}
