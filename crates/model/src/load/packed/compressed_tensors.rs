//! `quantization_config` of compressed-tensors: groups of modules, each with how its weights are
//! stored. All must be alike here: which module is of which group, only patterns of names say.

use serde_json::Value;

use super::fp8::Fp8;
use super::method::{KEY, Method, block, one_of, wrong};
use super::pack_quantized::PackQuantized;
use crate::config_hf::{count, flag};
use crate::error::LoadError;

const OF_FLOATS: [&str; 2] = ["float-quantized", "naive-quantized"];
const OF_INTEGERS: &str = "pack-quantized";

pub(super) fn method(json: &Value) -> Result<Method, LoadError> {
    one_of(json, "format", &[&OF_FLOATS[..], &[OF_INTEGERS]].concat())?;
    // Rotations that activations would have to go through as well.
    let key = "transform_config";
    if json[key].as_object().is_some_and(|transforms| !transforms.is_empty()) {
        return Err(wrong(key, "nothing", json[key].clone()));
    }
    match json["format"] == OF_INTEGERS {
        true => integers(json).map(Method::PackQuantized),
        false => floats(json).map(Method::Fp8),
    }
}

/// Floats of eight bits in every group, and blocks of one size.
fn floats(json: &Value) -> Result<Fp8, LoadError> {
    let mut fp8 = Fp8 { block: None };
    for group in groups(json) {
        group.check(&OF_FLOATS, &[("type", &["float"]), ("num_bits", &["8"])])?;
        group.check(&OF_FLOATS, &[("strategy", &["tensor", "channel", "block"])])?;
        let found = block(group.weights, "block_structure", &group.place)?;
        if fp8.block.is_some() && found.is_some() && fp8.block != found {
            return Err(group.wrong("block_structure", "that of the other groups"));
        }
        fp8.block = fp8.block.or(found);
    }
    Ok(fp8)
}

/// Integers of as many bits in every group, with scales of as many inputs.
fn integers(json: &Value) -> Result<PackQuantized, LoadError> {
    let mut first = None;
    for group in groups(json) {
        let formats = &[OF_INTEGERS];
        group.check(formats, &[("type", &["int"]), ("num_bits", &["4", "8"])])?;
        group.check(formats, &[("strategy", &["group", "channel"])])?;
        let weights = group.weights;
        let size = match weights["strategy"] == "group" {
            false => None,
            true => match count(weights, &["group_size"])? {
                Some(n) if n > 0 => Some(n),
                _ => return Err(group.wrong("group_size", "a positive number")),
            },
        };
        let found = PackQuantized {
            n_bits: if weights["num_bits"] == 4 { 4 } else { 8 },
            group: size,
            is_symmetric: flag(weights, &["symmetric"])?.unwrap_or(true),
        };
        let other = first.unwrap_or(found);
        for (key, is_alike) in [
            ("num_bits", found.n_bits == other.n_bits),
            ("group_size", found.group == other.group),
            ("symmetric", found.is_symmetric == other.is_symmetric),
        ] {
            if !is_alike {
                return Err(group.wrong(key, "that of the other groups"));
            }
        }
        first = Some(other);
    }
    let none = || wrong("config_groups", "a group of modules", json["config_groups"].clone());
    first.ok_or_else(none)
}

/// One of `config_groups`.
struct Group<'a> {
    format: &'a Value,
    weights: &'a Value,
    /// The path of `weights`.
    place: String,
}

fn groups(json: &Value) -> impl Iterator<Item = Group<'_>> {
    json["config_groups"].as_object().into_iter().flatten().map(|(name, group)| Group {
        format: &group["format"],
        weights: &group["weights"],
        place: format!("{KEY}.config_groups.{name}.weights"),
    })
}

impl Group<'_> {
    /// # Errors
    /// A format of its own that is none of `formats`, and a value that is none of those of its key.
    fn check(&self, formats: &[&str], values: &[(&str, &[&str])]) -> Result<(), LoadError> {
        if !self.format.is_null() && !formats.iter().any(|word| self.format == *word) {
            let place = self.place.replace(".weights", ".format");
            return Err(LoadError::config(&place, formats.join(" or "), self.format));
        }
        for (key, expected) in values {
            let found = &self.weights[key];
            let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
            if !expected.contains(&&*found) {
                return Err(self.wrong(key, &expected.join(" or ")));
            }
        }
        Ok(())
    }

    fn wrong(&self, key: &str, expected: &str) -> LoadError {
        LoadError::config(&format!("{}.{key}", self.place), expected.into(), &self.weights[key])
    }
}
