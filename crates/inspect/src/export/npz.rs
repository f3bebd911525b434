//! Arrays as NumPy reads them: a zip archive of one .npy file each (NEP 1).

use std::io::Write;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::ExportError;
use super::arrays::{Array, Kind};

pub(super) fn write(arrays: &[Array], out: &mut dyn Write) -> Result<(), ExportError> {
    let mut zip = ZipWriter::new_stream(out);
    // Half of a causal matrix is zeros. No time, so that equal arrays are equal files.
    let method = CompressionMethod::Deflated;
    for array in arrays {
        let is_large = array.bytes.len() as u64 >= u64::from(u32::MAX);
        let options = SimpleFileOptions::default().compression_method(method).large_file(is_large);
        zip.start_file(format!("{}.npy", array.name), options)?;
        zip.write_all(&header(array))?;
        zip.write_all(&array.bytes)?;
    }
    zip.finish()?;
    Ok(())
}

/// What comes before the data of a .npy file, version 1.0.
fn header(array: &Array) -> Vec<u8> {
    let kind = match array.kind {
        Kind::F32 => "<f4",
        Kind::I64 => "<i8",
    };
    let lengths: Vec<String> = array.shape.iter().map(usize::to_string).collect();
    // Python's tuple of one has a comma too.
    let comma = if lengths.len() == 1 { "," } else { "" };
    let shape = lengths.join(", ") + comma;
    let mut text = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
    const MAGIC: &[u8; 8] = b"\x93NUMPY\x01\x00";
    let before = MAGIC.len() + size_of::<u16>();
    // The data is aligned to 64 bytes; the text ends in a new line.
    while !(before + text.len() + 1).is_multiple_of(64) {
        text.push(' ');
    }
    text.push('\n');
    let length = text.len() as u16;
    [&MAGIC[..], &length.to_le_bytes(), text.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_numpy() {
        let array = |shape: Vec<usize>, kind| Array { name: "a", shape, kind, bytes: Vec::new() };
        let head = header(&array(vec![2, 3, 4, 5], Kind::F32));
        // numpy.save of an array of this shape and type.
        let text = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 4, 5), }";
        let expected = [b"\x93NUMPY\x01\x00\x76\x00", text.as_bytes()].concat();
        assert_eq!(head.len(), 128);
        assert_eq!(head[..expected.len()], expected);
        assert!(head[expected.len()..127].iter().all(|&byte| byte == b' '));
        assert_eq!(head[127], b'\n');
        let head = String::from_utf8_lossy(&header(&array(vec![7], Kind::I64))).into_owned();
        assert!(head.contains("{'descr': '<i8', 'fortran_order': False, 'shape': (7,), }"));
    }
}
