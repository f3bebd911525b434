//! Points with names: x linear from zero, y logarithmic, colour and outline by two kinds.

use super::drawing::{Anchor, Colour, Direction, Drawing, Marker, Outline, Place, Shape, Text};
use super::look::{COLOURS, GRID, INK, LETTERS, OUTLINES};

pub struct Scatter {
    pub title: String,
    pub x_label: String,
    pub y_label: String,
    pub points: Vec<Point>,
    /// What the colours and the outlines stand for.
    pub colours: Legend,
    pub outlines: Legend,
}

pub struct Point {
    pub x: f64,
    /// Zero lies on the axis, below all others.
    pub y: f64,
    pub name: String,
    /// Index in the legend of colours.
    pub colour_idx: usize,
    /// Index in the legend of outlines.
    pub outline_idx: usize,
}

#[derive(Default)]
pub struct Legend {
    pub title: String,
    /// The index of each, and what it stands for.
    pub names: Vec<(usize, String)>,
}

const SIZE: [f32; 2] = [760.0, 460.0];
const LEFT: f32 = 70.0;
const RIGHT: f32 = 640.0;
const TOP: f32 = 62.0;
const BOTTOM: f32 = 405.0;
const RADIUS: f32 = 5.0;

impl Scatter {
    pub fn draw(&self) -> Drawing {
        let axes = Axes::of(&self.points);
        let mut shapes = Vec::new();
        axes.draw(&mut shapes);
        let mut text = |at, anchor, text: &str| {
            let (size, colour, text) = (LETTERS, INK, text.to_owned());
            shapes.push(Shape::Text(Text {
                at,
                size,
                anchor,
                direction: Direction::Right,
                colour,
                text,
            }));
        };
        text([LEFT - 55.0, 20.0], Anchor::Start, &self.title);
        text([LEFT - 55.0, 44.0], Anchor::Start, &self.y_label);
        text([(LEFT + RIGHT) / 2.0, BOTTOM + 42.0], Anchor::Middle, &self.x_label);
        let n_lines = self.legend(&self.colours, 0, &mut shapes, |idx| {
            (COLOURS[idx % COLOURS.len()], OUTLINES[0])
        });
        self.legend(&self.outlines, n_lines + 1, &mut shapes, |idx| {
            (INK, OUTLINES[idx % OUTLINES.len()])
        });
        self.draw_points(&axes, &mut shapes);
        let [width, height] = SIZE;
        Drawing { width, height, shapes }
    }

    /// Returns the line below the legend.
    fn legend(
        &self,
        legend: &Legend,
        first_line: usize,
        shapes: &mut Vec<Shape>,
        look: impl Fn(usize) -> (Colour, Outline),
    ) -> usize {
        let baseline = |line: usize| TOP + 10.0 + 18.0 * line as f32;
        let at = [RIGHT + 20.0, baseline(first_line)];
        let (size, anchor, text) = (LETTERS, Anchor::Start, legend.title.clone());
        shapes.push(Shape::Text(Text {
            at,
            size,
            anchor,
            direction: Direction::Right,
            colour: INK,
            text,
        }));
        for (line, (idx, name)) in legend.names.iter().enumerate() {
            let y = baseline(first_line + 1 + line);
            let (colour, outline) = look(*idx);
            let (at, title) = ([RIGHT + 26.0, y - 4.0], String::new());
            shapes.push(Shape::Marker(Marker { at, radius: RADIUS, outline, colour, title }));
            let (at, text) = ([RIGHT + 38.0, y], name.clone());
            shapes.push(Shape::Text(Text {
                at,
                size,
                anchor,
                direction: Direction::Right,
                colour: INK,
                text,
            }));
        }
        first_line + 1 + legend.names.len()
    }

    fn draw_points(&self, axes: &Axes, shapes: &mut Vec<Shape>) {
        let places: Vec<Place> = self.points.iter().map(|point| axes.place(point)).collect();
        let mut taken: Vec<Area> = places.iter().map(|&at| Area::around(at, RADIUS)).collect();
        for (point, &at) in self.points.iter().zip(&places) {
            shapes.push(Shape::Marker(Marker {
                at,
                radius: RADIUS,
                outline: OUTLINES[point.outline_idx % OUTLINES.len()],
                colour: COLOURS[point.colour_idx % COLOURS.len()],
                title: format!("{}: {} bytes, {:.2e}", point.name, point.x, point.y),
            }));
        }
        for (point, &at) in self.points.iter().zip(&places) {
            // Where names would lie on others, colour and outline must do.
            let Some(label) = free_label(point, at, &taken) else { continue };
            taken.push(Area::of(&label));
            shapes.push(Shape::Text(label));
        }
    }
}

/// A name beside its point that lies on nothing else.
fn free_label(point: &Point, [x, y]: Place, taken: &[Area]) -> Option<Text> {
    let (near, half) = (RADIUS + 4.0, LETTERS / 3.0);
    let places = [
        ([x + near, y + half], Anchor::Start),
        ([x - near, y + half], Anchor::End),
        ([x, y - near], Anchor::Middle),
        ([x, y + near + 2.0 * half], Anchor::Middle),
    ];
    let labels = places.into_iter().map(|(at, anchor)| Text {
        at,
        size: LETTERS - 1.0,
        anchor,
        direction: Direction::Right,
        colour: INK,
        text: point.name.clone(),
    });
    let is_free = |label: &Text| {
        let area = Area::of(label);
        let is_inside = area.low[0] > LEFT && area.high[0] < RIGHT && area.high[1] < BOTTOM;
        is_inside && !taken.iter().any(|other| area.meets(other))
    };
    labels.into_iter().find(is_free)
}

struct Area {
    low: Place,
    high: Place,
}

impl Area {
    fn around([x, y]: Place, radius: f32) -> Self {
        Self { low: [x - radius, y - radius], high: [x + radius, y + radius] }
    }

    fn of(text: &Text) -> Self {
        let (left, baseline) = (text.at[0] + text.start(), text.at[1]);
        let low = [left, baseline - 0.8 * text.size];
        Self { low, high: [left + text.width(), baseline + 0.2 * text.size] }
    }

    fn meets(&self, other: &Area) -> bool {
        (0..2).all(|axis| self.low[axis] < other.high[axis] && other.low[axis] < self.high[axis])
    }
}

struct Axes {
    x_max: f64,
    x_step: f64,
    /// Powers of ten at the ends of the y axis; zeros are below the first.
    exponents: [i32; 2],
}

/// Room at the foot of the y axis for zeros, as a share of the axis.
const ZERO_SHARE: f64 = 0.06;
/// Smaller is as good as zero.
const EXPONENT_MIN: i32 = -16;
/// Lines of the y axis at most.
const N_LINES: usize = 9;

impl Axes {
    fn of(points: &[Point]) -> Self {
        let x_max = points.iter().map(|point| point.x).fold(1.0, f64::max);
        let x_step = round_step(x_max / 6.0);
        let logs = points.iter().filter(|point| point.y > 0.0 && point.y.is_finite());
        let logs: Vec<f64> = logs.map(|point| point.y.log10()).collect();
        let low = logs.iter().copied().fold(f64::INFINITY, f64::min);
        let high = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let exponents = match logs.is_empty() {
            true => [-6, 0],
            false => {
                let low = (low.floor() as i32).max(EXPONENT_MIN);
                [low, (high.ceil() as i32).max(low + 1)]
            }
        };
        // A little beyond the last point, so that it does not lie on the frame.
        Self { x_max: x_max * 1.06, x_step, exponents }
    }

    fn place(&self, point: &Point) -> Place {
        [self.x(point.x), self.y(point.y)]
    }

    fn x(&self, x: f64) -> f32 {
        LEFT + (RIGHT - LEFT) * (x / self.x_max) as f32
    }

    fn y(&self, y: f64) -> f32 {
        let [low, high] = self.exponents.map(f64::from);
        // Zero, and what is no number, has no logarithm.
        let share = match y > 0.0 {
            true => (y.log10() - low) / (high - low),
            false => f64::NEG_INFINITY,
        };
        let share = ZERO_SHARE + (1.0 - ZERO_SHARE) * share;
        BOTTOM - (BOTTOM - TOP) * share.clamp(0.0, 1.0) as f32
    }

    fn draw(&self, shapes: &mut Vec<Shape>) {
        let line = |from, to, colour| Shape::Line { from, to, width: 1.0, colour };
        let text = |at, anchor, text| {
            Shape::Text(Text {
                at,
                size: LETTERS - 1.0,
                anchor,
                direction: Direction::Right,
                colour: INK,
                text,
            })
        };
        let [low, high] = self.exponents;
        let step = ((high - low) as usize).div_ceil(N_LINES);
        for exponent in (low..=high).step_by(step) {
            let y = self.y(10f64.powi(exponent));
            shapes.push(line([LEFT, y], [RIGHT, y], GRID));
            let name = if exponent == 0 { "1".to_owned() } else { format!("1e{exponent}") };
            shapes.push(text([LEFT - 8.0, y + 4.0], Anchor::End, name));
        }
        shapes.push(text([LEFT - 8.0, BOTTOM + 4.0], Anchor::End, "0".to_owned()));
        let mut x = 0.0;
        while x <= self.x_max {
            let at = self.x(x);
            shapes.push(line([at, TOP], [at, BOTTOM], GRID));
            shapes.push(text([at, BOTTOM + 18.0], Anchor::Middle, format!("{x}")));
            x += self.x_step;
        }
        shapes.push(line([LEFT, BOTTOM], [RIGHT, BOTTOM], INK));
        shapes.push(line([LEFT, TOP], [LEFT, BOTTOM], INK));
    }
}

/// 1, 2 or 5 times a power of ten, at least `step` and at least 1.
fn round_step(step: f64) -> f64 {
    let power = 10f64.powf(step.max(1.0).log10().floor());
    let round = [1.0, 2.0, 5.0, 10.0].map(|digit| digit * power);
    round.into_iter().find(|&round| round >= step).unwrap_or(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(x: f64, y: f64) -> Point {
        Point { x, y, name: "q8_0/q4_0".into(), colour_idx: 0, outline_idx: 0 }
    }

    fn scatter(points: Vec<Point>) -> Scatter {
        let (colours, outlines) = (Legend::default(), Legend::default());
        let [title, x_label, y_label] = ["", "", ""].map(String::from);
        Scatter { title, x_label, y_label, points, colours, outlines }
    }

    #[test]
    fn every_point_lies_inside_the_axes() {
        let values = [0.0, 1e-300, 1e-7, 0.003, 20.0, f64::INFINITY, f64::NAN];
        let points: Vec<Point> = values.map(|y| point(46_080.0, y)).into();
        let axes = Axes::of(&points);
        for point in &points {
            let [x, y] = axes.place(point);
            assert!((LEFT..=RIGHT).contains(&x) && (TOP..=BOTTOM).contains(&y), "{}", point.y);
        }
        assert!(axes.y(0.0) > axes.y(1e-7) && axes.y(1e-7) > axes.y(0.003));
        for points in [vec![], vec![point(0.0, 0.0)], points] {
            scatter(points).draw();
        }
    }

    #[test]
    fn steps_are_round() {
        for (step, expected) in [(0.1, 1.0), (1.0, 1.0), (7680.0, 10_000.0), (1_200.0, 2_000.0)] {
            assert_eq!(round_step(step), expected);
        }
    }

    #[test]
    fn names_do_not_lie_on_each_other() {
        let points = (0..50).map(|i| point(1000.0 + f64::from(i), 0.01)).collect();
        let drawing = scatter(points).draw();
        let areas = drawing.shapes.iter().filter_map(|shape| match shape {
            Shape::Text(text) if text.text.len() == 9 => Some(Area::of(text)),
            _ => None,
        });
        let areas: Vec<Area> = areas.collect();
        assert!(!areas.is_empty() && areas.len() < 50);
        for (i, area) in areas.iter().enumerate() {
            assert!(areas[i + 1..].iter().all(|other| !area.meets(other)));
        }
    }
}
