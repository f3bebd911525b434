//! What of a text was cached, and why no more.

use super::prefix_tree::Found;

/// What of a text was cached when its sequence was admitted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reuse {
    /// Tokens that are not computed again.
    pub n_reused: usize,
    /// Tokens that equal a cached text's; the next one is the first that differs.
    pub n_matched: usize,
    pub miss: Miss,
}

/// Why the token behind the reused ones is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Miss {
    /// No cached text begins like this one.
    #[default]
    Unknown,
    /// Cached texts go on with another token.
    Differs,
    /// The cached text ends there.
    New,
    /// All is cached; the last token is computed for its logits.
    LastToken,
    /// A layer with a sliding window has dropped the keys before the tokens that match.
    BehindWindow,
    /// More is cached, and the policy wants it computed.
    Policy,
    /// More is cached, and something is asked of tokens that is found while they are computed.
    Asked,
}

impl Miss {
    /// Where nothing else keeps it from being reused.
    pub(super) fn of(found: &Found, n_tokens: usize) -> Self {
        if found.n_tokens == n_tokens {
            Self::LastToken
        } else if found.n_tokens == 0 {
            Self::Unknown
        } else if found.goes_on {
            Self::Differs
        } else {
            Self::New
        }
    }
}
