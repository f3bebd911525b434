//! Policies by name, as people and programs write them.

use std::str::FromStr;

use super::{Importance, KvPolicy};

/// A text that names no policy.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    #[error(
        "expected all, window=N, window=N,sinks=M, blocks=N, snapkv=N or expected=N, found {found}"
    )]
    Unknown { found: String },
    /// The first tokens and the last stay whatever they matter, and some more.
    #[error("expected at least {N_KEYS_MIN} tokens to keep, found {found}")]
    TooFew { found: u32 },
}

const N_SINKS: u32 = 4;
const N_KEYS_MIN: u32 = 256;

impl FromStr for KvPolicy {
    type Err = PolicyError;

    /// `all`, `window=2048,sinks=4`, `blocks=32`, `snapkv=1024`, `expected=1024`.
    fn from_str(text: &str) -> Result<Self, PolicyError> {
        let unknown = || PolicyError::Unknown { found: text.chars().take(80).collect() };
        if text == "all" {
            return Ok(Self::KeepAll);
        }
        if let Some(n) = text.strip_prefix("blocks=") {
            let n_blocks = n.parse().map_err(|_| unknown())?;
            return Ok(Self::TopBlocks { n_blocks, from: 0 });
        }
        let evictions = [("snapkv=", Importance::Observed), ("expected=", Importance::Expected)];
        for (name, by) in evictions {
            let Some(n) = text.strip_prefix(name) else { continue };
            let n_keys = n.parse().map_err(|_| unknown())?;
            if n_keys < N_KEYS_MIN {
                return Err(PolicyError::TooFew { found: n_keys });
            }
            return Ok(Self::Evict { by, n_keys, n_prompt: 0 });
        }
        let (mut window, mut n_sinks) = (None, None);
        for part in text.split(',') {
            let (number, n) = match part.split_once('=') {
                Some(("window", n)) => (&mut window, n),
                Some(("sinks", n)) => (&mut n_sinks, n),
                _ => return Err(unknown()),
            };
            if number.is_some() {
                return Err(unknown());
            }
            *number = Some(n.parse::<u32>().map_err(|_| unknown())?);
        }
        let window = window.filter(|&n| n > 0).ok_or_else(unknown)?;
        Ok(Self::SinksAndWindow { n_sinks: n_sinks.unwrap_or(N_SINKS), window })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read() {
        for text in ["all", "window=64,sinks=4", "blocks=8", "snapkv=256", "expected=300"] {
            assert_eq!(text.parse::<KvPolicy>().map(|policy| policy.to_string()), Ok(text.into()));
        }
        for text in ["", "window=0", "window=1,window=2", "sinks=3", "snapkv=1", "none"] {
            assert!(text.parse::<KvPolicy>().is_err(), "{text}");
        }
    }
}
