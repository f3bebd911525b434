//! A model folder: config.json, tokenizer.json and one or many safetensors files.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};

use serde_json::Value;

use crate::mapped::read_file;
use crate::safetensors::RawTensor;
use crate::safetensors::file::{RawTensors, SafetensorsFile, Unreadable};
use crate::tensor::TensorTable;
use crate::{Error, Mapping, Tensor, TensorInfo};

/// An opened folder; every safetensors file of it has been checked.
#[derive(Debug)]
pub struct SafetensorsFolder {
    folder: PathBuf,
    tensors: TensorTable,
    raw: RawTensors,
    unreadable: Unreadable,
    n_bytes: u64,
}

const CONFIG_NAME: &str = "config.json";
const INDEX_NAME: &str = "model.safetensors.index.json";
const SINGLE_NAME: &str = "model.safetensors";
/// The largest tokenizer.json known have some tens of MB.
const FILE_BYTES_MAX: u64 = 256 << 20;
/// Indices of the largest models have some MB; as values they take many times that in memory.
const JSON_BYTES_MAX: u64 = 16 << 20;

impl SafetensorsFolder {
    /// Opens the files that `model.safetensors.index.json` names; without one, `model.safetensors`;
    /// without that, every `*.safetensors`.
    ///
    /// # Errors
    /// [`Error::MissingFile`] when config.json or weights are missing, and what is wrong with a
    /// file, by field or tensor.
    pub fn open(folder: &Path, mapping: Mapping) -> Result<Self, Error> {
        if !folder.join(CONFIG_NAME).is_file() {
            return Err(missing(folder, CONFIG_NAME));
        }
        let mut model = Self {
            folder: folder.into(),
            tensors: TensorTable::default(),
            raw: RawTensors::new(),
            unreadable: Unreadable::new(),
            n_bytes: 0,
        };
        if let Some(index) = model.read_json(INDEX_NAME)? {
            model.add_indexed(&index, mapping)?;
        } else if folder.join(SINGLE_NAME).is_file() {
            model.add(&folder.join(SINGLE_NAME), mapping)?;
        } else {
            let paths = safetensors_paths(folder)?;
            if paths.is_empty() {
                return Err(missing(folder, "*.safetensors"));
            }
            paths.iter().try_for_each(|path| model.add(path, mapping))?;
        }
        Ok(model)
    }

    /// # Errors
    /// [`Error::UnknownDType`] for a tensor that is there in a type that is not of floats.
    pub fn tensor(&self, name: &str) -> Result<Option<Tensor>, Error> {
        let of_raw = self.raw.get(name).map(|tensor| tensor.dtype.name());
        if let Some(found) = of_raw.or(self.unreadable.get(name).map(String::as_str)) {
            let (file, tensor, found) = (self.folder.clone(), name.into(), found.into());
            return Err(Error::UnknownDType { file, tensor, found });
        }
        Ok(self.tensors.get(name).cloned())
    }

    /// A tensor that [`SafetensorsFolder::tensor`] does not read: it needs others beside it.
    pub fn raw_tensor(&self, name: &str) -> Option<&RawTensor> {
        self.raw.get(name)
    }

    /// Those, by name, in no order.
    pub fn raw_tensors(&self) -> impl Iterator<Item = (&str, &RawTensor)> {
        self.raw.iter().map(|(name, tensor)| (name.as_str(), tensor))
    }

    /// Those of floats, file by file.
    pub fn tensors(&self) -> impl Iterator<Item = &TensorInfo> {
        self.tensors.infos()
    }

    /// Names and types of all others, in no order.
    pub fn unreadable(&self) -> impl Iterator<Item = (&str, &str)> {
        self.unreadable.iter().map(|(name, dtype)| (name.as_str(), dtype.as_str()))
    }

    /// Size of all safetensors files.
    pub fn n_bytes(&self) -> u64 {
        self.n_bytes
    }

    /// A file of this folder; `None` when there is none. `name` may lead into folders of this one,
    /// with `/` between them.
    ///
    /// # Errors
    /// A name that leads elsewhere, and a file that cannot be read, or is too large for anything
    /// but weights.
    pub fn read_bytes(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        self.read_up_to(FILE_BYTES_MAX, name)
    }

    /// A file that must be there.
    ///
    /// # Errors
    /// [`Error::MissingFile`], and as for [`SafetensorsFolder::read_bytes`].
    pub fn require_bytes(&self, name: &str) -> Result<Vec<u8>, Error> {
        self.read_bytes(name)?.ok_or_else(|| missing(&self.folder, name))
    }

    /// A JSON file of this folder, such as config.json; `None` when there is none.
    ///
    /// # Errors
    /// As for [`SafetensorsFolder::read_bytes`], and [`Error::Json`].
    pub fn read_json(&self, name: &str) -> Result<Option<Value>, Error> {
        let Some(bytes) = self.read_up_to(JSON_BYTES_MAX, name)? else { return Ok(None) };
        let json = serde_json::from_slice(&bytes);
        json.map(Some).map_err(|cause| Error::Json { file: self.folder.join(name), cause })
    }

    /// A JSON file that must be there.
    ///
    /// # Errors
    /// [`Error::MissingFile`], and as for [`SafetensorsFolder::read_json`].
    pub fn require_json(&self, name: &str) -> Result<Value, Error> {
        self.read_json(name)?.ok_or_else(|| missing(&self.folder, name))
    }

    fn read_up_to(&self, limit: u64, name: &str) -> Result<Option<Vec<u8>>, Error> {
        let mut path = self.folder.clone();
        for part in name.split('/') {
            path.push(plain_name(part, &self.folder)?);
        }
        if !path.exists() {
            return Ok(None);
        }
        // Mapped, so that a file which is too large is not read first.
        let bytes = read_file(&path, Mapping::Mmap)?;
        match bytes.len() as u64 > limit {
            true => Err(Error::TooLarge { file: path, limit }),
            false => Ok(Some(bytes.to_vec())),
        }
    }

    fn add(&mut self, path: &Path, mapping: Mapping) -> Result<(), Error> {
        let file = SafetensorsFile::open(path, mapping)?;
        self.n_bytes += file.n_bytes;
        self.unreadable.extend(file.unreadable);
        for (name, tensor) in file.raw {
            if self.raw.insert(name.clone(), tensor).is_some() {
                return Err(Error::DuplicateTensor { file: path.into(), tensor: name });
            }
        }
        self.tensors.extend(file.tensors, path)
    }

    /// `index`: `{"weight_map": {tensor: file, ...}}`.
    fn add_indexed(&mut self, index: &Value, mapping: Mapping) -> Result<(), Error> {
        let index_path = self.folder.join(INDEX_NAME);
        let malformed = |place: &str, expected: &str, found: &Value| {
            Error::malformed(&index_path, place, expected, json_kind(found))
        };
        let map = &index["weight_map"];
        let map = map.as_object().ok_or_else(|| malformed("weight_map", "an object", map))?;
        let mut tensors_by_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (tensor, file) in map {
            let place = format!("file of tensor {tensor:?}");
            let file = file.as_str().ok_or_else(|| malformed(&place, "a string", file))?;
            tensors_by_file.entry(file).or_default().push(tensor);
        }
        for (file, tensors) in tensors_by_file {
            let path = self.folder.join(plain_name(file, &index_path)?);
            self.add(&path, mapping)?;
            let is_here = |name: &&str| {
                self.tensors.get(name).is_some()
                    || self.raw.contains_key(*name)
                    || self.unreadable.contains_key(*name)
            };
            if let Some(absent) = tensors.into_iter().find(|name| !is_here(name)) {
                let tensor = absent.into();
                return Err(Error::MissingTensor { file: path, tensor, index: index_path });
            }
        }
        Ok(())
    }
}

/// Sorted, so that the order of tensors does not depend on the file system.
fn safetensors_paths(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let io_error = |cause| Error::io(folder, "list", cause);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error)? {
        let path = entry.map_err(io_error)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// `name`, if it cannot lead out of the folder on any system. `file` is where it was found.
fn plain_name<'a>(name: &'a str, file: &Path) -> Result<&'a str, Error> {
    let mut components = Path::new(name).components();
    let is_one = matches!(components.next(), Some(Component::Normal(part)) if part == name);
    if is_one && components.next().is_none() && !name.contains(['/', '\\', ':', '\0']) {
        return Ok(name);
    }
    Err(Error::FileName { file: file.into(), found: name.into() })
}

fn missing(folder: &Path, name: &str) -> Error {
    Error::MissingFile { folder: folder.into(), name: name.into() }
}

fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a bool",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
