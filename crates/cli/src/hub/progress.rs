//! How a pull tells a person how far it is.

use std::io::{self, IsTerminal as _, Write};
use std::time::{Duration, Instant};

use indicatif::{
    DecimalBytes, HumanDuration, ProgressBar, ProgressDrawTarget, ProgressStyle as Bar,
};

/// What a pull reports, in the order it happens: stages, each with its bytes, and remarks.
pub(crate) trait Progress {
    /// A stage begins with `n_done` of `n_total` bytes already there.
    fn start(&mut self, stage: &str, n_done: u64, n_total: Option<u64>);
    /// `n_done` bytes of the stage are there.
    fn set(&mut self, n_done: u64);
    /// Something worth a line of its own.
    fn note(&mut self, line: &str);
    /// The last stage is over.
    fn finish(&mut self);
}

/// How progress is shown on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ProgressStyle {
    /// A bar where stderr is a terminal, else a plain line every few seconds.
    Human,
    /// Nothing, for `--json`.
    Silent,
}

/// A reporter on stderr in the style asked for.
pub(crate) fn progress(style: ProgressStyle) -> Box<dyn Progress> {
    match style {
        ProgressStyle::Silent => Box::new(Silent),
        ProgressStyle::Human if io::stderr().is_terminal() => Box::new(TerminalBar::default()),
        ProgressStyle::Human => Box::new(PlainLines::new(io::stderr(), LINE_EVERY)),
    }
}

/// Often enough to show life in a log, seldom enough not to fill it.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Reports nothing.
#[derive(Debug, Clone, Copy)]
pub(super) struct Silent;

impl Progress for Silent {
    fn start(&mut self, _stage: &str, _n_done: u64, _n_total: Option<u64>) {}
    fn set(&mut self, _n_done: u64) {}
    fn note(&mut self, _line: &str) {}
    fn finish(&mut self) {}
}

/// A bar that redraws itself.
#[derive(Debug, Default)]
struct TerminalBar {
    bar: Option<ProgressBar>,
}

const WITH_TOTAL: &str =
    "{msg} {wide_bar} {decimal_bytes}/{decimal_total_bytes} {decimal_bytes_per_sec} {eta} left";
const WITHOUT_TOTAL: &str = "{spinner} {msg} {decimal_bytes} {decimal_bytes_per_sec}";

impl Progress for TerminalBar {
    fn start(&mut self, stage: &str, n_done: u64, n_total: Option<u64>) {
        self.finish();
        let target = ProgressDrawTarget::stderr();
        let bar = ProgressBar::with_draw_target(n_total, target).with_position(n_done);
        let template = if n_total.is_some() { WITH_TOTAL } else { WITHOUT_TOTAL };
        if let Ok(style) = Bar::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(stage.to_string());
        // Speed and time left are of this run, not of what an earlier one left behind.
        bar.reset_eta();
        self.bar = Some(bar);
    }

    fn set(&mut self, n_done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_position(n_done);
        }
    }

    fn note(&mut self, line: &str) {
        self.finish();
        crate::output::note(line);
    }

    fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
}

/// Lines for logs and pipes.
#[derive(Debug)]
pub(super) struct PlainLines<W> {
    out: W,
    every: Duration,
    stage: Option<Stage>,
}

#[derive(Debug)]
struct Stage {
    name: String,
    n_done_at_start: u64,
    n_total: Option<u64>,
    started: Instant,
    last_line: Instant,
}

impl<W: Write> PlainLines<W> {
    pub(super) fn new(out: W, every: Duration) -> Self {
        Self { out, every, stage: None }
    }

    /// A log that cannot be written must not stop a pull.
    fn line(&mut self, text: &str) {
        let _ = writeln!(self.out, "{text}");
    }
}

impl Stage {
    fn describe(&self, n_done: u64, now: Instant) -> String {
        let seconds = now.duration_since(self.started).as_secs_f64();
        let n_gained = n_done.saturating_sub(self.n_done_at_start);
        // Under a millisecond a speed is noise.
        let speed = if seconds < 1e-3 { 0.0 } else { n_gained as f64 / seconds };
        let done = DecimalBytes(n_done);
        let per_second = DecimalBytes(speed as u64);
        match self.n_total {
            Some(n_total) if speed >= 1.0 => {
                let left = n_total.saturating_sub(n_done) as f64 / speed;
                let left = HumanDuration(Duration::from_secs(left as u64));
                let total = DecimalBytes(n_total);
                format!("{}: {done} of {total}, {per_second}/s, {left} left", self.name)
            }
            Some(n_total) => format!("{}: {done} of {}", self.name, DecimalBytes(n_total)),
            None => format!("{}: {done}, {per_second}/s", self.name),
        }
    }
}

impl<W: Write> Progress for PlainLines<W> {
    fn start(&mut self, stage: &str, n_done: u64, n_total: Option<u64>) {
        let now = Instant::now();
        let stage = Stage {
            name: stage.to_string(),
            n_done_at_start: n_done,
            n_total,
            started: now,
            last_line: now,
        };
        let line = stage.describe(n_done, now);
        self.stage = Some(stage);
        self.line(&line);
    }

    fn set(&mut self, n_done: u64) {
        let now = Instant::now();
        let every = self.every;
        let Some(stage) = &mut self.stage else { return };
        if now.duration_since(stage.last_line) >= every {
            stage.last_line = now;
            let line = stage.describe(n_done, now);
            self.line(&line);
        }
    }

    fn note(&mut self, line: &str) {
        self.line(line);
    }

    fn finish(&mut self) {
        self.stage = None;
    }
}
