//! The colours, outlines and letters that all pictures share.

use super::drawing::{Colour, Outline};

/// Of an em.
pub(super) const LETTERS: f32 = 12.0;

pub(super) const INK: Colour = [40, 40, 40];
pub(super) const GRID: Colour = [225, 225, 225];
/// What can be told apart from every value.
pub(super) const HIDDEN: Colour = [208, 208, 208];
/// Okabe and Ito 2008: told apart with any kind of colour vision.
pub(super) const COLOURS: [Colour; 7] = [
    [0, 0, 0],
    [0, 114, 178],
    [86, 180, 233],
    [0, 158, 115],
    [230, 159, 0],
    [213, 94, 0],
    [204, 121, 167],
];
pub(super) const OUTLINES: [Outline; 6] = [
    Outline::Circle,
    Outline::Polygon { n_corners: 4, turn: 0.0 },
    Outline::Polygon { n_corners: 3, turn: 0.0 },
    Outline::Polygon { n_corners: 4, turn: 0.125 },
    Outline::Polygon { n_corners: 3, turn: 0.5 },
    Outline::Polygon { n_corners: 3, turn: 0.25 },
];
