//! Things in their order, each with a bar: what was read most.

use super::drawing::{Anchor, Drawing, Shape};
use super::error::PlotError;
use super::look::{COLOURS, INK};
use super::pen::{LINE, Pen, letters_width, text_width};
use super::words::{number, short, ticks};

pub struct Bars {
    pub title: String,
    /// What the values are.
    pub value_name: String,
    /// The first one on top.
    pub bars: Vec<Bar>,
    /// What the marks on the bars stand for.
    pub baseline_name: String,
    /// What the picture does not say.
    pub caveat: String,
}

pub struct Bar {
    /// A sentence, say; shortened to what fits.
    pub label: String,
    /// Below zero, the bar goes to the left and is blue instead of orange.
    pub value: f64,
    /// The value of nothing in particular, a mark.
    pub baseline: Option<f64>,
}

/// Bars of a picture at most.
pub const N_BARS_MAX: usize = 500;
const N_LETTERS: usize = 52;
const MARGIN: f32 = 16.0;
const LENGTH: f32 = 330.0;
const PITCH: f32 = 24.0;
const HALF_BAR: f32 = 7.0;
const N_TICKS: usize = 5;

impl Bars {
    /// # Errors
    /// [`PlotError::TooMany`]
    pub fn draw(&self) -> Result<Drawing, PlotError> {
        let n_bars = self.bars.len();
        if n_bars > N_BARS_MAX {
            return Err(PlotError::TooMany { what: "bars", n: n_bars, limit: N_BARS_MAX });
        }
        let labels: Vec<String> =
            self.bars.iter().map(|bar| short(&bar.label, N_LETTERS)).collect();
        let label_width = labels.iter().map(|label| text_width(label)).fold(0.0, f32::max);
        let left = MARGIN + label_width + 10.0;
        let right = left + LENGTH;
        let width = (right + 12.0 + letters_width(8)).max(420.0) + MARGIN;
        let [low, high] = self.range();
        let x = |value: f64| {
            let share = (value - low) / (high - low);
            left + LENGTH * share.clamp(0.0, 1.0) as f32
        };
        let mut pen = Pen::default();
        let top = pen.title(MARGIN, width - 2.0 * MARGIN, &self.title);
        let bottom = top + PITCH * n_bars as f32;
        pen.x_axis(&ticks(low, high, N_TICKS), [top, bottom], x);
        for (i, (bar, label)) in self.bars.iter().zip(&labels).enumerate() {
            let y = top + PITCH * (i as f32 + 0.5);
            pen.text([left - 8.0, y + 4.0], Anchor::End, label);
            pen.text([right + 10.0, y + 4.0], Anchor::Start, number(bar.value));
            if bar.value.is_finite() {
                draw_bar(bar, y, &x, &mut pen);
            }
        }
        pen.line([x(0.0), top], [x(0.0), bottom], INK);
        let mut end = bottom + 2.0 * LINE + 2.0;
        let half = text_width(&self.value_name) / 2.0;
        let middle = (left + LENGTH / 2.0).min(width - MARGIN - half).max(MARGIN + half);
        pen.text([middle, end], Anchor::Middle, &self.value_name);
        if self.bars.iter().any(|bar| bar.baseline.is_some()) {
            end += LINE + 2.0;
            let begin = middle - text_width(&self.baseline_name) / 2.0 - 6.0;
            let begin = begin.max(MARGIN + 2.0);
            draw_mark(begin, end - 4.0, &mut pen);
            pen.text([begin + 8.0, end], Anchor::Start, &self.baseline_name);
        }
        let end = pen.paragraph([MARGIN, end + 1.5 * LINE], width - 2.0 * MARGIN, &self.caveat);
        Ok(pen.finish(width, end))
    }

    /// From the smallest to the largest value, zero between them.
    fn range(&self) -> [f64; 2] {
        let values = self.bars.iter().flat_map(|bar| [Some(bar.value), bar.baseline]).flatten();
        let values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
        let low = values.iter().copied().fold(0.0, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        if low == high { [0.0, 1.0] } else { [low, high] }
    }
}

fn draw_bar(bar: &Bar, y: f32, x: &impl Fn(f64) -> f32, pen: &mut Pen) {
    let (from, to) = (x(bar.value.min(0.0)), x(bar.value.max(0.0)));
    // Orange and blue, as in a heat map with signs.
    let colour = COLOURS[if bar.value < 0.0 { 1 } else { 5 }];
    let title = format!("{}: {}", short(&bar.label, 200), number(bar.value));
    pen.rect([from, y - HALF_BAR], [to, y + HALF_BAR], colour, title);
    if let Some(baseline) = bar.baseline.filter(|baseline| baseline.is_finite()) {
        draw_mark(x(baseline), y, pen);
    }
}

fn draw_mark(x: f32, y: f32, pen: &mut Pen) {
    let (from, to) = ([x, y - HALF_BAR - 2.0], [x, y + HALF_BAR + 2.0]);
    pen.put(Shape::Line { from, to, width: 2.0, colour: INK });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(n_bars: usize, value: impl Fn(usize) -> f64, baseline: Option<f64>) {
        let bar = |i: usize| {
            let label = format!("{} {i}", "a sentence that is long enough ".repeat(i % 4));
            Bar { label, value: value(i), baseline }
        };
        let [title, value_name, baseline_name, caveat] =
            ["a title ", "share", "baseline", "a caveat "].map(|text| text.repeat(3));
        let bars = (0..n_bars).map(bar).collect();
        let drawing = Bars { title, value_name, bars, baseline_name, caveat }.draw().unwrap();
        super::super::overlap::check(&drawing);
    }

    #[test]
    fn letters_never_overlap() {
        check(0, |_| 0.0, None);
        check(1, |_| 1.0, Some(0.5));
        check(30, |i| 1.0 / (i + 1) as f64, Some(0.01));
        check(5, |i| i as f64 - 2.0, None);
        check(5, |i| -1e-9 * i as f64, Some(f64::NAN));
        check(3, |i| [f64::NAN, f64::INFINITY, 0.0][i], None);
    }

    #[test]
    fn too_many_bars_are_refused() {
        let bar = |_| Bar { label: String::new(), value: 0.0, baseline: None };
        let bars = (0..N_BARS_MAX + 1).map(bar).collect();
        let [title, value_name, baseline_name, caveat] = [const { String::new() }; 4];
        let error = Bars { title, value_name, bars, baseline_name, caveat }.draw().err().unwrap();
        assert_eq!(error.to_string(), "501 bars do not fit a picture: at most 500 do");
    }
}
