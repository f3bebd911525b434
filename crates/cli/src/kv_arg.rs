//! `--kv`: how keys and values are stored, in all layers or in some.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use anyhow::{Result, bail};
use model::ModelConfig;
use model::kv::{KvShape, KvType};

use crate::Usage;

/// Types of cached keys and values: `q8_0` for both, `q8_0/q4_0` for each;
/// `q4_0:0=f16:8-9=q8_0/q4_0` with other ones in some layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KvArg {
    pub(crate) k: KvType,
    pub(crate) v: KvType,
    /// Later ones win.
    layers: Vec<LayersArg>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct LayersArg {
    layers: RangeInclusive<usize>,
    k: KvType,
    v: KvType,
}

impl KvArg {
    pub(crate) const fn of(kind: KvType) -> Self {
        Self { k: kind, v: kind, layers: Vec::new() }
    }

    /// # Errors
    /// A layer that the model does not have; types for values that are a part of their keys.
    pub(crate) fn shape(&self, config: &ModelConfig) -> Result<KvShape> {
        let types = [(self.k, self.v)].into_iter();
        let of_layers = self.layers.iter().map(|layers| (layers.k, layers.v));
        if types.chain(of_layers).any(|(k, v)| k != v) {
            check_own_values(config)?;
        }
        let mut shape = KvShape::of(config, self.k, self.v);
        for LayersArg { layers, k, v } in &self.layers {
            let n_layers = shape.layers.len();
            let Some(layers) = shape.layers.get_mut(layers.clone()) else {
                let last = n_layers.saturating_sub(1);
                bail!(Usage(format!(
                    "--kv {self}: layer {}: the model has 0 to {last}",
                    layers.end()
                )));
            };
            layers.iter_mut().for_each(|layer| (layer.k_type, layer.v_type) = (*k, *v));
        }
        Ok(shape)
    }
}

/// # Errors
/// Values that are a part of keys have no type of their own.
pub(crate) fn check_own_values(config: &ModelConfig) -> Result<()> {
    match config.latent {
        None => Ok(()),
        Some(_) => bail!(Usage(
            "this model's values are a part of its keys: choose one type of cache for both".into()
        )),
    }
}

impl FromStr for KvArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split(':');
        let (k, v) = types(parts.next().unwrap_or_default())?;
        let layers = parts.map(layers).collect::<Result<_, _>>()?;
        Ok(Self { k, v, layers })
    }
}

fn types(text: &str) -> Result<(KvType, KvType), String> {
    let (k, v) = text.split_once('/').unwrap_or((text, text));
    Ok((kv_type(k)?, kv_type(v)?))
}

/// `0=f16`, or `8-9=q8_0/q4_0`.
fn layers(text: &str) -> Result<LayersArg, String> {
    let expected = || format!("{text:?}: expected layers and types such as 0=f16 or 0-2=q8_0/q4_0");
    let (range, kinds) = text.split_once('=').ok_or_else(expected)?;
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let [first, last] = [first, last].map(|n| n.parse::<usize>().ok());
    let (first, last) = first.zip(last).filter(|(a, b)| a <= b).ok_or_else(expected)?;
    let (k, v) = types(kinds)?;
    Ok(LayersArg { layers: first..=last, k, v })
}

pub(crate) fn kv_type(name: &str) -> Result<KvType, String> {
    let found = KvType::ALL.into_iter().find(|kind| kind.name() == name);
    found.ok_or_else(|| {
        let known = KvType::ALL.map(KvType::name).join(", ");
        format!("{name:?} is no type of cache; known: {known}, or K/V such as q8_0/q4_0")
    })
}

impl fmt::Display for KvArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_types(f, self.k, self.v)?;
        for LayersArg { layers, k, v } in &self.layers {
            match (layers.start(), layers.end()) {
                (first, last) if first == last => write!(f, ":{first}=")?,
                (first, last) => write!(f, ":{first}-{last}=")?,
            }
            write_types(f, *k, *v)?;
        }
        Ok(())
    }
}

fn write_types(f: &mut fmt::Formatter<'_>, k: KvType, v: KvType) -> fmt::Result {
    if k == v { f.write_str(k.name()) } else { write!(f, "{}/{}", k.name(), v.name()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_again() {
        for text in ["f16", "q8_0/q4_0", "q4_0:0=f16", "q4_0:0-2=q8_0/q4_0:8=f32"] {
            assert_eq!(text.parse::<KvArg>().expect("types").to_string(), text);
        }
        for text in ["", "f8", "f16/", "f16:", "f16:0", "f16:2-1=q8_0", "f16:a=f16", "f16:-1=f16"] {
            assert!(text.parse::<KvArg>().is_err(), "{text}");
        }
    }
}
