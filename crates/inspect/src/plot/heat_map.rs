//! A matrix as coloured cells: which row read how much from which column.

use super::colour_map::{diverging, sequential};
use super::drawing::{Anchor, Colour, Drawing, Shape};
use super::error::PlotError;
use super::look::{HIDDEN, INK};
use super::pen::{LINE, Pen, letters_width, text_width};
use super::pixels::Pixels;
use super::words::{number, short};

pub struct HeatMap {
    pub title: String,
    /// What rows, columns and values are.
    pub row_name: String,
    pub column_name: String,
    pub value_name: String,
    pub row_labels: Vec<String>,
    pub column_labels: Vec<String>,
    /// `[n_rows, n_columns]`; `None` is grey: a key that the query does not see.
    pub values: Vec<Option<f32>>,
    pub scale: Scale,
    /// The size that has the strongest colour, so that pictures can be compared; without it, that
    /// of the largest value.
    pub strongest: Option<f32>,
    /// What the picture does not say.
    pub caveat: String,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scale {
    /// From zero. The share of the colours is that of the value to the power of `gamma`: 1 is
    /// linear, 0.5 shows small weights.
    Unsigned { gamma: f32 },
    /// Blue below zero, orange above it.
    Signed,
}

/// Rows or columns of a heat map at most: each is a pixel at least.
pub const N_CELLS_MAX: usize = 2000;
/// Cells of one side that are shapes of their own, with their values where the pointer rests.
const N_SHAPES_MAX: usize = 64;
/// The sides of the map, about.
const SIDE: f32 = 600.0;
const CELL_MIN: f32 = 0.5;
const CELL_MAX: f32 = 24.0;
const MARGIN: f32 = 16.0;
/// Letters of a label at most.
const N_LETTERS: [usize; 2] = [16, 28];
const BAR_WIDTH: f32 = 14.0;
const N_BAR_STEPS: usize = 60;
/// Heights of a step.
const BAR_STEPS: [f32; 2] = [1.5, 4.0];

impl HeatMap {
    /// # Errors
    /// [`PlotError::TooMany`]
    pub fn draw(&self) -> Result<Drawing, PlotError> {
        let (n_rows, n_columns) = (self.row_labels.len(), self.column_labels.len());
        assert_eq!(self.values.len(), n_rows * n_columns, "a value for each cell");
        for (what, n) in [("rows", n_rows), ("columns", n_columns)] {
            if n > N_CELLS_MAX {
                return Err(PlotError::TooMany { what, n, limit: N_CELLS_MAX });
            }
        }
        let columns = Labels::of(&self.column_labels, N_LETTERS[0]);
        let rows = Labels::of(&self.row_labels, N_LETTERS[1]);
        let left = (MARGIN + LINE + 14.0 + rows.width).ceil();
        let right = left + columns.cell * n_columns as f32;
        let bar_left = right + 22.0;
        let bar_right = bar_left + BAR_WIDTH + 8.0 + letters_width(7);
        let width = bar_right.max(bar_left + text_width(&self.value_name)).max(420.0) + MARGIN;
        let mut pen = Pen::default();
        let top = pen.title(MARGIN, width - 2.0 * MARGIN, &self.title).ceil();
        let bottom = top + rows.cell * n_rows as f32;
        let map = Map { left, top, cell: [columns.cell, rows.cell], n_rows, n_columns };
        self.draw_cells(&map, &mut pen);
        frame([left, top], [right, bottom], &mut pen);
        map.draw_rows(&rows, &mut pen);
        let mut end = map.draw_columns(&columns, bottom, &mut pen);
        let middle = [(left + right) / 2.0, (top + bottom) / 2.0];
        if !self.column_name.is_empty() {
            let half = text_width(&self.column_name) / 2.0;
            pen.text([middle[0].max(MARGIN + half), end + LINE], Anchor::Middle, &self.column_name);
            end += LINE;
        }
        pen.text_up([MARGIN + LINE - 5.0, middle[1]], Anchor::Middle, &self.row_name);
        end = self.draw_bar([bar_left, top], bottom - top, &mut pen).max(end) + 1.5 * LINE;
        let end = pen.paragraph([MARGIN, end], width - 2.0 * MARGIN, &self.caveat);
        Ok(pen.finish(width, end))
    }

    fn draw_cells(&self, map: &Map, pen: &mut Pen) {
        let strongest = self.strongest();
        let colour = |value: Option<f32>| match value {
            Some(value) => self.scale.colour(value / strongest),
            None => HIDDEN,
        };
        let [row_n, column_n] = [map.n_rows, map.n_columns];
        if row_n > N_SHAPES_MAX || column_n > N_SHAPES_MAX {
            let rgb = self.values.iter().flat_map(|&value| colour(value)).collect();
            let pixels = Pixels { width: column_n, height: row_n, rgb };
            let (low, high) = (map.corner(0, 0), map.corner(row_n, column_n));
            return pen.put(Shape::Image { low, high, pixels });
        }
        for (i, &value) in self.values.iter().enumerate() {
            let (row, column) = (i / column_n, i % column_n);
            let title = value.map_or(String::new(), |value| {
                let names = [&self.row_labels[row], &self.column_labels[column]];
                let [from, to] = names.map(|name| short(name, N_LETTERS[1]));
                format!("{from} <- {to}: {}", number(value.into()))
            });
            let (low, high) = (map.corner(row, column), map.corner(row + 1, column + 1));
            pen.rect(low, high, colour(value), title);
        }
    }

    /// Never zero: it is divided by.
    fn strongest(&self) -> f32 {
        let values = self.values.iter().flatten().filter(|value| value.is_finite());
        let largest = values.fold(0.0f32, |largest, value| largest.max(value.abs()));
        let strongest = self.strongest.unwrap_or(largest);
        if strongest > 0.0 { strongest } else { 1.0 }
    }

    /// What the colours stand for; returns where it ends.
    fn draw_bar(&self, [left, top]: [f32; 2], map_height: f32, pen: &mut Pen) -> f32 {
        let [low, high] = BAR_STEPS;
        let (top, name_y, right) = (top + LINE + 7.0, top + 9.0, left + BAR_WIDTH);
        // Steps of whole pixels, as the cells are.
        let step = ((map_height - LINE) / N_BAR_STEPS as f32).clamp(low, high);
        let height = (2.0 * step).floor() / 2.0 * N_BAR_STEPS as f32;
        pen.text([left, name_y], Anchor::Start, &self.value_name);
        let y = |share: f32| top + height * (1.0 - share);
        let [first, span] = self.scale.range();
        for i in 0..N_BAR_STEPS {
            let [from, to] = [i, i + 1].map(|i| i as f32 / N_BAR_STEPS as f32);
            let colour = self.scale.shade(first + span * (from + to) / 2.0);
            pen.rect([left, y(to)], [right, y(from)], colour, String::new());
        }
        frame([left, top], [right, top + height], pen);
        for i in 0..=4 {
            let share = i as f32 / 4.0;
            let value = self.scale.value(first + span * share) * self.strongest();
            pen.line([right, y(share)], [right + 4.0, y(share)], INK);
            pen.text([right + 8.0, y(share) + 4.0], Anchor::Start, number(value.into()));
        }
        let mut end = top + height;
        if self.values.contains(&None) {
            let low = [left, end + 10.0];
            pen.rect(low, [right, low[1] + BAR_WIDTH], HIDDEN, String::new());
            pen.text([right + 8.0, low[1] + 11.0], Anchor::Start, "not seen");
            end = low[1] + BAR_WIDTH;
        }
        end
    }
}

impl Scale {
    fn colour(self, share: f32) -> Colour {
        match self {
            Self::Unsigned { gamma } => self.shade(share.max(0.0).powf(gamma)),
            Self::Signed => self.shade(share),
        }
    }

    /// The colour at a place of the bar.
    fn shade(self, place: f32) -> Colour {
        match self {
            Self::Unsigned { .. } => sequential(place),
            Self::Signed => diverging(place),
        }
    }

    /// The share at a place of the bar.
    fn value(self, place: f32) -> f32 {
        match self {
            Self::Unsigned { gamma } => place.powf(1.0 / gamma),
            Self::Signed => place,
        }
    }

    /// The first place of the bar, and from there to the last.
    fn range(self) -> [f32; 2] {
        match self {
            Self::Unsigned { .. } => [0.0, 1.0],
            Self::Signed => [-1.0, 2.0],
        }
    }
}

/// The labels of one side, thinned so that none lies on another.
struct Labels {
    cell: f32,
    shown: Vec<(usize, String)>,
    width: f32,
}

impl Labels {
    fn of(labels: &[String], n_letters: usize) -> Self {
        let cell = (SIDE / labels.len().max(1) as f32).clamp(CELL_MIN, CELL_MAX);
        // Whole pixels, so that edges are sharp and cells of one size.
        let cell = (2.0 * cell).floor() / 2.0;
        let step = (LINE / cell - 0.25).ceil().max(1.0) as usize;
        let shown = labels.iter().enumerate().step_by(step);
        let shown: Vec<_> = shown.map(|(i, label)| (i, short(label, n_letters))).collect();
        let width = shown.iter().map(|(_, label)| text_width(label)).fold(0.0, f32::max);
        Self { cell, shown, width }
    }

    fn are_thinned(&self) -> bool {
        self.cell < 0.75 * LINE
    }
}

/// Where the cells are.
struct Map {
    left: f32,
    top: f32,
    /// Width and height.
    cell: [f32; 2],
    n_rows: usize,
    n_columns: usize,
}

impl Map {
    fn corner(&self, row: usize, column: usize) -> [f32; 2] {
        [self.left + self.cell[0] * column as f32, self.top + self.cell[1] * row as f32]
    }

    fn draw_rows(&self, labels: &Labels, pen: &mut Pen) {
        for (row, label) in &labels.shown {
            let [x, y] = self.corner(*row, 0);
            let y = y + self.cell[1] / 2.0;
            if labels.are_thinned() {
                pen.line([x - 4.0, y], [x, y], INK);
            }
            pen.text([x - 7.0, y + 4.0], Anchor::End, label);
        }
    }

    /// Returns where the labels end.
    fn draw_columns(&self, labels: &Labels, bottom: f32, pen: &mut Pen) -> f32 {
        let lies_flat = labels.width < self.cell[0] - 4.0;
        for (column, label) in &labels.shown {
            let x = self.corner(0, *column)[0] + self.cell[0] / 2.0;
            if labels.are_thinned() {
                pen.line([x, bottom], [x, bottom + 4.0], INK);
            }
            match lies_flat {
                true => pen.text([x, bottom + 15.0], Anchor::Middle, label),
                false => pen.text_up([x + 4.0, bottom + 7.0], Anchor::End, label),
            }
        }
        bottom + if lies_flat { 17.0 } else { 8.0 + labels.width }
    }
}

/// Around an area: a line inside it would hide cells of one pixel.
fn frame(low: [f32; 2], high: [f32; 2], pen: &mut Pen) {
    let (low, high) = (low.map(|at| at - 0.5), high.map(|at| at + 0.5));
    let corners = [low, [high[0], low[1]], high, [low[0], high[1]], low];
    for pair in corners.windows(2) {
        pen.line(pair[0], pair[1], INK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(n_rows: usize, n_columns: usize, scale: Scale) -> HeatMap {
        let names = |n: usize| (0..n).map(|i| format!("token {i}")).collect();
        let value = |i: usize| {
            let (row, column) = (i / n_columns, i % n_columns);
            (column <= row).then(|| 1.0 / (1 + row - column) as f32)
        };
        let [title, row_name, column_name] = ["title", "query", "key"].map(String::from);
        let (value_name, caveat) = ("weight".into(), "a caveat".into());
        let (row_labels, column_labels) = (names(n_rows), names(n_columns));
        let values = (0..n_rows * n_columns).map(value).collect();
        HeatMap {
            title,
            row_name,
            column_name,
            value_name,
            row_labels,
            column_labels,
            values,
            scale,
            strongest: None,
            caveat,
        }
    }

    /// Every letter inside the picture, and no text on another.
    fn check(map: &HeatMap) {
        let drawing = map.draw().unwrap();
        super::super::overlap::check(&drawing);
    }

    #[test]
    fn labels_never_overlap() {
        for scale in [Scale::Unsigned { gamma: 0.5 }, Scale::Signed] {
            for (n_rows, n_columns) in [(1, 1), (3, 40), (64, 64), (100, 7), (5, 700), (0, 0)] {
                check(&map(n_rows, n_columns, scale));
            }
        }
    }

    #[test]
    fn cells_have_the_colours_of_their_values() {
        let small = map(3, 3, Scale::Unsigned { gamma: 1.0 }).draw().unwrap().svg();
        assert!(small.contains("token 2 &lt;- token 1: 0.5"), "{small}");
        assert!(!small.contains("<image"));
        let large = map(70, 3, Scale::Signed).draw().unwrap();
        assert!(large.svg().contains("href=\"data:image/png;base64,iVBOR"));
        let image = large.shapes.iter().find_map(|shape| match shape {
            Shape::Image { pixels, .. } => Some(pixels),
            _ => None,
        });
        let image = image.unwrap();
        assert_eq!((image.width, image.height), (3, 70));
        assert_eq!(image.at(0, 0), diverging(1.0));
        assert_eq!(image.at(1, 2), diverging(0.5));
        assert_eq!(image.at(1, 0), HIDDEN);
    }

    #[test]
    fn too_many_cells_are_refused() {
        let error = map(2, N_CELLS_MAX + 1, Scale::Signed).draw().err().unwrap();
        assert_eq!(error.to_string(), "2001 columns do not fit a picture: at most 2000 do");
    }

    #[test]
    fn values_that_are_no_numbers_are_drawn() {
        let mut map = map(2, 2, Scale::Signed);
        map.values = vec![Some(f32::NAN), Some(f32::INFINITY), Some(0.0), None];
        check(&map);
        map.values = vec![Some(0.0); 4];
        check(&map);
    }
}
