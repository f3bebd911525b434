//! A drawing as pixels, its edges smoothed.

use super::drawing::{
    Colour, Direction, Drawing, Marker, Outline, Place, Rect, Shape, Text, letter_em,
};
use super::pixels::Pixels;
use super::strokes::{self, ADVANCE, CAP_HEIGHT};

/// Pixels a unit of the drawing: sharp on screens with small ones.
const SCALE: f32 = 2.0;
/// Of an em: letters are as high as a sans-serif font's capitals, and their lines as thick.
const CAP_EM: f32 = 0.72;
const LINE_EM: f32 = 0.09;

pub(super) fn pixels(drawing: &Drawing) -> Pixels {
    let (width, height) = (drawing.width * SCALE, drawing.height * SCALE);
    let (width, height) = (width.ceil() as usize, height.ceil() as usize);
    let mut pixels = Pixels::filled(width, height, [255; 3]);
    for shape in &drawing.shapes {
        match shape {
            Shape::Line { from, to, width, colour } => {
                pixels.line(scaled(*from), scaled(*to), width * SCALE, *colour);
            }
            Shape::Rect(rect) => pixels.rect(rect),
            Shape::Image { low, high, pixels: image } => {
                pixels.image(scaled(*low), scaled(*high), image);
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

    fn rect(&mut self, rect: &Rect) {
        let (low, high) = (scaled(rect.low), scaled(rect.high));
        self.fill(low, high, rect.colour, |p| {
            let outside = |axis: usize| (low[axis] - p[axis]).max(p[axis] - high[axis]);
            outside(0).max(outside(1))
        });
    }

    fn image(&mut self, low: Place, high: Place, image: &Pixels) {
        let rows = low[1].round() as usize..(high[1].round() as usize).min(self.height);
        let columns = low[0].round() as usize..(high[0].round() as usize).min(self.width);
        // The pixel of the image that the middle of one of ours lies in.
        let source = |at: usize, axis: usize, n: usize| {
            let share = (at as f32 + 0.5 - low[axis]) / (high[axis] - low[axis]);
            ((share * n as f32) as usize).min(n - 1)
        };
        for row in rows {
            for column in columns.clone() {
                let colour = image.at(source(column, 0, image.width), source(row, 1, image.height));
                self.set(column, row, colour);
            }
        }
    }

    fn text(&mut self, text: &Text) {
        let em = text.size * SCALE;
        let (unit_y, width) = (em * CAP_EM / CAP_HEIGHT, em * LINE_EM);
        let origin = scaled(text.at);
        let mut begin = text.start() * SCALE;
        for letter in text.text.chars() {
            // Letters are as far apart as `Text::width` says, whatever their own width.
            let unit_x = em * letter_em(letter) / ADVANCE;
            for stroke in strokes::of(letter) {
                let place = |[x, y]: Place| {
                    let (along, down) = (begin + x * unit_x, (y - CAP_HEIGHT) * unit_y);
                    match text.direction {
                        Direction::Right => [origin[0] + along, origin[1] + down],
                        Direction::Up => [origin[0] + down, origin[1] - along],
                    }
                };
                for pair in stroke.windows(2) {
                    self.line(place(pair[0]), place(pair[1]), width, text.colour);
                }
            }
            begin += em * letter_em(letter);
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

    #[test]
    fn markers_are_filled_and_end_at_their_radius() {
        for outline in [Outline::Circle, Outline::Polygon { n_corners: 4, turn: 0.0 }] {
            let (at_middle, colour) = ([10.0, 10.0], [10, 20, 30]);
            let title = String::new();
            let marker = Marker { at: at_middle, radius: 5.0, outline, colour, title };
            let found = draw(Shape::Marker(marker));
            assert_eq!((found.width, found.height), (40, 40));
            assert_eq!(found.at(20, 20), colour);
            assert_eq!(found.at(20, 12), colour);
            assert_eq!(found.at(20, 8), [255; 3]);
            assert_eq!(found.at(31, 20), [255; 3]);
        }
    }

    #[test]
    fn what_lies_outside_is_cut_off() {
        let line =
            Shape::Line { from: [-50.0, 10.0], to: [99.0, 10.0], width: 2.0, colour: [0; 3] };
        let found = draw(line);
        assert_eq!((found.at(0, 20), found.at(39, 20)), ([0; 3], [0; 3]));
        assert_eq!(found.at(20, 5), [255; 3]);
        let text = "a very long text that does not fit".to_owned();
        for direction in [Direction::Right, Direction::Up] {
            let (at, text, anchor) = ([10.0, 10.0], text.clone(), Anchor::Middle);
            draw(Shape::Text(Text { at, size: 30.0, anchor, direction, colour: [0; 3], text }));
        }
    }

    #[test]
    fn cells_end_where_the_next_one_begins() {
        let mut image = Pixels::filled(2, 1, [1, 2, 3]);
        image.set(1, 0, [4, 5, 6]);
        let (low, high) = ([5.0, 5.0], [15.0, 10.0]);
        let found = draw(Shape::Image { low, high, pixels: image });
        let row = [9, 10, 19, 20, 29, 30].map(|x| found.at(x, 15)[0]);
        assert_eq!(row, [255, 1, 1, 4, 4, 255]);
        let (colour, title) = ([7, 8, 9], String::new());
        let found = draw(Shape::Rect(Rect { low, high, colour, title }));
        assert_eq!([9, 10, 29, 30].map(|x| found.at(x, 19)[0]), [255, 7, 7, 255]);
        assert_eq!([9, 10, 19, 20].map(|y| found.at(20, y)[0]), [255, 7, 7, 255]);
    }
}
