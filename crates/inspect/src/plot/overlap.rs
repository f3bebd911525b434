//! What tests ask of every picture: its letters lie inside it and not on each other.

use super::drawing::{Direction, Drawing, Place, Shape, Text};

pub(super) fn check(drawing: &Drawing) {
    let texts = drawing.shapes.iter().filter_map(|shape| match shape {
        Shape::Text(text) if !text.text.is_empty() => Some(text),
        _ => None,
    });
    let areas: Vec<(Area, &str)> = texts.map(|text| (Area::of(text), &*text.text)).collect();
    for (i, (area, text)) in areas.iter().enumerate() {
        let is_inside = area.low[0] >= 0.0 && area.low[1] >= 0.0;
        let is_inside =
            is_inside && area.high[0] <= drawing.width && area.high[1] <= drawing.height;
        assert!(is_inside, "{text:?} leaves the picture");
        for (other, other_text) in &areas[i + 1..] {
            assert!(!area.meets(other), "{text:?} lies on {other_text:?}");
        }
    }
}

struct Area {
    low: Place,
    high: Place,
}

impl Area {
    fn of(text: &Text) -> Self {
        let [x, y] = text.at;
        let (begin, end) = (text.start(), text.start() + text.width());
        let (above, below) = (0.75 * text.size, 0.1 * text.size);
        match text.direction {
            Direction::Right => Self { low: [x + begin, y - above], high: [x + end, y + below] },
            Direction::Up => Self { low: [x - above, y - end], high: [x + below, y - begin] },
        }
    }

    fn meets(&self, other: &Area) -> bool {
        (0..2).all(|axis| self.low[axis] < other.high[axis] && other.low[axis] < self.high[axis])
    }
}
