//! Spec + file -> [`Model`], every tensor's shape checked by name.

mod latent;
mod layers;
mod matrix;
mod packed;
mod quantize;
mod source;
mod stacked;

use std::path::Path;

use format::gguf::GgufFile;
use format::safetensors::SafetensorsFolder;
use format::{Mapping, Tensor};
use kernels::DType;
use serde_json::Value;

use self::source::Source;

use crate::arch;
use crate::attention::{PositionBias, Sinusoids, alibi_slopes};
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::spec::{ArchSpec, FeedForward, FileFormat, Positions, Residual};
use crate::weights::{Arithmetic, Model, OutputMatrix, WeightMatrix};
use crate::{config_gguf, config_hf};

#[derive(Clone, Copy, Debug, Default)]
pub struct LoadOptions {
    pub arithmetic: Arithmetic,
    pub pages: Pages,
    /// What matrices of floats become, but routers and positions; needs [`Pages::Touch`].
    pub quantize: Option<DType>,
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
            // Where this flag is, the other says nothing any more.
            Self::HuggingFace { config, .. } => match &config["scale_decoder_outputs"] {
                Value::Bool(_) => None,
                _ => config["tie_word_embeddings"].as_bool(),
            },
        }
    }

    /// Whether logits are scaled, with an architecture that scales tied ones; `None`: where they
    /// are. A folder may hold a copy of what is tied.
    fn scales_logits(&self) -> Option<bool> {
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
        spec.ok_or_else(|| LoadError::UnknownArchitecture {
            found: found.to_owned(),
            nearest: self.nearest(found),
        })
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
    let mut source = Source::new(file, spec, options, progress)?;
    let encoder = spec.encoder.map(|half| load_half(&mut source, half, None)).transpose()?;
    let token_embd = encoder.as_ref().map(|encoder| encoder.token_embd.clone());
    let mut model = load_half(&mut source, spec, token_embd)?;
    model.encoder = encoder.map(Box::new);
    source.check_all_used(&model.config)?;
    Ok(model)
}

/// A model, or an encoder or decoder of one; both have one embedding.
fn load_half(
    source: &mut Source<'_>,
    spec: &'static ArchSpec,
    token_embd: Option<WeightMatrix>,
) -> Result<Model, LoadError> {
    source.spec = spec;
    let file = source.file;
    let n_vocab = source.n_rows("token_embd.weight")?;
    let mut config = match file {
        ModelFile::Gguf(file) => config_gguf::read_config(spec, file.metadata(), n_vocab)?,
        ModelFile::HuggingFace { config, .. } => config_hf::read_config(spec, config, n_vocab)?,
    };
    if let Some(activation) = spec.ungated
        && !source.has("blk.0.ffn_gate.weight")?
    {
        config.feed_forward = FeedForward::Plain(activation);
    }
    let (d_model, vocab_shape) = (config.d_model, [n_vocab, config.d_model]);
    let token_embd = match token_embd {
        Some(token_embd) => token_embd,
        None => source.matrix("token_embd.weight", vocab_shape)?,
    };
    source.rope_factors(&mut config)?;
    let position_embd = learned_positions(source, &mut config)?;
    let token_embd_norm = source.optional_norm("token_embd_norm", d_model)?;
    let layers: Result<Vec<_>, _> =
        (0..config.n_layers).map(|layer_idx| source.layer(&config, layer_idx)).collect();
    let layers = layers?;
    let output = source.output(vocab_shape)?;
    let is_tied = matches!(output, OutputMatrix::Tied);
    if spec.scales_tied_logits && file.scales_logits().unwrap_or(is_tied) {
        config.logit_scale = (d_model as f32).powf(-0.5);
    }
    Ok(Model {
        spec,
        arithmetic: source.options.arithmetic,
        token_embd,
        position_embd,
        token_type: source.first_row("token_types.weight", d_model)?,
        token_embd_norm,
        layers,
        output_norm: (config.residual != Residual::NormOfSum)
            .then(|| source.norm("output_norm", d_model))
            .transpose()?,
        output,
        output_bias: source.bias("output", n_vocab, spec.biases.output)?,
        sinusoids: matches!(config.positions, Positions::Sinusoidal { .. })
            .then(|| Sinusoids::new(d_model)),
        position_bias: match &config.buckets {
            Some(buckets) => source.bucket_bias(buckets, config.n_heads)?,
            None => alibi(&config, spec),
        },
        encoder: None,
        n_bytes: file.n_bytes(),
        config,
    })
}

/// The vectors of the positions, where they are learned: the longest text follows from them.
fn learned_positions(
    source: &mut Source<'_>,
    config: &mut ModelConfig,
) -> Result<Option<WeightMatrix>, LoadError> {
    let Positions::Learned { first_row } = config.positions else { return Ok(None) };
    let n_rows = source.n_rows("position_embd.weight")?;
    // Some count the rows before the first position too.
    if let Some(n_ctx) = n_rows.checked_sub(first_row).filter(|&n_ctx| n_ctx > 0)
        && n_rows == config.n_ctx
    {
        config.n_ctx = n_ctx;
    }
    let shape = [first_row + config.n_ctx, config.d_model];
    source.matrix("position_embd.weight", shape).map(Some)
}

fn alibi(config: &ModelConfig, spec: &ArchSpec) -> PositionBias {
    if config.positions != Positions::Alibi {
        return PositionBias::None;
    }
    let scale = if spec.may_have_alibi { config.attn_scale } else { 1.0 };
    let slopes = alibi_slopes(config.n_heads).into_iter().map(|slope| slope * scale);
    PositionBias::Slopes(slopes.collect())
}
