//! How attention behaves over a whole text: statistics of rows and a map of blocks, both summed
//! over bins of positions, so that they are small however long the text is.

use std::ops::Range;

use engine::Watcher;
use kernels::KEY_BLOCK;
use model::batch::KeysOf;
use model::probe::{LayerAt, RowStats, Statistics as OfBatch};
use serde::Serialize;

use super::selection::Selection;
use super::{PlanTooLarge, check_size};

/// Which heads, and of how long a text.
#[derive(Clone, Debug)]
pub struct StatisticsPlan {
    pub selection: Selection,
    /// Tokens of the text, with those to come.
    pub n_tokens: usize,
}

/// Statistics of each head, a bin of positions at a time, and what each bin of keys weighs in the
/// mean over the queries of a bin: the block map.
pub struct Statistics {
    plan: StatisticsPlan,
    /// Positions of a bin, a multiple of 64.
    bin_len: usize,
    n_bins: usize,
    /// Queries seen of each bin, by layer: `[n_layers, n_bins]`
    counts: Vec<u32>,
    /// `[n_heads of all layers, n_bins]` of sums over queries
    sums: Vec<[f32; RowStats::N]>,
    /// `[n_heads of all layers, pairs of bins]`: sums over queries; of the bins of keys up to that
    /// of the queries.
    map: Vec<f32>,
}

/// The mean of a bin's rows, in the letters of [`RowStats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct MeanStats {
    /// In nats.
    pub entropy: f32,
    /// The weight of the first key.
    pub first: f32,
    /// Of the last 64 keys.
    pub local: f32,
    /// In keys.
    pub distance: f32,
}

impl StatisticsPlan {
    /// Bytes of all bins of so many positions.
    fn n_bytes(&self, bin_len: usize) -> usize {
        let n_bins = self.n_tokens.div_ceil(bin_len);
        let of_head = n_bins * size_of::<[f32; RowStats::N]>() + n_pairs(n_bins) * size_of::<f32>();
        self.selection.n_heads() * of_head
    }
}

/// Pairs of a bin of queries and one of keys, up to itself.
fn n_pairs(n_bins: usize) -> usize {
    n_bins * (n_bins + 1) / 2
}

impl Statistics {
    /// With the smallest bins that fit, of 64 positions or of 128, 256 and so on.
    ///
    /// # Errors
    /// [`PlanTooLarge`]: not even one bin a head does.
    pub fn new(plan: StatisticsPlan, n_bytes_max: usize) -> Result<Self, PlanTooLarge> {
        let mut bin_len = KEY_BLOCK;
        while bin_len < plan.n_tokens && plan.n_bytes(bin_len) > n_bytes_max {
            bin_len *= 2;
        }
        check_size(plan.n_bytes(bin_len), n_bytes_max)?;
        let n_bins = plan.n_tokens.div_ceil(bin_len);
        let n_heads = plan.selection.n_heads();
        Ok(Self {
            bin_len,
            n_bins,
            counts: vec![0; plan.selection.layers().len() * n_bins],
            sums: vec![[0.0; RowStats::N]; n_heads * n_bins],
            map: vec![0.0; n_heads * n_pairs(n_bins)],
            plan,
        })
    }

    pub fn selection(&self) -> &Selection {
        &self.plan.selection
    }

    pub fn bin_len(&self) -> usize {
        self.bin_len
    }

    pub fn n_bins(&self) -> usize {
        self.n_bins
    }

    /// The mean over the rows of a bin of queries; `None`: none was seen. Layers and heads are
    /// counted within the selection.
    pub fn mean(&self, (layer, head): (usize, usize), bin_idx: usize) -> Option<MeanStats> {
        let n = self.counts[layer * self.n_bins + bin_idx];
        let sums = self.sums[self.head(layer, head) * self.n_bins + bin_idx];
        let [_, entropy, first, local, distance] = sums.map(|sum| sum / n as f32);
        (n > 0).then_some(MeanStats { entropy, first, local, distance })
    }

    /// What the bins of keys up to `bin_idx` weigh in the mean over the queries of that bin.
    pub fn block_row(&self, (layer, head): (usize, usize), bin_idx: usize) -> Vec<f32> {
        let n = self.counts[layer * self.n_bins + bin_idx].max(1);
        let sums = &self.map[self.map_row(self.head(layer, head), bin_idx)];
        sums.iter().map(|sum| sum / n as f32).collect()
    }

    fn head(&self, layer: usize, head: usize) -> usize {
        layer * self.plan.selection.heads().len() + head
    }

    fn map_row(&self, head: usize, bin_idx: usize) -> Range<usize> {
        let first = head * n_pairs(self.n_bins) + n_pairs(bin_idx);
        first..first + bin_idx + 1
    }
}

impl Watcher for Statistics {
    fn first_pos(&self) -> usize {
        0
    }

    fn restart(&mut self) {
        self.counts.fill(0);
        self.sums.fill([0.0; RowStats::N]);
        self.map.fill(0.0);
    }

    fn wants_statistics(&self, layer: LayerAt) -> bool {
        layer.keys_of == KeysOf::Own && self.plan.selection.place(layer.layer_idx).is_some()
    }

    fn statistics(
        &mut self,
        layer: LayerAt,
        rows: Range<usize>,
        first_pos: u32,
        found: &OfBatch<'_>,
    ) {
        let Some(layer) = self.plan.selection.place(layer.layer_idx) else { return };
        let bands = found.bands().iter().enumerate();
        for (band_idx, band) in bands.filter(|(_, band)| rows.contains(&band.start)) {
            let bin_idx = (first_pos as usize + band.start - rows.start) / self.bin_len;
            if bin_idx >= self.n_bins {
                continue;
            }
            self.counts[layer * self.n_bins + bin_idx] += band.len() as u32;
            for head in 0..self.plan.selection.heads().len() {
                let (at, head_idx) = (self.head(layer, head), self.plan.selection.heads()[head]);
                let sums = &mut self.sums[at * self.n_bins + bin_idx];
                for token_idx in band.clone() {
                    let stats: &[f32; RowStats::N] =
                        bytemuck::cast_ref(found.row(token_idx, head_idx));
                    sums.iter_mut().zip(stats).for_each(|(sum, x)| *sum += x);
                }
                let row = self.map_row(at, bin_idx);
                let masses = found.masses(band_idx, head_idx).chunks(self.bin_len / KEY_BLOCK);
                for (sum, masses) in self.map[row].iter_mut().zip(masses) {
                    *sum += masses.iter().sum::<f32>();
                }
            }
        }
    }
}
