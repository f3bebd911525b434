//! Writing GGUF, whole or in parts.

use std::collections::HashSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::gguf::header::{alignment, check_n_dims};
use crate::gguf::split::{COUNT_KEY, N_TENSORS_KEY, SHARD_KEY, shard_suffix};
use crate::gguf::value::{Value, put_string, put_u32, put_u64};
use crate::gguf::{ALIGNMENT_KEY, KEY_BYTES_MAX, MAGIC, TENSOR_NAME_BYTES_MAX};
use crate::output::Output;
use crate::{Error, TensorInfo};

/// Collects a model, then writes it: beside its path first, renamed when it is complete.
///
/// Whatever it writes, [`GgufFile`](crate::gguf::GgufFile) reads back unchanged; what the reader
/// would refuse is an error here.
#[derive(Default)]
pub struct Writer<'a> {
    version: Version,
    metadata: Vec<(String, Value)>,
    tensors: Vec<Source<'a>>,
}

/// Versions of the format; their bytes differ only in the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Version {
    V2 = 2,
    #[default]
    V3 = 3,
}

struct Source<'a> {
    info: TensorInfo,
    write: WriteData<'a>,
}

type WriteData<'a> = Box<dyn FnOnce(&mut dyn Write) -> io::Result<()> + 'a>;

impl<'a> Writer<'a> {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn version(&mut self, version: Version) -> &mut Self {
        self.version = version;
        self
    }

    /// Sets a key, in the place of its old value if it had one. `general.alignment` (a u32) sets
    /// the alignment of the data.
    pub fn set(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        match self.metadata.iter_mut().find(|entry| entry.0 == key) {
            Some(entry) => entry.1 = value,
            None => self.metadata.push((key.into(), value)),
        }
        self
    }

    /// Adds a tensor; `bytes` are its rows, one after another.
    pub fn tensor(&mut self, info: TensorInfo, bytes: impl AsRef<[u8]> + 'a) -> &mut Self {
        self.tensor_with(info, move |out| out.write_all(bytes.as_ref()))
    }

    /// Adds a tensor whose bytes are made when they are written, so that only one tensor needs to
    /// be in memory.
    pub fn tensor_with(
        &mut self,
        info: TensorInfo,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + 'a,
    ) -> &mut Self {
        self.tensors.push(Source { info, write: Box::new(write) });
        self
    }

    /// Writes one file. What was at `path` is replaced when the new file is complete.
    ///
    /// # Errors
    /// Names or shapes that GGUF cannot hold, data of another length than its shape needs, I/O.
    pub fn write(self, path: &Path) -> Result<(), Error> {
        self.check(path)?;
        let mut output = Output::create(path)?;
        self.write_to(output.writer(), path)?;
        output.commit()
    }

    /// Writes parts of up to `n_tensors_max` tensors each, named `{path}-00001-of-0000N.gguf`, and
    /// returns their paths. The first part has all metadata.
    ///
    /// # Errors
    /// As for [`Writer::write`].
    pub fn write_split(self, path: &Path, n_tensors_max: usize) -> Result<Vec<PathBuf>, Error> {
        assert!(n_tensors_max > 0);
        self.check(path)?;
        let mut outputs = Vec::new();
        for (suffix, part) in self.into_parts(n_tensors_max) {
            let mut name = path.file_name().unwrap_or_default().to_owned();
            name.push(suffix);
            let part_path = path.with_file_name(name);
            let mut output = Output::create(&part_path)?;
            part.write_to(output.writer(), &part_path)?;
            outputs.push(output);
        }
        let paths = outputs.iter().map(|output| output.path().into()).collect();
        outputs.into_iter().try_for_each(Output::commit)?;
        Ok(paths)
    }

    /// The file in memory. `name` is the file name for errors.
    ///
    /// # Errors
    /// As for [`Writer::write`].
    pub fn into_bytes(self, name: &str) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.check(Path::new(name))?;
        self.write_to(&mut bytes, Path::new(name))?;
        Ok(bytes)
    }

    /// Each with the end of its name.
    fn into_parts(mut self, n_tensors_max: usize) -> Vec<(String, Self)> {
        let n_tensors = self.tensors.len();
        let n_parts = n_tensors.div_ceil(n_tensors_max).max(1) as u32;
        let alignment = self.metadata.iter().find(|entry| entry.0 == ALIGNMENT_KEY).cloned();
        let mut tensors = std::mem::take(&mut self.tensors).into_iter();
        let mut parts = Vec::new();
        for shard_idx in 0..n_parts {
            let mut part = Self { version: self.version, ..Self::default() };
            match shard_idx {
                0 => part.metadata = std::mem::take(&mut self.metadata),
                _ => part.metadata.extend(alignment.clone()),
            }
            part.set(SHARD_KEY, shard_idx).set(COUNT_KEY, n_parts);
            part.set(N_TENSORS_KEY, n_tensors as u64);
            part.tensors = tensors.by_ref().take(n_tensors_max).collect();
            parts.push((format!("{}.gguf", shard_suffix(shard_idx, n_parts)), part));
        }
        parts
    }

    /// Everything that can be known to be wrong before writing.
    fn check(&self, file: &Path) -> Result<(), Error> {
        for (key, _) in &self.metadata {
            if key.is_empty() || key.len() as u64 > KEY_BYTES_MAX {
                let expected = format!("1 to {KEY_BYTES_MAX} bytes");
                let found = key.len().to_string();
                return Err(Error::malformed(file, "metadata key", expected, found));
            }
        }
        let mut names = HashSet::new();
        for Source { info, .. } in &self.tensors {
            let name = &info.name;
            if name.is_empty() || name.len() as u64 > TENSOR_NAME_BYTES_MAX {
                let place = format!("name of tensor {name:?}");
                let expected = format!("1 to {TENSOR_NAME_BYTES_MAX} bytes");
                return Err(Error::malformed(file, place, expected, name.len().to_string()));
            }
            if !names.insert(name) {
                return Err(Error::DuplicateTensor { file: file.into(), tensor: name.clone() });
            }
            check_n_dims(u32::try_from(info.shape.len()).unwrap_or(u32::MAX), name, file)?;
            info.n_bytes(file)?;
        }
        alignment(self.alignment_value(), file).map(|_| ())
    }

    fn alignment_value(&self) -> Option<&Value> {
        self.metadata.iter().find(|entry| entry.0 == ALIGNMENT_KEY).map(|entry| &entry.1)
    }

    /// Header, then data; `check` has passed.
    fn write_to(self, out: &mut dyn Write, file: &Path) -> Result<(), Error> {
        let alignment = alignment(self.alignment_value(), file)?;
        let header = self.header(alignment, file)?;
        let mut out = Counting { out, n_bytes: 0 };
        let io_error = |cause| Error::io(file, "write", cause);
        out.write_all(&header).map_err(io_error)?;
        for Source { info, write } in self.tensors {
            out.pad_to(alignment).map_err(io_error)?;
            let start = out.n_bytes;
            write(&mut out).map_err(io_error)?;
            let (expected, found) = (info.n_bytes(file)? as u64, out.n_bytes - start);
            if found != expected {
                let (file, tensor) = (file.into(), info.name);
                return Err(Error::TensorLength { file, tensor, expected, found });
            }
        }
        out.pad_to(alignment).map_err(io_error)
    }

    fn header(&self, alignment: usize, file: &Path) -> Result<Vec<u8>, Error> {
        let mut header = MAGIC.to_vec();
        put_u32(&mut header, self.version as u32);
        put_u64(&mut header, self.tensors.len() as u64);
        put_u64(&mut header, self.metadata.len() as u64);
        for (key, value) in &self.metadata {
            put_string(&mut header, key.as_bytes());
            value.encode(&mut header);
        }
        let mut offset = 0;
        for Source { info, .. } in &self.tensors {
            put_string(&mut header, info.name.as_bytes());
            put_u32(&mut header, info.shape.len() as u32);
            info.shape.iter().rev().for_each(|&n| put_u64(&mut header, n as u64));
            put_u32(&mut header, info.dtype.gguf_id());
            put_u64(&mut header, offset);
            offset += info.n_bytes(file)?.next_multiple_of(alignment) as u64;
        }
        Ok(header)
    }
}

/// Knows how far it is, for padding and for checking lengths.
struct Counting<'a> {
    out: &'a mut dyn Write,
    n_bytes: u64,
}

impl Counting<'_> {
    fn pad_to(&mut self, alignment: usize) -> io::Result<()> {
        let n_padding = self.n_bytes.next_multiple_of(alignment as u64) - self.n_bytes;
        self.write_all(&vec![0; n_padding as usize])
    }
}

impl Write for Counting<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n_written = self.out.write(bytes)?;
        self.n_bytes += n_written as u64;
        Ok(n_written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
