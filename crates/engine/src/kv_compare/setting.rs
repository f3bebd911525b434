//! What is compared: ways to keep keys and values, as a list.

use std::fmt;

use model::ModelConfig;
use model::kv::{KvPolicy, KvShape, KvType};

/// One way to keep keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvSetting {
    pub k_type: KvType,
    pub v_type: KvType,
    pub policy: KvPolicy,
}

impl KvSetting {
    /// Nothing is rounded, nothing let go of.
    pub const REFERENCE: KvSetting =
        KvSetting { k_type: KvType::F32, v_type: KvType::F32, policy: KvPolicy::KeepAll };

    pub fn shape(self, config: &ModelConfig) -> KvShape {
        KvShape::of(config, self.k_type, self.v_type)
    }
}

/// `q8_0`, or `q8_0/q4_0` where keys and values differ, and a policy that lets go of something.
impl fmt::Display for KvSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { k_type, v_type, policy } = self;
        f.write_str(k_type.name())?;
        if k_type != v_type {
            write!(f, "/{}", v_type.name())?;
        }
        if *policy == KvPolicy::KeepAll { Ok(()) } else { write!(f, " {policy}") }
    }
}

/// Every type of keys with every type of values under every policy. Without types of values, each
/// type of keys with itself; without policies, all is kept.
pub fn settings(k_types: &[KvType], v_types: &[KvType], policies: &[KvPolicy]) -> Vec<KvSetting> {
    let mut settings = Vec::new();
    let policies = if policies.is_empty() { &[KvPolicy::KeepAll] } else { policies };
    for &k_type in k_types {
        let same = [k_type];
        let v_types = if v_types.is_empty() { &same[..] } else { v_types };
        for &v_type in v_types {
            for &policy in policies {
                let setting = KvSetting { k_type, v_type, policy };
                if !settings.contains(&setting) {
                    settings.push(setting);
                }
            }
        }
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_pairs_in_order_and_once() {
        let check =
            |k_types: &[KvType], v_types: &[KvType], policies: &[KvPolicy], expected: &str| {
                let found: Vec<_> =
                    settings(k_types, v_types, policies).iter().map(ToString::to_string).collect();
                assert_eq!(found.join(" "), expected);
            };
        let (f16, q8_0, q4_0) = (KvType::F16, KvType::Q8_0, KvType::Q4_0);
        check(&[f16, q8_0], &[], &[], "f16 q8_0");
        check(&[f16, q8_0, f16], &[q8_0, q4_0], &[], "f16/q8_0 f16/q4_0 q8_0 q8_0/q4_0");
        let window = KvPolicy::SinksAndWindow { n_sinks: 4, window: 64 };
        check(&[f16], &[], &[KvPolicy::KeepAll, window], "f16 f16 window=64,sinks=4");
    }
}
