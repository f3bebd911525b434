//! Spec + file -> [`Model`], every tensor's shape checked by name.

use std::collections::HashSet;
use std::path::Path;

use format::gguf::GgufFile;
use format::safetensors::SafetensorsFolder;
use format::{Mapping, Tensor};
use kernels::block;
use serde_json::Value;

use crate::arch;
use crate::attention::RopeTable;
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::spec::{ArchSpec, FileFormat, Norm, QkNorm, QkvBias, Residual};
use crate::weights::{Arithmetic, LayerWeights, Linear, Model, WeightMatrix};
use crate::{config_gguf, config_hf};

#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    pub arithmetic: Arithmetic,
    pub pages: Pages,
}

/// What loading does with the pages of a mapped file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Pages {
    /// Reads every weight: the time and the progress of a load are those of the disk, and the
    /// first token does not pay for them.
    #[default]
    Touch,
    /// Reads no matrix: for describing a model.
    Leave,
}

/// An opened model: a GGUF file (all its parts) or a Hugging Face folder.
pub enum ModelFile {
    Gguf(GgufFile),
    HuggingFace {
        folder: SafetensorsFolder,
        /// config.json
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
            let config = folder.require_json("config.json")?;
            return Ok(Self::HuggingFace { folder, config });
        }
        Ok(Self::Gguf(GgufFile::open(path, mapping)?))
    }

    fn format(&self) -> FileFormat {
        match self {
            Self::Gguf(_) => FileFormat::Gguf,
            Self::HuggingFace { .. } => FileFormat::HuggingFace,
        }
    }

    fn tensor(&self, name: &str) -> Result<Option<Tensor>, LoadError> {
        match self {
            Self::Gguf(file) => Ok(file.tensor(name)),
            Self::HuggingFace { folder, .. } => Ok(folder.tensor(name)?),
        }
    }

    fn tensor_names(&self) -> Vec<&str> {
        match self {
            Self::Gguf(file) => file.tensors().map(|info| info.name.as_str()).collect(),
            Self::HuggingFace { folder, .. } => {
                folder.tensors().map(|info| info.name.as_str()).collect()
            }
        }
    }

    /// Whether the embedding is the output matrix too; `None` where the file does not say.
    fn ties_output(&self) -> Option<bool> {
        match self {
            Self::Gguf(_) => None,
            Self::HuggingFace { config, .. } => config["tie_word_embeddings"].as_bool(),
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
        let (found, spec) = match self {
            Self::Gguf(file) => {
                let name = file.metadata().require_str("general.architecture")?;
                (name, arch::by_name(name))
            }
            Self::HuggingFace { config, .. } => {
                let name = config["architectures"][0].as_str().unwrap_or_default();
                (name, arch::by_hf_name(name))
            }
        };
        let supported = arch::ARCHITECTURES.iter().flat_map(|spec| match self {
            Self::Gguf(_) => std::slice::from_ref(&spec.name),
            Self::HuggingFace { .. } => spec.hf_names,
        });
        spec.ok_or_else(|| LoadError::UnknownArchitecture {
            found: found.to_owned(),
            supported: supported.copied().collect(),
        })
    }
}

/// Builds a model over an opened file. `progress(done, total)` is called with bytes.
///
/// # Errors
/// An unknown architecture, a number out of bounds, a tensor that is missing or misshapen.
pub fn load(
    file: &ModelFile,
    options: LoadOptions,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Model, LoadError> {
    let spec = file.architecture()?;
    let pages = options.pages;
    let mut source = Source { file, spec, pages, used: HashSet::new(), n_read: 0, progress };
    let n_vocab = source.n_rows("token_embd.weight")?;
    let config = match file {
        ModelFile::Gguf(file) => config_gguf::read_config(spec, file.metadata(), n_vocab)?,
        ModelFile::HuggingFace { config, .. } => config_hf::read_config(spec, config, n_vocab)?,
    };
    let vocab_shape = [n_vocab, config.d_model];
    let token_embd = source.matrix("token_embd.weight", vocab_shape)?;
    let layers: Result<Vec<_>, _> =
        (0..config.n_layers).map(|layer_idx| source.layer(&config, layer_idx)).collect();
    let rope_dim = config.rope_full.rope_dim;
    let rope_factors = source.rope_factors(rope_dim / 2)?;
    let model = Model {
        spec,
        arithmetic: options.arithmetic,
        token_embd,
        layers: layers?,
        output_norm: source.gain("output_norm.weight", config.d_model)?,
        output: source.output(vocab_shape)?,
        rope_full: RopeTable::new(&config.rope_full, rope_factors.as_deref()),
        rope_sliding: RopeTable::new(&config.rope_sliding, rope_factors.as_deref()),
        n_bytes: file.n_bytes(),
        config,
    };
    source.check_all_used()?;
    Ok(model)
}

/// Hands out tensors by GGUF name and remembers which were asked for.
struct Source<'a> {
    file: &'a ModelFile,
    spec: &'static ArchSpec,
    pages: Pages,
    used: HashSet<String>,
    n_read: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Source<'_> {
    fn layer(&mut self, config: &ModelConfig, layer_idx: usize) -> Result<LayerWeights, LoadError> {
        let c = config;
        let q_width = c.n_heads * c.head_dim;
        let kv_width = c.n_kv_heads * c.head_dim;
        let name = |part: &str| format!("blk.{layer_idx}.{part}");
        let qkv_bias = self.spec.qkv_bias;
        let qk_norm = (self.spec.qk_norm == QkNorm::PerHead).then_some(c.head_dim);
        let sandwich = (self.spec.residual == Residual::SandwichNorm).then_some(c.d_model);
        let mut gain_if = |part: &str, width: Option<usize>| {
            width.map(|width| self.gain(&name(&format!("{part}.weight")), width)).transpose()
        };
        let attn_q_norm = gain_if("attn_q_norm", qk_norm)?;
        let attn_k_norm = gain_if("attn_k_norm", qk_norm)?;
        let post_attention_norm = gain_if("post_attention_norm", sandwich)?;
        let post_ffw_norm = gain_if("post_ffw_norm", sandwich)?;
        let none = QkvBias::None;
        Ok(LayerWeights {
            attn_norm: self.gain(&name("attn_norm.weight"), c.d_model)?,
            attn_q: self.linear(&name("attn_q"), [q_width, c.d_model], qkv_bias)?,
            attn_k: self.linear(&name("attn_k"), [kv_width, c.d_model], qkv_bias)?,
            attn_v: self.linear(&name("attn_v"), [kv_width, c.d_model], qkv_bias)?,
            attn_q_norm,
            attn_k_norm,
            attn_output: self.linear(&name("attn_output"), [c.d_model, q_width], none)?,
            post_attention_norm,
            ffn_norm: self.gain(&name("ffn_norm.weight"), c.d_model)?,
            ffn_gate: self.linear(&name("ffn_gate"), [c.d_ff, c.d_model], none)?,
            ffn_up: self.linear(&name("ffn_up"), [c.d_ff, c.d_model], none)?,
            ffn_down: self.linear(&name("ffn_down"), [c.d_model, c.d_ff], none)?,
            post_ffw_norm,
        })
    }

    /// `None`: the embedding serves as output too.
    fn output(&mut self, shape: [usize; 2]) -> Result<Option<WeightMatrix>, LoadError> {
        match self.file.ties_output() {
            Some(true) => Ok(None),
            Some(false) => self.matrix("output.weight", shape).map(Some),
            None => self.optional_matrix("output.weight", shape),
        }
    }

    /// Divisors of RoPE's frequencies.
    fn rope_factors(&mut self, n: usize) -> Result<Option<Vec<f32>>, LoadError> {
        let name = "rope_freqs.weight";
        let factors = self.optional_vector(name, n)?;
        match factors.iter().flatten().find(|factor| **factor <= 0.0) {
            None => Ok(factors),
            Some(found) => Err(LoadError::config(name, "positive numbers".into(), found)),
        }
    }

    fn linear(
        &mut self,
        name: &str,
        shape: [usize; 2],
        bias: QkvBias,
    ) -> Result<Linear, LoadError> {
        let weight = self.matrix(&format!("{name}.weight"), shape)?;
        let bias = match bias {
            QkvBias::None => None,
            QkvBias::Present => Some(self.vector(&format!("{name}.bias"), shape[0])?),
        };
        Ok(Linear { weight, bias })
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2]) -> Result<WeightMatrix, LoadError> {
        self.optional_matrix(name, shape)?.ok_or_else(|| self.missing(name, &shape))
    }

    fn optional_matrix(
        &mut self,
        name: &str,
        shape: [usize; 2],
    ) -> Result<Option<WeightMatrix>, LoadError> {
        let Some(tensor) = self.find(name, &shape)? else { return Ok(None) };
        if self.pages == Pages::Touch {
            self.read_pages(&tensor);
        }
        Ok(Some(WeightMatrix::new(tensor.info.name, tensor.info.dtype, shape, tensor.bytes)))
    }

    /// A norm's gain, ready to multiply.
    fn gain(&mut self, name: &str, n: usize) -> Result<Vec<f32>, LoadError> {
        let mut gain = self.vector(name, n)?;
        if self.spec.norm.get(self.file.format()) == Norm::RmsPlusOne {
            gain.iter_mut().for_each(|w| *w += 1.0);
        }
        Ok(gain)
    }

    fn vector(&mut self, name: &str, n: usize) -> Result<Vec<f32>, LoadError> {
        self.optional_vector(name, n)?.ok_or_else(|| self.missing(name, &[n]))
    }

    fn optional_vector(&mut self, name: &str, n: usize) -> Result<Option<Vec<f32>>, LoadError> {
        let Some(tensor) = self.find(name, &[n])? else { return Ok(None) };
        let mut values = vec![0.0; n];
        block::decode_row(tensor.info.dtype, &tensor.bytes, &mut values);
        match values.iter().position(|x| !x.is_finite()) {
            None => Ok(Some(values)),
            Some(value_idx) => {
                let (name, found) = (tensor.info.name, values[value_idx]);
                Err(LoadError::NotFinite { name, value_idx, found })
            }
        }
    }

    fn find(&mut self, name: &str, shape: &[usize]) -> Result<Option<Tensor>, LoadError> {
        let name = self.file_name(name);
        let Some(tensor) = self.file.tensor(&name)? else { return Ok(None) };
        if tensor.info.shape != shape {
            let (expected, found) = (shape.to_vec(), tensor.info.shape);
            return Err(LoadError::TensorShape { name, expected, found });
        }
        self.used.insert(name);
        Ok(Some(tensor))
    }

    fn n_rows(&self, name: &str) -> Result<usize, LoadError> {
        let tensor = self.file.tensor(&self.file_name(name))?;
        let tensor = tensor.ok_or_else(|| self.missing(name, &[]))?;
        Ok(tensor.info.shape.first().copied().unwrap_or(1))
    }

    fn missing(&self, name: &str, expected: &[usize]) -> LoadError {
        LoadError::MissingTensor { name: self.file_name(name), expected: expected.to_vec() }
    }

    /// What the file calls the tensor that GGUF calls `name`.
    fn file_name(&self, name: &str) -> String {
        if self.file.format() == FileFormat::Gguf {
            return name.to_owned();
        }
        let (stem, kind) = name.rsplit_once('.').expect("tensor names end in .weight or .bias");
        let mut parts = stem.splitn(3, '.');
        let (stem, layer_idx) = match (parts.next(), parts.next(), parts.next()) {
            (Some("blk"), Some(layer_idx), Some(part)) => (format!("blk.{{}}.{part}"), layer_idx),
            _ => (stem.to_owned(), ""),
        };
        let row = self.spec.hf_tensors.iter().find(|(_, ours)| *ours == stem);
        let theirs = row.map_or(stem.as_str(), |(theirs, _)| theirs);
        format!("{}.{kind}", theirs.replace("{}", layer_idx))
    }

    /// See [`Pages::Touch`].
    fn read_pages(&mut self, tensor: &Tensor) {
        const PAGE: usize = 4096;
        let mut sum = 0u8;
        for chunk in tensor.bytes.chunks(1 << 24) {
            sum = chunk.iter().step_by(PAGE).fold(sum, |sum, byte| sum.wrapping_add(*byte));
            self.n_read += chunk.len() as u64;
            (self.progress)(self.n_read, self.file.n_bytes());
        }
        std::hint::black_box(sum);
    }

    /// A tensor that nobody asked for means that the file is not what it says it is.
    fn check_all_used(&self) -> Result<(), LoadError> {
        let tied = match self.file.ties_output() {
            Some(true) => self.file_name("output.weight"),
            _ => String::new(),
        };
        // Frequencies that some folders store follow from config.json.
        let is_redundant = |name: &str| name == tied || name.contains("rotary_emb.inv_freq");
        for name in self.file.tensor_names() {
            if !self.used.contains(name) && !is_redundant(name) {
                let (name, architecture) = (name.to_owned(), self.spec.name);
                return Err(LoadError::SuperfluousTensor { name, architecture });
            }
        }
        Ok(())
    }
}
