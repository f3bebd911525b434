//! Puts shapes on a picture: letters and lines of one look.

use super::drawing::{
    Anchor, Colour, Direction, Drawing, Marker, Outline, Place, Rect, Shape, Text, letter_em,
};
use super::look::{GRID, INK, LETTERS};
use super::words;

/// Of a line of text to the next one.
pub(super) const LINE: f32 = 17.0;
const TITLE_LETTERS: f32 = 14.0;

#[derive(Default)]
pub(super) struct Pen {
    shapes: Vec<Shape>,
}

impl Pen {
    pub(super) fn finish(self, width: f32, height: f32) -> Drawing {
        Drawing { width: width.ceil(), height: height.ceil(), shapes: self.shapes }
    }

    pub(super) fn put(&mut self, shape: Shape) {
        self.shapes.push(shape);
    }

    pub(super) fn text(&mut self, at: Place, anchor: Anchor, text: impl Into<String>) {
        self.letters(LETTERS - 1.0, Direction::Right, at, anchor, text.into());
    }

    pub(super) fn text_up(&mut self, at: Place, anchor: Anchor, text: impl Into<String>) {
        self.letters(LETTERS - 1.0, Direction::Up, at, anchor, text.into());
    }

    fn letters(
        &mut self,
        size: f32,
        direction: Direction,
        at: Place,
        anchor: Anchor,
        text: String,
    ) {
        self.put(Shape::Text(Text { at, size, anchor, direction, colour: INK, text }));
    }

    /// What the picture shows, at its top; returns where the rest begins.
    pub(super) fn title(&mut self, left: f32, width: f32, text: &str) -> f32 {
        self.lines(TITLE_LETTERS, [left, 24.0], width, text) - 4.0
    }

    /// Lines of at most `width` from the first baseline on; returns the baseline after the last.
    pub(super) fn paragraph(&mut self, at: Place, width: f32, text: &str) -> f32 {
        self.lines(LETTERS - 1.0, at, width, text)
    }

    fn lines(&mut self, size: f32, [x, y]: Place, width: f32, text: &str) -> f32 {
        let lines = words::lines(text, (width / (size * letter_em('n'))) as usize);
        let (n_lines, pitch) = (lines.len(), LINE * size / (LETTERS - 1.0));
        for (i, line) in lines.into_iter().enumerate() {
            let at = [x, y + pitch * i as f32];
            self.letters(size, Direction::Right, at, Anchor::Start, line);
        }
        y + pitch * n_lines as f32
    }

    pub(super) fn line(&mut self, from: Place, to: Place, colour: Colour) {
        self.put(Shape::Line { from, to, width: 1.0, colour });
    }

    pub(super) fn rect(&mut self, low: Place, high: Place, colour: Colour, title: String) {
        self.put(Shape::Rect(Rect { low, high, colour, title }));
    }

    pub(super) fn marker(&mut self, at: Place, outline: Outline, colour: Colour, title: String) {
        self.put(Shape::Marker(Marker { at, radius: 4.0, outline, colour, title }));
    }

    /// A line of the grid for each value, and the value below it.
    pub(super) fn x_axis(&mut self, ticks: &[f64], y: [f32; 2], x: impl Fn(f64) -> f32) {
        for &tick in ticks {
            let at = x(tick);
            self.line([at, y[0]], [at, y[1]], GRID);
            self.text([at, y[1] + LINE], Anchor::Middle, words::number(tick));
        }
    }
}

/// Of `n` letters as [`Pen::text`] sets them.
pub(super) fn letters_width(n: usize) -> f32 {
    n as f32 * (LETTERS - 1.0) * letter_em('n')
}

/// Of a line as [`Pen::text`] sets it.
pub(super) fn text_width(text: &str) -> f32 {
    text.chars().map(letter_em).sum::<f32>() * (LETTERS - 1.0)
}
