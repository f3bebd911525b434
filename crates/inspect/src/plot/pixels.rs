//! A grid of colours.

use super::drawing::Colour;

/// `[height, width]` of red, green and blue.
pub(super) struct Pixels {
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) rgb: Vec<u8>,
}

impl Pixels {
    pub(super) fn filled(width: usize, height: usize, colour: Colour) -> Self {
        Self { width, height, rgb: colour.repeat(width * height) }
    }

    pub(super) fn at(&self, x: usize, y: usize) -> Colour {
        let at = (y * self.width + x) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }

    pub(super) fn set(&mut self, x: usize, y: usize, colour: Colour) {
        let at = (y * self.width + x) * 3;
        self.rgb[at..at + 3].copy_from_slice(&colour);
    }
}
