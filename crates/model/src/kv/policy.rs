//! Which keys a sequence goes on without.

use std::fmt;
use std::ops::Range;

use kernels::KEY_BLOCK;

use super::eviction::{Eviction, Importance, N_OBSERVED};
use crate::attention::{AttentionPattern, Spans};

/// What a request lets go of, so that its text may grow. Positions are never renumbered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KvPolicy {
    #[default]
    KeepAll,
    /// The first `n_sinks` keys, which take the weight that belongs nowhere, and the last `window`
    /// ones: a text without an end, in constant memory and time (StreamingLLM, Xiao et al. 2024).
    /// What lies between is forgotten.
    SinksAndWindow { n_sinks: u32, window: u32 },
    /// Keeps all, but from the position `from` on a query looks only at its own block of 64 keys,
    /// the first one, and the `n_blocks` among those between that may have most of the weight
    /// (Quest, Tang et al. 2024): an approximation that reads little. Layers with a window look at
    /// all of it.
    TopBlocks { n_blocks: u32, from: u32 },
    /// Reads a prompt of `n_prompt` tokens whole, and answers from about `n_keys` of its keys, in
    /// blocks of 64: those that matter most. Layers with a window keep it.
    Evict { by: Importance, n_keys: u32, n_prompt: u32 },
}

/// `all`, `window=2048,sinks=4`, `blocks=32`, `snapkv=2048` or `expected=2048`.
impl fmt::Display for KvPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeepAll => f.write_str("all"),
            Self::SinksAndWindow { n_sinks, window } => {
                write!(f, "window={window},sinks={n_sinks}")
            }
            Self::TopBlocks { n_blocks, .. } => write!(f, "blocks={n_blocks}"),
            Self::Evict { by: Importance::Observed, n_keys, .. } => write!(f, "snapkv={n_keys}"),
            Self::Evict { by: Importance::Expected, n_keys, .. } => write!(f, "expected={n_keys}"),
        }
    }
}

impl KvPolicy {
    /// What a query sees in a layer that has this pattern without a policy. Layers with a window
    /// have no sinks.
    pub fn pattern(self, layer: AttentionPattern) -> AttentionPattern {
        match (self, layer) {
            (Self::KeepAll | Self::TopBlocks { .. } | Self::Evict { .. }, layer) => layer,
            (Self::SinksAndWindow { n_sinks, window }, AttentionPattern::Causal) => {
                AttentionPattern::SinksAndWindow { n_sinks, window }
            }
            (
                Self::SinksAndWindow { window, .. },
                AttentionPattern::SlidingWindow { window: of_layer },
            ) => AttentionPattern::SlidingWindow { window: window.min(of_layer) },
            // No model has both.
            (Self::SinksAndWindow { .. }, layer) => layer,
        }
    }

    /// The most keys of a layer without a window that a query sees; `None`: all before it.
    pub fn n_keys_max(self) -> Option<usize> {
        match self {
            Self::KeepAll | Self::TopBlocks { .. } | Self::Evict { .. } => None,
            Self::SinksAndWindow { n_sinks, window } => Some(n_sinks as usize + window as usize),
        }
    }

    /// How many blocks, and from which position on, a query looks at where it sees all.
    pub fn few(self) -> Option<(usize, u32)> {
        match self {
            Self::TopBlocks { n_blocks, from } => Some((n_blocks as usize, from)),
            Self::KeepAll | Self::SinksAndWindow { .. } | Self::Evict { .. } => None,
        }
    }

    /// What it lets go of when the prompt is read.
    pub fn eviction(self) -> Option<Eviction> {
        match self {
            Self::Evict { by, n_keys, n_prompt } => Some(Eviction::new(by, n_keys, n_prompt)),
            Self::KeepAll | Self::SinksAndWindow { .. } | Self::TopBlocks { .. } => None,
        }
    }

    /// Of `n_keys` keys of the text, those that a query behind them does not see in a layer without
    /// a window.
    pub fn n_dropped(self, n_keys: usize) -> usize {
        match (self.n_keys_max(), self.eviction()) {
            (Some(n_keys_max), _) => n_keys.saturating_sub(n_keys_max),
            (None, Some(eviction)) if n_keys >= eviction.n_prompt => eviction.n_dropped(),
            (None, _) => 0,
        }
    }

    /// Tokens of a text that look at keys as under [`Self::KeepAll`], from the first on.
    pub(crate) fn n_exact(self) -> usize {
        match self {
            Self::KeepAll => usize::MAX,
            Self::SinksAndWindow { .. } => 0,
            Self::TopBlocks { from, .. } => from as usize,
            Self::Evict { n_prompt, .. } => n_prompt as usize,
        }
    }

    /// The most keys of a layer, which may have a window, that a query behind [`Self::n_exact`]
    /// looks at.
    pub(crate) fn n_read_max(self, window_of_layer: Option<u32>) -> usize {
        let of_layer = window_of_layer.map_or(usize::MAX, |window| window as usize);
        match (self, window_of_layer) {
            (Self::SinksAndWindow { n_sinks, window }, None) => n_sinks as usize + window as usize,
            (Self::SinksAndWindow { window, .. }, Some(_)) => of_layer.min(window as usize),
            // The first one and its own among them.
            (Self::TopBlocks { n_blocks, .. }, None) => (n_blocks as usize + 2) * KEY_BLOCK,
            _ => of_layer,
        }
    }

    /// The same for a text with a prompt of so many tokens: those look at all.
    pub fn after_prompt(self, n_prompt: usize) -> Self {
        let n_prompt = u32::try_from(n_prompt).unwrap_or(u32::MAX);
        match self {
            Self::KeepAll | Self::SinksAndWindow { .. } => self,
            Self::TopBlocks { n_blocks, .. } => Self::TopBlocks { n_blocks, from: n_prompt },
            Self::Evict { by, n_keys, .. } => Self::Evict { by, n_keys, n_prompt },
        }
    }

    /// Under which policy others compute the same keys, and for how many tokens these may be
    /// taken over: those that are observed must be computed.
    pub fn shared(self) -> (Self, usize) {
        match self {
            Self::KeepAll | Self::SinksAndWindow { .. } => (self, usize::MAX),
            Self::TopBlocks { from, .. } => (Self::KeepAll, from as usize),
            Self::Evict { n_prompt, .. } => {
                (Self::KeepAll, (n_prompt as usize).saturating_sub(N_OBSERVED))
            }
        }
    }

    /// What a query sees in layers that keep a window; `None`: all.
    pub(super) fn pattern_within(self, window: Option<u32>) -> AttentionPattern {
        self.pattern(match window {
            None => AttentionPattern::Causal,
            Some(window) => AttentionPattern::SlidingWindow { window },
        })
    }

    /// Blocks that a query at `query_pos` sees, and those of the `n_more` positions before its
    /// window. `window`: of the layers.
    pub(super) fn blocks(self, window: Option<u32>, query_pos: usize, n_more: usize) -> Spans {
        let [sinks, last] = self.pattern_within(window).key_ranges(query_pos as u32);
        let [sinks, last] = [sinks, last].map(|Range { start, end }| start as usize..end as usize);
        let last = last.start.saturating_sub(n_more)..last.end;
        Spans::join([sinks, last]).units(KEY_BLOCK)
    }
}
