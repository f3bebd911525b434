//! What is kept of a text's attention while it is computed, each kind a [`Watcher`] of its own,
//! bounded before it begins.
//!
//! [`Watcher`]: engine::Watcher

mod all;
mod all_rows;
mod logits;
mod offsets;
mod output;
mod row_statistics;
mod rows;
mod selection;
mod sources;
mod spans;
mod spread;
mod statistics;
mod value_norms;

pub use all::All;
pub use all_rows::{AllRows, Distance, RowDistances};
pub use logits::{LogitTerms, NoLogitTerms, Target};
pub use offsets::{OffsetWeights, OffsetsPlan};
pub use row_statistics::{RowStatistics, SinkApart};
pub use rows::{RowPlan, TopRows};
pub use selection::{Selection, SelectionError};
pub use sources::{Found, Lens, SourceRow, Sources, SourcesError, SourcesPlan};
pub use spans::{SpanWeights, SpansPlan};
pub use spread::{Spread, SpreadFound, SpreadPlan};
pub use statistics::{MeanStats, Statistics, StatisticsPlan};

/// What is to be seen takes more memory than it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "what is to be seen of attention takes {}, the limit is {}: choose fewer layers, heads or \
     rows, fewer keys a row, or a higher limit",
    in_words(*needed),
    in_words(*limit)
)]
pub struct PlanTooLarge {
    pub needed: usize,
    pub limit: usize,
}

fn in_words(n_bytes: usize) -> String {
    const MIB: usize = 1 << 20;
    match n_bytes {
        0..MIB => format!("{n_bytes} bytes"),
        // Rounded up: what is just too much does not look as if it fitted.
        _ => format!("{} MiB", n_bytes.div_ceil(MIB)),
    }
}

/// # Errors
/// [`PlanTooLarge`].
pub(crate) fn check_size(needed: usize, limit: usize) -> Result<(), PlanTooLarge> {
    if needed > limit { Err(PlanTooLarge { needed, limit }) } else { Ok(()) }
}
