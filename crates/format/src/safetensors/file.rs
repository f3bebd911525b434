//! One safetensors file: bytes -> tensors, every field checked.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::Path;

use kernels::DType;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::mapped::read_file;
use crate::safetensors::raw::{RawTensor, RawType};
use crate::safetensors::{HEADER_BYTES_MAX, METADATA_KEY};
use crate::tensor::TensorTable;
use crate::{Bytes, Error, Mapping, Tensor, TensorInfo};

/// An opened file. Data must fill it without gaps or overlaps, as the format demands.
#[derive(Debug)]
pub struct SafetensorsFile {
    pub(super) tensors: TensorTable,
    pub(super) raw: RawTensors,
    pub(super) unreadable: Unreadable,
    pub(super) n_bytes: u64,
}

/// By name.
pub(super) type RawTensors = HashMap<String, RawTensor>;
/// Names and types of all others. A model may have some that nobody asks for; only asking is an
/// error.
pub(super) type Unreadable = HashMap<String, String>;

impl SafetensorsFile {
    /// # Errors
    /// What is wrong with the file, by field or tensor.
    pub fn open(path: &Path, mapping: Mapping) -> Result<Self, Error> {
        read(&read_file(path, mapping)?, path)
    }

    /// Reads a file in memory. `name` is the file name for errors.
    ///
    /// # Errors
    /// As for [`SafetensorsFile::open`].
    pub fn from_bytes(bytes: Bytes, name: &str) -> Result<Self, Error> {
        read(&bytes, Path::new(name))
    }

    pub fn tensor(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).cloned()
    }

    /// Those of floats, in the order of the header.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.infos()
    }
}

/// One tensor of a header, not yet checked.
#[derive(serde::Deserialize)]
struct Entry {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

const LENGTH_BYTES: usize = size_of::<u64>();

fn read(bytes: &Bytes, file: &Path) -> Result<SafetensorsFile, Error> {
    let n_bytes = bytes.len() as u64;
    let truncated = |place: &str, needed, left| {
        let (file, place) = (file.into(), place.into());
        Error::Truncated { file, place, needed, left }
    };
    let (length, rest) = bytes
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or_else(|| truncated("the length of the header", LENGTH_BYTES as u64, n_bytes))?;
    let n_header = u64::from_le_bytes(*length);
    if n_header > HEADER_BYTES_MAX {
        let expected = format!("at most {HEADER_BYTES_MAX} bytes");
        return Err(Error::malformed(file, "length of the header", expected, n_header.to_string()));
    }
    let header = rest
        .get(..n_header as usize)
        .ok_or_else(|| truncated("the header", n_header, rest.len() as u64))?;
    let entries = parse_header(header).map_err(|cause| Error::Json { file: file.into(), cause })?;
    let data = bytes.slice(LENGTH_BYTES + header.len()..bytes.len());
    check_data_is_filled(&entries, data.len() as u64, n_bytes, file)?;

    let mut tensors = TensorTable::default();
    let (mut raw, mut unreadable) = (RawTensors::new(), Unreadable::new());
    for (name, entry) in entries {
        let [begin, end] = entry.data_offsets;
        let bytes = data.slice(begin as usize..end as usize); // inside, as checked above
        if let Some(dtype) = RawType::from_name(&entry.dtype) {
            let tensor = RawTensor { dtype, shape: entry.shape, bytes }.checked(&name, file)?;
            raw.insert(name, tensor);
            continue;
        }
        let Some(dtype) = float_type(&entry.dtype) else {
            unreadable.insert(name, entry.dtype);
            continue;
        };
        let info = TensorInfo { name, dtype, shape: entry.shape };
        let (expected, found) = (info.n_bytes(file)? as u64, end - begin);
        if found != expected {
            let (file, tensor) = (file.into(), info.name);
            return Err(Error::TensorLength { file, tensor, expected, found });
        }
        tensors.insert(Tensor { info, bytes }, file)?;
    }
    Ok(SafetensorsFile { tensors, raw, unreadable, n_bytes })
}

/// The types that hold weights; safetensors and GGUF spell them alike.
fn float_type(name: &str) -> Option<DType> {
    [DType::F32, DType::F16, DType::BF16].into_iter().find(|dtype| dtype.name() == name)
}

/// Each tensor begins where another ends, the first at 0, and the last ends with the file.
fn check_data_is_filled(
    entries: &[(String, Entry)],
    n_data: u64,
    n_bytes: u64,
    file: &Path,
) -> Result<(), Error> {
    let mut placed: Vec<_> = entries.iter().map(|(name, e)| (e.data_offsets, name)).collect();
    placed.sort_unstable();
    let mut previous_end = 0;
    for ([begin, end], name) in placed {
        let misplaced = |expected: String, offset| {
            let (file, tensor) = (file.into(), name.clone());
            Err(Error::TensorOffset { file, tensor, expected, offset })
        };
        if begin != previous_end {
            return misplaced(format!("{previous_end}, where the tensor before it ends"), begin);
        }
        if end < begin {
            return misplaced(format!("an end of at least {begin}, where it begins"), end);
        }
        if end > n_data {
            let end = end.saturating_add(n_bytes - n_data); // of the file, not of the data
            let (file, tensor) = (file.into(), name.clone());
            return Err(Error::TensorOutside { file, tensor, end, n_bytes });
        }
        previous_end = end;
    }
    if previous_end != n_data {
        let expected = format!("{previous_end} bytes, where the last tensor ends");
        return Err(Error::malformed(file, "length of the data", expected, n_data.to_string()));
    }
    Ok(())
}

/// Tensors in the order of the header. A name that appears twice is an error, where a JSON map
/// would keep the last.
fn parse_header(header: &[u8]) -> Result<Vec<(String, Entry)>, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_slice(header);
    let entries = json.deserialize_map(HeaderVisitor)?;
    json.end()?;
    Ok(entries)
}

struct HeaderVisitor;

impl<'de> Visitor<'de> for HeaderVisitor {
    type Value = Vec<(String, Entry)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        let mut names = HashSet::new();
        while let Some(name) = map.next_key::<String>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom(format_args!("{name:?} appears twice")));
            }
            if name == METADATA_KEY {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let entry = map.next_value_seed(EntrySeed { name: &name })?;
            entries.push((name, entry));
        }
        Ok(entries)
    }
}

/// Reads an [`Entry`] and names the tensor when it cannot.
struct EntrySeed<'a> {
    name: &'a str,
}

impl<'de> DeserializeSeed<'de> for EntrySeed<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        serde::Deserialize::deserialize(deserializer)
            .map_err(|error| D::Error::custom(format_args!("tensor {:?}: {error}", self.name)))
    }
}
