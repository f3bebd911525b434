//! Rows as a heat map, and what files of rows ask for.

use std::path::PathBuf;

use anyhow::{Result, bail};
use inspect::capture::Selection;
use inspect::export::{ExportFormat, Tokens};
use inspect::plot::{Drawing, HeatMap, Scale};
use inspect::record::Row;

use crate::Usage;
use crate::inspect_args::RowsArgs;

/// # Errors
/// [`Usage`]: a format with a place for every key, of rows that list some.
pub(super) fn check(args: &RowsArgs, export: Option<&(PathBuf, ExportFormat)>) -> Result<()> {
    let Some((path, format)) = export else { return Ok(()) };
    let lists = matches!(format, ExportFormat::Json | ExportFormat::Parquet);
    if !lists && args.top != usize::MAX {
        let path = path.display();
        bail!(Usage(format!("-o {path}: the format has a place for every key, add --top all")));
    }
    Ok(())
}

/// # Errors
/// [`Usage`]: more than one head.
pub(super) fn check_one_head(selection: &Selection) -> Result<()> {
    if selection.n_heads() != 1 {
        let n = selection.n_heads();
        let what = format!("a picture is of one head, {n} are chosen: add --layers L --heads H");
        bail!(Usage(what));
    }
    Ok(())
}

/// What rows of one head weigh each key.
///
/// # Errors
/// More rows or keys than a picture can show.
pub(super) fn heat_map(model: &str, tokens: Tokens<'_>, rows: &[Row]) -> Result<Drawing> {
    let label = |pos: usize| format!("{pos} {}", tokens.pieces[pos].escape_debug());
    let n_keys = rows.iter().map(|row| row.query_pos as usize + 1).max().unwrap_or(0);
    let mut values = Vec::with_capacity(rows.len() * n_keys);
    for row in rows {
        let mut weights: Vec<Option<f32>> =
            (0..n_keys).map(|key| (key <= row.query_pos as usize).then_some(0.0)).collect();
        for &(key, weight) in &row.keys {
            weights[key as usize] = Some(weight);
        }
        values.extend(weights);
    }
    let place = rows.first().map_or_else(String::new, |row| {
        format!(", layer {}, head {}", row.layer_idx, row.head_idx)
    });
    let map = HeatMap {
        title: format!("Attention of {model}{place}"),
        row_name: "query".to_owned(),
        column_name: "key".to_owned(),
        value_name: "weight".to_owned(),
        row_labels: rows.iter().map(|row| label(row.query_pos as usize)).collect(),
        column_labels: (0..n_keys).map(label).collect(),
        values,
        scale: Scale::Unsigned { gamma: 0.5 },
        strongest: Some(1.0),
        caveat: "one head of many; colours grow with the square root of the weight, grey is out \
                 of sight"
            .to_owned(),
    };
    Ok(map.draw()?)
}

/// Keeps the heaviest keys of a row.
pub(super) fn thin(row: &mut Row, n_top: usize) {
    if row.keys.len() > n_top {
        let rest: f64 = row.keys[n_top..].iter().map(|&(_, weight)| f64::from(weight)).sum();
        row.keys.truncate(n_top);
        row.tail += rest as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_listed_is_in_the_tail() {
        let mut row = Row {
            layer_idx: 0,
            head_idx: 0,
            query_pos: 3,
            keys: vec![(2, 0.5), (0, 0.25), (1, 0.125), (3, 0.125)],
            tail: 0.0,
            virtual_sink: 0.0,
            log_sum_exp: 0.0,
            entropy: 0.0,
        };
        thin(&mut row, 4);
        assert_eq!((row.keys.len(), row.tail), (4, 0.0));
        thin(&mut row, 1);
        assert_eq!((&row.keys[..], row.tail), (&[(2, 0.5)][..], 0.5));
    }
}
