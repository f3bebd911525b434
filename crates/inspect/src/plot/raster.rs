//! A drawing as pixels, its edges smoothed.

use super::drawing::{Colour, Drawing, Marker, Outline, Place, Shape, Text};
use super::strokes::{self, ADVANCE, CAP_HEIGHT};

/// `[height, width]` of red, green and blue.
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

/// Pixels a unit of the drawing: sharp on screens with small ones.
const SCALE: f32 = 2.0;
/// Of an em: letters are as high as a sans-serif font's capitals, and their lines as thick.
const CAP_EM: f32 = 0.72;
const LINE_EM: f32 = 0.09;

pub(super) fn pixels(drawing: &Drawing) -> Pixels {
    let (width, height) = (drawing.width * SCALE, drawing.height * SCALE);
    let (width, height) = (width.ceil() as usize, height.ceil() as usize);
    let mut pixels = Pixels { width, height, rgb: vec![255; width * height * 3] };
    for shape in &drawing.shapes {
        match shape {
            Shape::Line { from, to, width, colour } => {
                pixels.line(scaled(*from), scaled(*to), width * SCALE, *colour);
            }
            Shape::Marker(marker) => pixels.marker(marker),
            Shape::Text(text) => pixels.text(text),
        }
    }
    pixels
}

fn scaled([x, y]: Place) -> Place {
    [x * SCALE, y * SCALE]
}

impl Pixels {
    fn line(&mut self, from: Place, to: Place, width: f32, colour: Colour) {
        let reach = width / 2.0 + 1.0;
        let low = [from[0].min(to[0]) - reach, from[1].min(to[1]) - reach];
        let high = [from[0].max(to[0]) + reach, from[1].max(to[1]) + reach];
        self.fill(low, high, colour, |at| distance_to_line(at, from, to) - width / 2.0);
    }

    fn marker(&mut self, marker: &Marker) {
        let (at, radius) = (scaled(marker.at), marker.radius * SCALE);
        let reach = radius + 1.0;
        let (low, high) = ([at[0] - reach, at[1] - reach], [at[0] + reach, at[1] + reach]);
        let corners: Vec<Place> = marker.corners().into_iter().map(scaled).collect();
        match marker.outline {
            Outline::Circle => {
                self.fill(low, high, marker.colour, |p| (p[0] - at[0]).hypot(p[1] - at[1]) - radius)
            }
            Outline::Polygon { .. } => {
                self.fill(low, high, marker.colour, |p| distance_to_polygon(p, &corners));
            }
        }
    }

    fn text(&mut self, text: &Text) {
        // Letters are as far apart as `Text::width` says, whatever their own width.
        let n_letters = text.text.chars().count().max(1) as f32;
        let step = text.width() * SCALE / n_letters;
        let unit_y = text.size * SCALE * CAP_EM / CAP_HEIGHT;
        let (unit_x, width) = (step / ADVANCE, text.size * SCALE * LINE_EM);
        let top = text.at[1] * SCALE - CAP_HEIGHT * unit_y;
        for (i, letter) in text.text.chars().enumerate() {
            let left = text.left() * SCALE + step * i as f32;
            for stroke in strokes::of(letter) {
                let place = |[x, y]: Place| [left + x * unit_x, top + y * unit_y];
                for pair in stroke.windows(2) {
                    self.line(place(pair[0]), place(pair[1]), width, text.colour);
                }
            }
        }
    }

    /// Colours the pixels from `low` to `high` where `distance` to the shape is not positive, and
    /// those on its edge in part.
    fn fill(&mut self, low: Place, high: Place, colour: Colour, distance: impl Fn(Place) -> f32) {
        // Casts saturate: what lies outside is cut off.
        let rows = low[1] as usize..(high[1].ceil() as usize).min(self.height);
        for row in rows {
            for column in low[0] as usize..(high[0].ceil() as usize).min(self.width) {
                let middle = [column as f32 + 0.5, row as f32 + 0.5];
                let share = (0.5 - distance(middle)).clamp(0.0, 1.0);
                let at = (row * self.width + column) * 3;
                for (old, new) in self.rgb[at..at + 3].iter_mut().zip(colour) {
                    let (before, after) = (f32::from(*old), f32::from(new));
                    *old = (before + share * (after - before)).round() as u8;
                }
            }
        }
    }
}

fn distance_to_line(p: Place, from: Place, to: Place) -> f32 {
    let along = [to[0] - from[0], to[1] - from[1]];
    let rel = [p[0] - from[0], p[1] - from[1]];
    let length_2 = along[0] * along[0] + along[1] * along[1];
    let share = (rel[0] * along[0] + rel[1] * along[1]) / length_2.max(1e-12);
    let share = share.clamp(0.0, 1.0);
    (rel[0] - share * along[0]).hypot(rel[1] - share * along[1])
}

/// Of a convex one with clockwise corners: the most that a point lies outside of one of its sides.
fn distance_to_polygon(p: Place, corners: &[Place]) -> f32 {
    let sides = corners.iter().zip(corners.iter().cycle().skip(1));
    let outside = sides.map(|(from, to)| {
        let along = [to[0] - from[0], to[1] - from[1]];
        let rel = [p[0] - from[0], p[1] - from[1]];
        (rel[0] * along[1] - rel[1] * along[0]) / along[0].hypot(along[1])
    });
    outside.fold(f32::NEG_INFINITY, f32::max)
}

#[cfg(test)]
mod tests {
    use super::super::drawing::Anchor;
    use super::*;

    fn draw(shape: Shape) -> Pixels {
        pixels(&Drawing { width: 20.0, height: 20.0, shapes: vec![shape] })
    }

    fn at(pixels: &Pixels, x: usize, y: usize) -> &[u8] {
        &pixels.rgb[(y * pixels.width + x) * 3..][..3]
    }

    #[test]
    fn markers_are_filled_and_end_at_their_radius() {
        for outline in [Outline::Circle, Outline::Polygon { n_corners: 4, turn: 0.0 }] {
            let (at_middle, colour) = ([10.0, 10.0], [10, 20, 30]);
            let title = String::new();
            let marker = Marker { at: at_middle, radius: 5.0, outline, colour, title };
            let found = draw(Shape::Marker(marker));
            assert_eq!((found.width, found.height), (40, 40));
            assert_eq!(at(&found, 20, 20), colour);
            assert_eq!(at(&found, 20, 12), colour);
            assert_eq!(at(&found, 20, 8), [255; 3]);
            assert_eq!(at(&found, 31, 20), [255; 3]);
        }
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let line =
            Shape::Line { from: [-50.0, 10.0], to: [99.0, 10.0], width: 2.0, colour: [0; 3] };
        let found = draw(line);
        assert_eq!((at(&found, 0, 20), at(&found, 39, 20)), (&[0; 3][..], &[0; 3][..]));
        assert_eq!(at(&found, 20, 5), [255; 3]);
        let text = "a very long text that does not fit".to_owned();
        let at = [10.0, 10.0];
        draw(Shape::Text(Text { at, size: 30.0, anchor: Anchor::Middle, colour: [0; 3], text }));
    }
}
