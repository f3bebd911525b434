//! Writing one safetensors file.

use std::path::Path;

use kernels::DType;
use serde_json::{Map, Value, json};

use crate::output::Output;
use crate::safetensors::METADATA_KEY;
use crate::{Error, Tensor};

/// Writes `tensors` in their order, with `metadata` as pairs of key and value. What was at `path`
/// is replaced when the new file is complete.
///
/// # Errors
/// Quantised tensors, which safetensors cannot hold; data of another length than its shape needs;
/// names that appear twice; I/O.
pub fn write(path: &Path, tensors: &[Tensor], metadata: &[(&str, &str)]) -> Result<(), Error> {
    let mut header = Map::new();
    if !metadata.is_empty() {
        let pairs = metadata.iter().map(|&(key, value)| (key.into(), value.into()));
        header.insert(METADATA_KEY.into(), Value::Object(pairs.collect()));
    }
    let mut begin = 0;
    for Tensor { info, bytes } in tensors {
        if !matches!(info.dtype, DType::F32 | DType::F16 | DType::BF16) {
            let place = format!("type of tensor {:?}", info.name);
            return Err(Error::malformed(path, place, "F32, F16 or BF16", info.dtype.name()));
        }
        let (expected, found) = (info.n_bytes(path)? as u64, bytes.len() as u64);
        if found != expected {
            let (file, tensor) = (path.into(), info.name.clone());
            return Err(Error::TensorLength { file, tensor, expected, found });
        }
        let end = begin + found;
        let entry = json!({
            "dtype": info.dtype.name(),
            "shape": info.shape,
            "data_offsets": [begin, end],
        });
        if header.insert(info.name.clone(), entry).is_some() {
            let (file, tensor) = (path.into(), info.name.clone());
            return Err(Error::DuplicateTensor { file, tensor });
        }
        begin = end;
    }
    let mut header = Value::Object(header).to_string();
    // Spaces, so that the data is aligned to 8 bytes.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }

    let mut output = Output::create(path)?;
    let out = output.writer();
    out.write_all(&(header.len() as u64).to_le_bytes())
        .and_then(|()| out.write_all(header.as_bytes()))
        .and_then(|()| tensors.iter().try_for_each(|tensor| out.write_all(&tensor.bytes)))
        .map_err(|cause| Error::io(path, "write", cause))?;
    output.commit()
}
