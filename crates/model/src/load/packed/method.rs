//! `quantization_config` of config.json: how the matrices of a folder are stored.

use serde_json::Value;

use super::awq::Awq;
use super::gptq::{Gptq, Zeros};
use crate::config_hf::{count, flag};
use crate::error::LoadError;

/// Which modules it holds for, their tensors say.
#[derive(Clone, Copy)]
pub(in crate::load) enum Method {
    Gptq(Gptq),
    Awq(Awq),
}

const KEY: &str = "quantization_config";

impl Method {
    /// `None`: matrices are floats.
    ///
    /// # Errors
    /// A method, or a variant of one, that is not read.
    pub(in crate::load) fn of(config: &Value) -> Result<Option<Self>, LoadError> {
        let json = &config[KEY];
        if json.is_null() {
            return Ok(None);
        }
        let method = json["quant_method"].as_str().unwrap_or_default();
        Ok(Some(match method {
            "gptq" => Self::Gptq(gptq(json)?),
            "awq" => Self::Awq(awq(json)?),
            _ => return Err(LoadError::UnknownQuantization { found: method.to_owned() }),
        }))
    }

    /// What stands in place of `weight` in the name of a module that it has quantised.
    pub(in crate::load) fn stored_as(self) -> &'static str {
        match self {
            Self::Gptq(_) | Self::Awq(_) => "qweight",
        }
    }
}

fn gptq(json: &Value) -> Result<Gptq, LoadError> {
    one_of(json, "pack_dtype", &["int32"])?;
    one_of(json, "checkpoint_format", &["gptq", "gptq_v2"])?;
    let n_bits = match count(json, &["bits"])? {
        Some(n @ (4 | 8)) => n as u32,
        found => return Err(wrong("bits", "4 or 8", found.map_or(Value::Null, Value::from))),
    };
    let zeros = match json["checkpoint_format"].as_str() {
        Some("gptq_v2") => Zeros::Plain,
        _ => Zeros::LessOne,
    };
    Ok(Gptq { n_bits, group: group(json)?, zeros })
}

fn awq(json: &Value) -> Result<Awq, LoadError> {
    one_of(json, "version", &["gemm", "GEMM"])?;
    match count(json, &["bits", "w_bit"])? {
        Some(4) => {}
        found => return Err(wrong("bits", "4", found.map_or(Value::Null, Value::from))),
    }
    if flag(json, &["zero_point"])? == Some(false) {
        return Err(wrong("zero_point", "true", false.into()));
    }
    Ok(Awq { group: group(json)? })
}

/// Inputs that share a scale; `None`, which files write as -1: all.
fn group(json: &Value) -> Result<Option<usize>, LoadError> {
    let key = "group_size";
    match &json[key] {
        found if found.as_i64() == Some(-1) => Ok(None),
        _ => match count(json, &[key, "q_group_size"])? {
            Some(n) if n > 0 => Ok(Some(n)),
            _ => Err(wrong(key, "a positive number, or -1", json[key].clone())),
        },
    }
}

/// A word that may be missing.
fn one_of(json: &Value, key: &str, words: &[&str]) -> Result<(), LoadError> {
    let found = &json[key];
    if found.is_null() || words.iter().any(|word| found == word) {
        return Ok(());
    }
    Err(wrong(key, words[..].join(" or "), found.clone()))
}

fn wrong(key: &str, expected: impl Into<String>, found: Value) -> LoadError {
    LoadError::config(&format!("{KEY}.{key}"), expected.into(), found)
}
