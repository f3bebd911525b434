//! How attention behaves over a text, as pictures.

use anyhow::Result;
use inspect::capture::Statistics;
use inspect::plot::{Drawing, HeatMap, Lines, Scale, Series, XScale};

use super::map::mean_of_layer;

/// What bins of queries read of bins of keys, in the mean over layers and heads.
///
/// # Errors
/// More bins than a picture can show.
pub(super) fn blocks(model: &str, found: &Statistics) -> Result<Drawing> {
    let (n_bins, bin_len) = (found.n_bins(), found.bin_len());
    let selection = found.selection();
    let n_heads = selection.n_heads() as f32;
    let mut values = vec![None; n_bins * n_bins];
    for (layer, head) in (0..selection.layers().len())
        .flat_map(|layer| (0..selection.heads().len()).map(move |head| (layer, head)))
    {
        for (bin, row) in values.chunks_exact_mut(n_bins.max(1)).enumerate() {
            for (sum, weight) in row.iter_mut().zip(found.block_row((layer, head), bin)) {
                *sum = Some(sum.unwrap_or(0.0) + weight / n_heads);
            }
        }
    }
    let labels: Vec<String> = (0..n_bins).map(|bin| (bin * bin_len).to_string()).collect();
    let of = match (selection.layers(), selection.heads()) {
        ([layer], [head]) => format!("layer {layer}, head {head}"),
        (_, _) => format!("mean of {n_heads} heads"),
    };
    let map = HeatMap {
        title: format!("Which blocks {model} looks at: {of}"),
        row_name: format!("first query of a block of {bin_len}"),
        column_name: "first key of a block".to_owned(),
        value_name: "share".to_owned(),
        row_labels: labels.clone(),
        column_labels: labels,
        values,
        scale: Scale::Unsigned { gamma: 0.5 },
        strongest: Some(1.0),
        caveat: "the first block holds the first token, which takes what is needed nowhere; \
                 colours grow with the square root of the share"
            .to_owned(),
    };
    Ok(map.draw()?)
}

/// What the first token and the nearest keys weigh, layer after layer.
pub(super) fn layers(model: &str, found: &Statistics) -> Drawing {
    let numbers = found.selection().layers();
    let series = |name: &str, of: fn(&inspect::capture::MeanStats) -> f32| Series {
        name: name.to_owned(),
        points: numbers
            .iter()
            .enumerate()
            .map(|(layer, &layer_idx)| (layer_idx as f64, of(&mean_of_layer(found, layer)).into()))
            .collect(),
    };
    let lines = Lines {
        title: format!("Where the layers of {model} look"),
        x_name: "layer".to_owned(),
        y_name: "share of attention".to_owned(),
        x_scale: XScale::Linear,
        series: vec![
            series("first token", |stats| stats.first),
            series("last 64 keys", |stats| stats.local),
        ],
        caveat: "means over heads and rows; of a text shorter than 64 tokens both count the first"
            .to_owned(),
    };
    lines.draw()
}
