//! What a picture consists of, whatever the file.

use super::pixels::Pixels;

/// `[x, y]` in units of the picture; y grows downwards.
pub(super) type Place = [f32; 2];

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// On white; what comes later lies on top.
pub struct Drawing {
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) shapes: Vec<Shape>,
}

pub(super) enum Shape {
    Line {
        from: Place,
        to: Place,
        width: f32,
        colour: Colour,
    },
    Rect(Rect),
    /// Pixels that fill the area from `low` to `high`, each a rectangle with sharp edges.
    Image {
        low: Place,
        high: Place,
        pixels: Pixels,
    },
    Marker(Marker),
    Text(Text),
}

pub(super) struct Rect {
    pub(super) low: Place,
    pub(super) high: Place,
    pub(super) colour: Colour,
    /// Shown where the pointer rests, if the file can.
    pub(super) title: String,
}

pub(super) struct Marker {
    pub(super) at: Place,
    pub(super) radius: f32,
    pub(super) outline: Outline,
    pub(super) colour: Colour,
    /// Shown where the pointer rests, if the file can.
    pub(super) title: String,
}

#[derive(Clone, Copy)]
pub(super) enum Outline {
    Circle,
    /// Regular; the first corner is `turn` of a full turn clockwise from the top.
    Polygon {
        n_corners: usize,
        turn: f32,
    },
}

pub(super) struct Text {
    /// The end of the baseline that `anchor` names.
    pub(super) at: Place,
    /// Of an em.
    pub(super) size: f32,
    pub(super) anchor: Anchor,
    pub(super) direction: Direction,
    pub(super) colour: Colour,
    pub(super) text: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Where the next letter stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Right,
    /// A line turned by a quarter, to be read with the head to the left.
    Up,
}

/// About as much of an em as a sans-serif font gives a letter: East Asian ones are squares.
pub(super) fn letter_em(letter: char) -> f32 {
    if letter >= '\u{1100}' && !matches!(letter, '\u{2000}'..='\u{2bff}') { 1.0 } else { 0.6 }
}

impl Text {
    /// About as wide as a sans-serif font sets it.
    pub(super) fn width(&self) -> f32 {
        self.size * self.text.chars().map(letter_em).sum::<f32>()
    }

    /// From `at` to the first letter, along the line.
    pub(super) fn start(&self) -> f32 {
        match self.anchor {
            Anchor::Start => 0.0,
            Anchor::Middle => -self.width() / 2.0,
            Anchor::End => -self.width(),
        }
    }
}

impl Marker {
    /// The corners of a polygon, clockwise; none of a circle.
    pub(super) fn corners(&self) -> Vec<Place> {
        let Outline::Polygon { n_corners, turn } = self.outline else { return Vec::new() };
        let corner = |i: usize| {
            let turn = turn + i as f32 / n_corners as f32;
            let (sin, cos) = (std::f32::consts::TAU * turn).sin_cos();
            [self.at[0] + self.radius * sin, self.at[1] - self.radius * cos]
        };
        (0..n_corners).map(corner).collect()
    }
}
