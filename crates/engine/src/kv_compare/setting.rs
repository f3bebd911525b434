//! What is compared: ways to keep keys and values, as a list.

use std::fmt;

use model::ModelConfig;
use model::kv::{KvShape, KvType};

/// One way to keep keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvSetting {
    pub k_type: KvType,
    pub v_type: KvType,
}

impl KvSetting {
    /// Nothing is rounded.
    pub const REFERENCE: KvSetting = KvSetting { k_type: KvType::F32, v_type: KvType::F32 };

    pub fn shape(self, config: &ModelConfig) -> KvShape {
        KvShape::of(config, self.k_type, self.v_type)
    }
}

/// `q8_0`, or `q8_0/q4_0` where keys and values differ.
impl fmt::Display for KvSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { k_type, v_type } = self;
        f.write_str(k_type.name())?;
        if k_type == v_type { Ok(()) } else { write!(f, "/{}", v_type.name()) }
    }
}

/// Every type of keys with every type of values. Without types of values, each type of keys with
/// itself.
pub fn settings(k_types: &[KvType], v_types: &[KvType]) -> Vec<KvSetting> {
    let mut settings = Vec::new();
    for &k_type in k_types {
        let same = [k_type];
        let v_types = if v_types.is_empty() { &same[..] } else { v_types };
        for &v_type in v_types {
            let setting = KvSetting { k_type, v_type };
            if !settings.contains(&setting) {
                settings.push(setting);
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
        let check = |k_types: &[KvType], v_types: &[KvType], expected: &str| {
            let found: Vec<_> =
                settings(k_types, v_types).iter().map(ToString::to_string).collect();
            assert_eq!(found.join(" "), expected);
        };
        let (f16, q8_0, q4_0) = (KvType::F16, KvType::Q8_0, KvType::Q4_0);
        check(&[f16, q8_0], &[], "f16 q8_0");
        check(&[f16, q8_0, f16], &[q8_0, q4_0], "f16/q8_0 f16/q4_0 q8_0 q8_0/q4_0");
    }
}
