//! Spec + file -> [`Model`], every tensor's shape checked by name.

mod file;
mod latent;
mod layers;
mod matrix;
mod packed;
mod quantize;
mod senses;
mod source;
mod stacked;

use kernels::DType;

pub use self::file::ModelFile;
pub use self::senses::Skipped;

use self::source::Source;
use crate::attention::{PositionBias, Sinusoids, alibi_slopes};
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::spec::{ArchSpec, FeedForward, Positions, Residual};
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
    model.skipped = source.check_all_used(&model.config)?;
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
        ModelFile::HuggingFace { config, .. } => {
            config_hf::read_config(spec, &senses::with_defaults(spec, config), n_vocab)?
        }
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
        skipped: Skipped::default(),
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
