//! An opened model file, whatever its format.

use std::path::Path;

use format::gguf::GgufFile;
use format::safetensors::SafetensorsFolder;
use format::{Mapping, Tensor};
use serde_json::Value;

use super::senses;
use crate::arch;
use crate::error::LoadError;
use crate::spec::{ArchSpec, FileFormat};

/// An opened model: a GGUF file (all its parts) or a Hugging Face folder.
pub enum ModelFile {
    Gguf(GgufFile),
    HuggingFace {
        folder: SafetensorsFolder,
        /// config.json; where it is that of a model with other senses too, what it says of texts.
        config: Value,
    },
}

impl ModelFile {
    /// A file is read as GGUF, a folder as Hugging Face's.
    ///
    /// # Errors
    /// Whatever the reader finds wrong with the file.
    pub fn open(path: &Path, mapping: Mapping) -> Result<Self, LoadError> {
        if path.is_dir() {
            let folder = SafetensorsFolder::open(path, mapping)?;
            let config = senses::of_texts(folder.require_json("config.json")?);
            return Ok(Self::HuggingFace { folder, config });
        }
        Ok(Self::Gguf(GgufFile::open(path, mapping)?))
    }

    pub(super) fn format(&self) -> FileFormat {
        match self {
            Self::Gguf(_) => FileFormat::Gguf,
            Self::HuggingFace { .. } => FileFormat::HuggingFace,
        }
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Option<Tensor>, LoadError> {
        match self {
            Self::Gguf(file) => Ok(file.tensor(name)),
            Self::HuggingFace { folder, .. } => Ok(folder.tensor(name)?),
        }
    }

    /// Those of a tensor of any type that is read, alone or with others beside it; 0: there is
    /// none.
    pub(super) fn tensor_bytes(&self, name: &str) -> u64 {
        let raw = match self {
            Self::Gguf(_) => None,
            Self::HuggingFace { folder, .. } => folder.raw_tensor(name).map(|raw| raw.bytes.len()),
        };
        let of_floats = || self.tensor(name).ok().flatten().map(|tensor| tensor.bytes.len());
        raw.or_else(of_floats).unwrap_or(0) as u64
    }

    pub(super) fn tensor_names(&self) -> Vec<&str> {
        match self {
            Self::Gguf(file) => file.tensors().map(|info| info.name.as_str()).collect(),
            Self::HuggingFace { folder, .. } => {
                folder.tensors().map(|info| info.name.as_str()).collect()
            }
        }
    }

    /// Whether the embedding is the output matrix too; `None` where the file does not say.
    pub(super) fn ties_output(&self) -> Option<bool> {
        match self {
            Self::Gguf(_) => None,
            // Where this flag is, the other says nothing any more.
            Self::HuggingFace { config, .. } => match &config["scale_decoder_outputs"] {
                Value::Bool(_) => None,
                _ => config["tie_word_embeddings"].as_bool(),
            },
        }
    }

    /// Whether logits are scaled, with an architecture that scales tied ones; `None`: where they
    /// are. A folder may hold a copy of what is tied.
    pub(super) fn scales_logits(&self) -> Option<bool> {
        match self {
            Self::Gguf(_) => None,
            Self::HuggingFace { config, .. } => {
                let flag = config["scale_decoder_outputs"].as_bool();
                Some(flag.unwrap_or(config["tie_word_embeddings"] != false))
            }
        }
    }

    pub fn n_bytes(&self) -> u64 {
        match self {
            Self::Gguf(file) => file.n_bytes(),
            Self::HuggingFace { folder, .. } => folder.n_bytes(),
        }
    }

    /// The architecture that the file names.
    ///
    /// # Errors
    /// A file that names none, or one that is not in the list.
    pub fn architecture(&self) -> Result<&'static ArchSpec, LoadError> {
        match self {
            Self::Gguf(file) => {
                let name = file.metadata().require_str("general.architecture")?;
                arch::by_name(name).ok_or_else(|| match name {
                    senses::PROJECTOR => LoadError::OnlySenses,
                    _ => self.unknown(name),
                })
            }
            Self::HuggingFace { config, .. } => {
                let name = config["architectures"][0].as_str().unwrap_or_default();
                let of_texts = || {
                    let model_type = config["model_type"].as_str();
                    model_type.filter(|_| senses::are_more(config)).and_then(arch::by_model_type)
                };
                arch::by_hf_name(name).or_else(of_texts).ok_or_else(|| self.unknown(name))
            }
        }
    }

    fn unknown(&self, found: &str) -> LoadError {
        LoadError::UnknownArchitecture { found: found.to_owned(), nearest: self.nearest(found) }
    }

    /// The supported architecture whose name, as this format writes it, is most like another.
    fn nearest(&self, found: &str) -> Option<&'static str> {
        /// Below, names have little in common.
        const ALIKE: f64 = 0.6;
        let names = arch::ARCHITECTURES.iter().flat_map(|spec| match self {
            Self::Gguf(_) => std::slice::from_ref(&spec.name),
            Self::HuggingFace { .. } => spec.hf_names,
        });
        let likeness = |name: &str| strsim::normalized_damerau_levenshtein(name, found);
        let alike = names.copied().map(|name| (likeness(name), name));
        let best = alike.max_by(|a, b| a.0.total_cmp(&b.0))?;
        (best.0 >= ALIKE).then_some(best.1)
    }
}
