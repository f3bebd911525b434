//! `quantization_config` of config.json: how the matrices of a folder are stored.

use serde_json::Value;

use super::awq::Awq;
use super::compressed_tensors;
use super::fp8::Fp8;
use super::gptq::{Gptq, Zeros};
use super::mxfp4::Mxfp4;
use super::pack_quantized::PackQuantized;
use crate::config_hf::{count, flag};
use crate::error::LoadError;

/// Which modules it holds for, their tensors say.
#[derive(Clone, Copy)]
pub(in crate::load) enum Method {
    Gptq(Gptq),
    Awq(Awq),
    Fp8(Fp8),
    Mxfp4(Mxfp4),
    PackQuantized(PackQuantized),
}

pub(super) const KEY: &str = "quantization_config";

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
            "fp8" => Self::Fp8(Fp8 { block: block(json, "weight_block_size", KEY)? }),
            "mxfp4" => Self::Mxfp4(Mxfp4),
            "compressed-tensors" => compressed_tensors::method(json)?,
            _ => return Err(LoadError::UnknownQuantization { found: method.to_owned() }),
        }))
    }

    /// How the name of a matrix's greatest part ends, behind that of its module.
    pub(in crate::load) fn stored_as(self) -> &'static str {
        match self {
            Self::Gptq(_) | Self::Awq(_) => ".qweight",
            Self::Fp8(_) => ".weight",
            Self::Mxfp4(_) => "_blocks",
            Self::PackQuantized(_) => ".weight_packed",
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

/// Rows and columns of blocks; `None`: there are none.
pub(super) fn block(json: &Value, key: &str, place: &str) -> Result<Option<[usize; 2]>, LoadError> {
    let found = &json[key];
    if found.is_null() {
        return Ok(None);
    }
    let size = |at: usize| found[at].as_u64().filter(|n| (1..=u64::from(u32::MAX)).contains(n));
    match (size(0), size(1), found.as_array().map(Vec::len)) {
        (Some(rows), Some(cols), Some(2)) => Ok(Some([rows as usize, cols as usize])),
        _ => {
            let expected = "two positive numbers".into();
            Err(LoadError::config(&format!("{place}.{key}"), expected, found))
        }
    }
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
pub(super) fn one_of(json: &Value, key: &str, words: &[&str]) -> Result<(), LoadError> {
    let found = &json[key];
    if found.is_null() || words.iter().any(|word| found == word) {
        return Ok(());
    }
    Err(wrong(key, words[..].join(" or "), found.clone()))
}

pub(super) fn wrong(key: &str, expected: impl Into<String>, found: Value) -> LoadError {
    LoadError::config(&format!("{KEY}.{key}"), expected.into(), found)
}
