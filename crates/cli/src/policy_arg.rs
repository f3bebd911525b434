//! `--kv-policy`: what of its text a request goes without.

use std::str::FromStr;

use model::kv::{Importance, KvPolicy};

/// Nothing with `all`, `window=2048,sinks=4`, `blocks=32`, `snapkv=1024`, `expected=1024`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PolicyArg(pub(crate) KvPolicy);

impl FromStr for PolicyArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const N_SINKS: u32 = 4;
        /// The first tokens and the last, which stay whatever they matter, and some more.
        const N_KEYS_MIN: u32 = 256;
        let expected = || {
            format!(
                "expected all, window=N, window=N,sinks=M, blocks=N, snapkv=N or expected=N, found \
                 {text}"
            )
        };
        if text == "all" {
            return Ok(Self(KvPolicy::KeepAll));
        }
        if let Some(n) = text.strip_prefix("blocks=") {
            let n_blocks = n.parse().map_err(|_| expected())?;
            return Ok(Self(KvPolicy::TopBlocks { n_blocks, from: 0 }));
        }
        let evictions = [("snapkv=", Importance::Observed), ("expected=", Importance::Expected)];
        for (name, by) in evictions {
            let Some(n) = text.strip_prefix(name) else { continue };
            let n_keys = n.parse().map_err(|_| expected())?;
            if n_keys < N_KEYS_MIN {
                return Err(format!("expected at least {N_KEYS_MIN} tokens to keep, found {n}"));
            }
            return Ok(Self(KvPolicy::Evict { by, n_keys, n_prompt: 0 }));
        }
        let (mut window, mut n_sinks) = (None, None);
        for part in text.split(',') {
            let (number, n) = match part.split_once('=') {
                Some(("window", n)) => (&mut window, n),
                Some(("sinks", n)) => (&mut n_sinks, n),
                _ => return Err(expected()),
            };
            if number.is_some() {
                return Err(expected());
            }
            *number = Some(n.parse::<u32>().map_err(|_| expected())?);
        }
        let window = window.filter(|&n| n > 0).ok_or_else(expected)?;
        let n_sinks = n_sinks.unwrap_or(N_SINKS);
        Ok(Self(KvPolicy::SinksAndWindow { n_sinks, window }))
    }
}
