//! Curves: how something changes with the length of a context, say.

use super::drawing::{Anchor, Colour, Drawing, Place, Shape};
use super::look::{COLOURS, GRID, INK, OUTLINES};
use super::pen::{LINE, Pen, text_width};
use super::words::{number, short, ticks};

pub struct Lines {
    pub title: String,
    pub x_name: String,
    pub y_name: String,
    pub x_scale: XScale,
    /// At most as many as there are colours, seven, can be told apart.
    pub series: Vec<Series>,
    /// What the picture does not say.
    pub caveat: String,
}

pub struct Series {
    pub name: String,
    /// In the order of x. What is no number interrupts the line.
    pub points: Vec<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XScale {
    Linear,
    /// Equal factors are equally far apart; what is not above zero is left out.
    Log,
}

const MARGIN: f32 = 16.0;
const SIDES: [f32; 2] = [520.0, 300.0];
const N_TICKS: usize = 6;
const N_LETTERS: usize = 30;

impl Lines {
    pub fn draw(&self) -> Drawing {
        let axes = Axes::of(self);
        let y_labels: Vec<String> = axes.y_ticks.iter().map(|&tick| number(tick)).collect();
        let widest =
            |labels: &[String]| labels.iter().map(|label| text_width(label)).fold(0.0, f32::max);
        let names: Vec<String> =
            self.series.iter().map(|series| short(&series.name, N_LETTERS)).collect();
        let left = MARGIN + LINE + widest(&y_labels) + 10.0;
        let right = left + SIDES[0];
        let width = right + 34.0 + widest(&names) + MARGIN;
        let mut pen = Pen::default();
        let top = pen.title(MARGIN, width - 2.0 * MARGIN, &self.title);
        let place = Frame { left, top, axes: &axes };
        let bottom = place.top + SIDES[1];
        for (&tick, label) in axes.y_ticks.iter().zip(y_labels) {
            let y = place.y(tick);
            pen.line([left, y], [right, y], GRID);
            pen.text([left - 8.0, y + 4.0], Anchor::End, label);
        }
        pen.x_axis(&axes.x_ticks, [place.top, bottom], |x| place.x(x));
        pen.line([left, bottom], [right, bottom], INK);
        pen.line([left, place.top], [left, bottom], INK);
        pen.text_up(
            [MARGIN + LINE - 7.0, (place.top + bottom) / 2.0],
            Anchor::Middle,
            &self.y_name,
        );
        let mut end = bottom + 2.0 * LINE + 4.0;
        pen.text([(left + right) / 2.0, end], Anchor::Middle, &self.x_name);
        for (i, series) in self.series.iter().enumerate() {
            draw_series(i, series, &place, &mut pen);
        }
        for (i, name) in names.into_iter().enumerate() {
            let y = place.top + 10.0 + LINE * i as f32;
            draw_look(i, [right + 16.0, y - 4.0], &mut pen);
            pen.text([right + 34.0, y], Anchor::Start, name);
            end = end.max(y);
        }
        let end = pen.paragraph([MARGIN, end + 1.5 * LINE], width - 2.0 * MARGIN, &self.caveat);
        pen.finish(width, end)
    }
}

fn colour(series_idx: usize) -> Colour {
    // The first one is not black, which is the ink of the rest.
    COLOURS[(series_idx + 1) % COLOURS.len()]
}

fn draw_series(i: usize, series: &Series, frame: &Frame<'_>, pen: &mut Pen) {
    let place = |&(x, y): &(f64, f64)| -> Option<Place> {
        let is_shown = frame.axes.scale.place(x).is_finite() && y.is_finite();
        is_shown.then(|| [frame.x(x), frame.y(y)])
    };
    let places: Vec<Option<Place>> = series.points.iter().map(place).collect();
    for pair in places.windows(2) {
        if let [Some(from), Some(to)] = *pair {
            pen.put(Shape::Line { from, to, width: 2.0, colour: colour(i) });
        }
    }
    for (&at, (x, y)) in places.iter().zip(&series.points) {
        let Some(at) = at else { continue };
        let title = format!("{}: {}, {}", series.name, number(*x), number(*y));
        pen.marker(at, OUTLINES[i % OUTLINES.len()], colour(i), title);
    }
}

/// A line and its marker, for the legend.
fn draw_look(i: usize, [x, y]: Place, pen: &mut Pen) {
    let (from, to) = ([x - 8.0, y], [x + 12.0, y]);
    pen.put(Shape::Line { from, to, width: 2.0, colour: colour(i) });
    pen.marker([x + 2.0, y], OUTLINES[i % OUTLINES.len()], colour(i), String::new());
}

struct Axes {
    scale: XScale,
    /// As the scale places them.
    x: [f64; 2],
    y: [f64; 2],
    x_ticks: Vec<f64>,
    y_ticks: Vec<f64>,
}

impl Axes {
    fn of(lines: &Lines) -> Self {
        let scale = lines.x_scale;
        let points: Vec<(f64, f64)> =
            lines.series.iter().flat_map(|series| series.points.iter().copied()).collect();
        let mut x = range(points.iter().map(|point| scale.place(point.0)));
        let mut y = range(points.iter().map(|point| point.1));
        // Heights are compared from zero.
        y = [y[0].min(0.0), y[1].max(0.0)];
        for ends in [&mut x, &mut y] {
            if ends[0] == ends[1] {
                *ends = [ends[0], ends[0] + 1.0];
            }
        }
        let y_ticks = ticks(y[0], y[1], N_TICKS);
        // A little beyond, so that no point lies on the frame.
        let pad = |[low, high]: [f64; 2], share: f64| {
            [low - (high - low) * share, high + (high - low) * share]
        };
        y = [if y[0] < 0.0 { pad(y, 0.04)[0] } else { y[0] }, pad(y, 0.04)[1]];
        let x_ticks = scale.ticks(x);
        Self { scale, x: pad(x, 0.04), y, x_ticks, y_ticks }
    }
}

fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let values = values.filter(|value| value.is_finite());
    let ends = values.fold(None, |ends: Option<[f64; 2]>, value| {
        let [low, high] = ends.unwrap_or([value; 2]);
        Some([low.min(value), high.max(value)])
    });
    ends.unwrap_or([0.0, 1.0])
}

impl XScale {
    fn place(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::Log if x > 0.0 => x.log2(),
            Self::Log => f64::NAN,
        }
    }

    /// Between two places: powers of two, as lengths of contexts are.
    fn ticks(self, ends: [f64; 2]) -> Vec<f64> {
        match self {
            Self::Linear => ticks(ends[0], ends[1], N_TICKS),
            Self::Log => {
                let (low, high) = (ends[0].ceil() as i32, ends[1].floor() as i32);
                let step = (high - low).max(0) as usize / 8 + 1;
                (low..=high).step_by(step).map(|power| 2f64.powi(power)).collect()
            }
        }
    }
}

struct Frame<'a> {
    left: f32,
    top: f32,
    axes: &'a Axes,
}

impl Frame<'_> {
    fn x(&self, x: f64) -> f32 {
        let [low, high] = self.axes.x;
        self.left + SIDES[0] * ((self.axes.scale.place(x) - low) / (high - low)) as f32
    }

    fn y(&self, y: f64) -> f32 {
        let [low, high] = self.axes.y;
        self.top + SIDES[1] * (1.0 - (y - low) / (high - low)) as f32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(x_scale: XScale, points: &[(f64, f64)]) {
        let series = |i: usize| Series { name: format!("series {i}"), points: points.to_vec() };
        let [title, x_name, y_name, caveat] = ["title", "x", "y", "caveat"].map(String::from);
        let series = (0..9).map(series).collect();
        let lines = Lines { title, x_name, y_name, x_scale, series, caveat };
        let drawing = lines.draw();
        super::super::overlap::check(&drawing);
        for shape in &drawing.shapes {
            if let Shape::Marker(marker) = shape {
                let [x, y] = marker.at;
                assert!(x >= 0.0 && x <= drawing.width && y >= 0.0 && y <= drawing.height);
            }
        }
    }

    #[test]
    fn every_point_lies_inside_the_picture() {
        for scale in [XScale::Linear, XScale::Log] {
            check(scale, &[]);
            check(scale, &[(512.0, 0.3)]);
            check(scale, &[(0.0, 0.0), (-1.0, -5.0), (1e-9, f64::NAN), (1e9, 1e9)]);
            check(scale, &[(512.0, 0.3), (f64::NAN, 1.0), (131_072.0, f64::INFINITY)]);
            check(scale, &[(1000.0, 1e-7), (1010.0, 2e-7)]);
        }
    }

    #[test]
    fn lengths_of_contexts_are_marked() {
        let ticks = XScale::Log.ticks([8.5, 15.0]);
        assert_eq!(ticks, [512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0]);
        assert!(XScale::Log.ticks([-40.0, 40.0]).len() < 12);
    }
}
