//! One GGUF file: bytes -> metadata and tensors, every field checked.

use std::fmt::Display;
use std::path::Path;

use kernels::DType;

use crate::gguf::array::{Numbers, Strings};
use crate::gguf::cursor::Cursor;
use crate::gguf::metadata::Metadata;
use crate::gguf::value::{Value, ValueType};
use crate::gguf::{
    ALIGNMENT_DEFAULT, ALIGNMENT_KEY, ALIGNMENT_MAX, KEY_BYTES_MAX, MAGIC, N_DIMS_MAX,
    TENSOR_NAME_BYTES_MAX,
};
use crate::tensor::TensorTable;
use crate::{Bytes, Error, Tensor, TensorInfo};

/// One file of a model.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) version: u32,
    pub(super) metadata: Metadata,
    pub(super) tensors: TensorTable,
    pub(super) n_bytes: u64,
}

/// Key of one byte, type, value of one byte.
const ENTRY_BYTES_MIN: u64 = 8 + 1 + 4 + 1;
/// Name of one byte, one dimension, type, offset.
const TENSOR_BYTES_MIN: u64 = 8 + 1 + 4 + 8 + 4 + 8;

/// `file` is the name for errors.
///
/// # Errors
/// Everything that can be wrong with the file.
pub(super) fn read_part(bytes: &Bytes, file: &Path) -> Result<Part, Error> {
    let cursor = &mut Cursor::new(bytes, file);
    let version = read_version(cursor)?;
    // Both counts stand before what they count, so this bounds them only roughly.
    let n_tensors = cursor.count(TENSOR_BYTES_MIN, &"number of tensors")?;
    let n_entries = cursor.count(ENTRY_BYTES_MIN, &"number of metadata entries")?;

    let mut metadata = Metadata::new(file.into());
    for entry_idx in 0..n_entries {
        let key = cursor.name(KEY_BYTES_MAX, &format_args!("metadata key {entry_idx}"))?;
        let value = read_value(cursor, key)?;
        metadata.insert(key.into(), value)?;
    }
    let alignment = alignment(metadata.get(ALIGNMENT_KEY), file)?;

    let mut placed = Vec::new();
    for tensor_idx in 0..n_tensors {
        placed.push(read_tensor_info(cursor, tensor_idx)?);
    }
    let data_start = cursor.pos().next_multiple_of(alignment);
    let tensors = place_tensors(placed, bytes, data_start, alignment, file)?;
    Ok(Part { version, metadata, tensors, n_bytes: bytes.len() as u64 })
}

fn read_version(cursor: &mut Cursor<'_>) -> Result<u32, Error> {
    let file = cursor.file;
    let magic = cursor.take(MAGIC.len() as u64, &"the first four bytes")?;
    if magic != MAGIC {
        let found = String::from_utf8_lossy(magic).into_owned();
        return Err(Error::NotGguf { file: file.into(), found });
    }
    match cursor.u32(&"version")? {
        version @ (2 | 3) => Ok(version),
        found if matches!(found.swap_bytes(), 1..=3) => {
            Err(Error::BigEndian { file: file.into(), version: found.swap_bytes() })
        }
        found => Err(Error::Version { file: file.into(), found }),
    }
}

fn read_value(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, Error> {
    let place = format_args!("value of metadata key {key:?}");
    match read_value_type(cursor, &format_args!("value type of metadata key {key:?}"))? {
        ValueType::String => {
            let bytes = cursor.string(&place)?;
            Ok(Value::String(cursor.text(bytes, &place)?.into()))
        }
        ValueType::Array => read_array(cursor, key),
        number => {
            let n_bytes = number.n_bytes().expect("strings and arrays are handled above");
            let bytes = cursor.take(n_bytes as u64, &place)?;
            Value::decode_number(number, bytes).ok_or_else(|| bad_bool(cursor.file, bytes, &place))
        }
    }
}

fn read_value_type(cursor: &mut Cursor<'_>, place: &dyn Display) -> Result<ValueType, Error> {
    let id = cursor.u32(place)?;
    ValueType::from_id(id).ok_or_else(|| {
        Error::malformed(cursor.file, place.to_string(), "a type number below 13", id.to_string())
    })
}

fn read_array(cursor: &mut Cursor<'_>, key: &str) -> Result<Value, Error> {
    let place = format_args!("element type of metadata key {key:?}");
    let element = read_value_type(cursor, &place)?;
    let n_place = format_args!("array length of metadata key {key:?}");
    let Some(element_bytes) = element.n_bytes() else {
        if element == ValueType::Array {
            let expected = "numbers, bools or strings";
            return Err(Error::malformed(cursor.file, place.to_string(), expected, "an array"));
        }
        let n = cursor.count(8, &n_place)?;
        return read_strings(cursor, n as usize, key);
    };
    let n = cursor.count(element_bytes as u64, &n_place)?;
    let start = cursor.pos();
    let bytes = cursor.take(n * element_bytes as u64, &n_place)?;
    if element == ValueType::Bool
        && let Some(bad_idx) = bytes.iter().position(|&byte| byte > 1)
    {
        let place = format_args!("element {bad_idx} of metadata key {key:?}");
        return Err(bad_bool(cursor.file, &bytes[bad_idx..=bad_idx], &place));
    }
    Ok(Value::Numbers(Numbers::new(element, cursor.since(start))))
}

/// `n_strings` is bounded by the file's length.
fn read_strings(cursor: &mut Cursor<'_>, n_strings: usize, key: &str) -> Result<Value, Error> {
    let first = cursor.pos();
    let mut starts = Vec::with_capacity(n_strings);
    for string_idx in 0..n_strings {
        starts.push(cursor.pos() - first);
        cursor.string(&format_args!("string {string_idx} of metadata key {key:?}"))?;
    }
    Ok(Value::Strings(Strings::new(cursor.since(first), starts)))
}

fn bad_bool(file: &Path, bytes: &[u8], place: &dyn Display) -> Error {
    Error::malformed(file, place.to_string(), "a bool, 0 or 1", format!("{bytes:?}"))
}

/// The alignment of the data, from the value of [`ALIGNMENT_KEY`].
pub(super) fn alignment(value: Option<&Value>, file: &Path) -> Result<usize, Error> {
    match value {
        None => Ok(ALIGNMENT_DEFAULT),
        Some(&Value::U32(n)) if n.is_power_of_two() && n as usize <= ALIGNMENT_MAX => {
            Ok(n as usize)
        }
        Some(value) => Err(Error::malformed(
            file,
            format!("metadata key {ALIGNMENT_KEY:?}"),
            format!("u32, a power of two up to {ALIGNMENT_MAX}"),
            value.describe(),
        )),
    }
}

fn read_tensor_info(cursor: &mut Cursor<'_>, tensor_idx: u64) -> Result<(TensorInfo, u64), Error> {
    let file = cursor.file;
    let place = format_args!("name of tensor {tensor_idx}");
    let name = cursor.name(TENSOR_NAME_BYTES_MAX, &place)?;
    let n_dims = cursor.u32(&format_args!("number of dimensions of tensor {name:?}"))?;
    check_n_dims(n_dims, name, file)?;
    let mut shape = Vec::new();
    for _ in 0..n_dims {
        let place = format_args!("shape of tensor {name:?}");
        let n = cursor.u64(&place)?;
        shape.push(usize::try_from(n).map_err(|_| {
            let expected = "dimensions that can be addressed";
            Error::malformed(file, place.to_string(), expected, n.to_string())
        })?);
    }
    shape.reverse();
    let id = cursor.u32(&format_args!("type of tensor {name:?}"))?;
    let dtype = DType::from_gguf_id(id).map_err(|unknown| {
        let found = format!("{} ({})", unknown.id, unknown.name);
        Error::UnknownDType { file: file.into(), tensor: name.into(), found }
    })?;
    let offset = cursor.u64(&format_args!("offset of tensor {name:?}"))?;
    Ok((TensorInfo { name: name.into(), dtype, shape }, offset))
}

pub(super) fn check_n_dims(n_dims: u32, name: &str, file: &Path) -> Result<(), Error> {
    if (1..=N_DIMS_MAX).contains(&n_dims) {
        return Ok(());
    }
    let place = format!("number of dimensions of tensor {name:?}");
    Err(Error::malformed(file, place, format!("1 to {N_DIMS_MAX}"), n_dims.to_string()))
}

/// Gives every tensor its bytes. Data must lie in the order of the header, as every writer puts it:
/// then one comparison each excludes overlaps.
fn place_tensors(
    placed: Vec<(TensorInfo, u64)>,
    bytes: &Bytes,
    data_start: usize,
    alignment: usize,
    file: &Path,
) -> Result<TensorTable, Error> {
    let n_file_bytes = bytes.len() as u64;
    let mut tensors = TensorTable::default();
    let mut previous_end = 0;
    for (info, offset) in placed {
        let misplaced = |expected: String| {
            let (file, tensor) = (file.into(), info.name.clone());
            Err(Error::TensorOffset { file, tensor, expected, offset })
        };
        if !offset.is_multiple_of(alignment as u64) {
            return misplaced(format!("a multiple of the alignment, {alignment}"));
        }
        if offset < previous_end {
            return misplaced(format!("at least {previous_end}, where the tensor before it ends"));
        }
        let n_bytes = info.n_bytes(file)?;
        let start = offset.saturating_add(data_start as u64);
        let end = start.saturating_add(n_bytes as u64);
        if end > n_file_bytes {
            let (file, tensor) = (file.into(), info.name);
            return Err(Error::TensorOutside { file, tensor, end, n_bytes: n_file_bytes });
        }
        previous_end = offset + n_bytes as u64;
        let bytes = bytes.slice(start as usize..end as usize); // both at most the file's length
        tensors.insert(Tensor { info, bytes }, file)?;
    }
    Ok(tensors)
}
