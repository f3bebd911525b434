//! Arrays as a safetensors file. That of `format` writes the types of weights only.

use std::io::Write;

use serde_json::{Map, Value, json};

use super::ExportError;
use super::arrays::{Array, Kind};
use super::json::SCHEMA;

pub(super) fn write(arrays: &[Array], model: &str, out: &mut dyn Write) -> Result<(), ExportError> {
    let mut header = Map::new();
    header.insert("__metadata__".into(), json!({"schema": SCHEMA, "model": model}));
    let mut begin = 0;
    for Array { name, shape, kind, bytes } in arrays {
        let dtype = match kind {
            Kind::F32 => "F32",
            Kind::I64 => "I64",
        };
        let end = begin + bytes.len();
        let entry = json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]});
        header.insert((*name).into(), entry);
        begin = end;
    }
    let mut header = Value::Object(header).to_string();
    // Spaces, so that the data is aligned to 8 bytes.
    while !header.len().is_multiple_of(8) {
        header.push(' ');
    }
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for array in arrays {
        out.write_all(&array.bytes)?;
    }
    Ok(())
}
