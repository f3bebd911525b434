//! The tensors of a file by GGUF's names, each checked when it is asked for.

use std::collections::HashSet;

use format::Tensor;
use kernels::block;

use super::matrix::Matrix;
use super::packed::Method;
use super::quantize::quantized;
use super::senses::{self, Sense, Skipped};
use super::stacked::stored;
use super::{LoadOptions, ModelFile};
use crate::attention::{BucketBias, Buckets, PositionBias};
use crate::config::ModelConfig;
use crate::error::LoadError;
use crate::rope_config::RopeFactors;
use crate::spec::{ArchSpec, Bias, FileFormat, Layout, Norm, Output};
use crate::weights::{NormWeights, OutputMatrix, WeightMatrix};

/// Ends of names of tensors that some files store: frequencies and masks, which follow from
/// config.json, positions of an attention that adds none, and what activations are scaled by where
/// they become FP4.
const REDUNDANT: [&str; 10] = [
    ".input_scale",
    ".EncDecAttention.relative_attention_bias.weight",
    ".cross_attn_rel_b.weight",
    ".attn.causal_mask",
    ".embed_positions.weights",
    ".rotary_emb.inv_freq",
    ".attn.bias",
    ".attn.masked_bias",
    ".attention.bias",
    ".attention.masked_bias",
];

/// Hands out tensors and remembers which were asked for.
pub(super) struct Source<'a> {
    pub(super) file: &'a ModelFile,
    /// Of the half that is read.
    pub(super) spec: &'static ArchSpec,
    pub(super) options: LoadOptions,
    /// How a folder has quantised its matrices.
    pub(super) method: Option<Method>,
    pub(super) used: HashSet<String>,
    n_read: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl<'a> Source<'a> {
    pub(super) fn new(
        file: &'a ModelFile,
        spec: &'static ArchSpec,
        options: LoadOptions,
        progress: &'a mut dyn FnMut(u64, u64),
    ) -> Result<Self, LoadError> {
        let method = match file {
            ModelFile::Gguf(_) => None,
            ModelFile::HuggingFace { config, .. } => Method::of(config)?,
        };
        Ok(Self { file, spec, options, method, used: HashSet::new(), n_read: 0, progress })
    }

    pub(super) fn layout(&self) -> Layout {
        self.spec.layout.get(self.file.format())
    }

    pub(super) fn output(&mut self, shape: [usize; 2]) -> Result<OutputMatrix, LoadError> {
        if self.spec.output == Output::HiddenStates {
            return Ok(OutputMatrix::None);
        }
        // Never transposed: it is a copy of the embedding's kind.
        let matrix = match self.file.ties_output() {
            Some(true) => None,
            Some(false) => {
                let matrix = self.optional_matrix("output.weight", shape, false)?;
                Some(matrix.ok_or_else(|| self.missing("output.weight", &shape))?)
            }
            None => self.optional_matrix("output.weight", shape, false)?,
        };
        Ok(matrix.map_or(OutputMatrix::Tied, |matrix| OutputMatrix::Own(matrix.whole())))
    }

    /// What scores gain by distance: the first layer has it for all.
    pub(super) fn bucket_bias(
        &mut self,
        buckets: &Buckets,
        n_heads: usize,
    ) -> Result<PositionBias, LoadError> {
        let (name, shape) = ("blk.0.attn_rel_b.weight", [buckets.n_buckets, n_heads]);
        let table = self.optional(name, &shape)?.ok_or_else(|| self.missing(name, &shape))?;
        Ok(PositionBias::Buckets(BucketBias::new(buckets, &table)))
    }

    /// Whether metadata says that factors are there.
    fn names_long_rope(&self) -> Result<bool, LoadError> {
        let ModelFile::Gguf(file) = self.file else { return Ok(false) };
        let key = format!("{}.rope.scaling.type", self.spec.name);
        Ok(file.metadata().str(&key)? == Some("longrope"))
    }

    /// Divisors of RoPE's frequencies, where they are tensors.
    pub(super) fn rope_factors(&mut self, config: &mut ModelConfig) -> Result<(), LoadError> {
        let n = config.rope_full.rope_dim / 2;
        let mut vector = |name: &str| {
            let factors = self.optional_vector(name, n)?;
            match factors.iter().flatten().find(|factor| **factor <= 0.0) {
                None => Ok(factors),
                Some(found) => Err(LoadError::config(name, "positive numbers".into(), found)),
            }
        };
        let (short, long) = ("rope_factors_short.weight", "rope_factors_long.weight");
        let factors = match (vector("rope_freqs.weight")?, vector(short)?, vector(long)?) {
            (None, None, None) if self.names_long_rope()? => {
                return Err(self.missing(short, &[n]));
            }
            (None, None, None) => return Ok(()),
            (Some(factors), None, None) => RopeFactors::Same(factors),
            (None, Some(short), Some(long)) => RopeFactors::ByContext { short, long },
            (_, None, Some(_)) => return Err(self.missing(short, &[n])),
            (_, Some(_), None) => return Err(self.missing(long, &[n])),
            (Some(_), Some(_), Some(_)) => {
                let expected = "no rope_factors_short beside it";
                return Err(LoadError::config("rope_freqs.weight", expected.into(), "both"));
            }
        };
        config.rope_sliding.scaled.factors = factors.clone();
        config.rope_full.scaled.factors = factors;
        Ok(())
    }

    /// An embedding, or a matrix of a layer.
    pub(super) fn matrix(
        &mut self,
        name: &str,
        shape: [usize; 2],
    ) -> Result<WeightMatrix, LoadError> {
        Ok(self.whole_matrix(name, shape)?.whole())
    }

    pub(super) fn whole_matrix(
        &mut self,
        name: &str,
        shape: [usize; 2],
    ) -> Result<Matrix, LoadError> {
        let is_transposed = self.layout().is_transposed && name.starts_with("blk.");
        let matrix = self.optional_matrix(name, shape, is_transposed)?;
        matrix.ok_or_else(|| self.missing(name, &stored(&shape, is_transposed)))
    }

    /// A vector that a file may hold as a matrix of one row.
    pub(super) fn row(&mut self, name: &str, n: usize) -> Result<Vec<f32>, LoadError> {
        let is_matrix = self.look_up(name)?.is_some_and(|tensor| tensor.info.shape.len() == 2);
        let shape: &[usize] = if is_matrix { &[1, n] } else { &[n] };
        self.optional(name, shape)?.ok_or_else(|| self.missing(name, shape))
    }

    /// The first row of a matrix, if the file has it.
    pub(super) fn first_row(
        &mut self,
        name: &str,
        n: usize,
    ) -> Result<Option<Vec<f32>>, LoadError> {
        if !self.has(name)? {
            return Ok(None);
        }
        let n_rows = self.n_rows(name)?;
        let values = self.optional(name, &[n_rows, n])?;
        let first = |mut values: Vec<f32>| {
            values.truncate(n);
            values
        };
        Ok(values.filter(|_| n_rows > 0).map(first))
    }

    fn optional_matrix(
        &mut self,
        name: &str,
        shape: [usize; 2],
        is_transposed: bool,
    ) -> Result<Option<Matrix>, LoadError> {
        let Some(matrix) = self.joined(name, &shape, is_transposed)? else { return Ok(None) };
        let scale = self.scales(name, 1)?.map(|scales| scales[0]);
        Ok(Some(Matrix { scale, ..matrix }))
    }

    /// What a GGUF file multiplies the products of `n` matrices in one tensor by.
    pub(super) fn scales(&mut self, name: &str, n: usize) -> Result<Option<Vec<f32>>, LoadError> {
        match (self.file.format(), name.strip_suffix(".weight")) {
            (FileFormat::Gguf, Some(stem)) => self.optional_vector(&format!("{stem}.scale"), n),
            _ => Ok(None),
        }
    }

    /// The matrix that GGUF calls `name`, quantised where that was asked for.
    pub(super) fn as_asked(&self, name: &str, matrix: Matrix) -> Matrix {
        let Some(dtype) = self.options.quantize else { return matrix };
        if is_kept(name) || matrix.dtype.is_quantized() {
            return matrix;
        }
        match quantized(&matrix.bytes, (matrix.dtype, dtype), matrix.shape) {
            Some(bytes) => Matrix { dtype, bytes: bytes.into(), ..matrix },
            None => matrix,
        }
    }

    /// A norm, with its bias where the architecture has them.
    pub(super) fn norm(&mut self, name: &str, n: usize) -> Result<NormWeights, LoadError> {
        if self.spec.norm.get(self.file.format()) == Norm::LayerPlain {
            return Ok(self.ready(vec![1.0; n], None));
        }
        let gain = self.vector(&format!("{name}.weight"), n)?;
        self.finish_norm(name, gain)
    }

    /// The same, if the file has it.
    pub(super) fn optional_norm(
        &mut self,
        name: &str,
        n: usize,
    ) -> Result<Option<NormWeights>, LoadError> {
        let gain = self.optional_vector(&format!("{name}.weight"), n)?;
        gain.map(|gain| self.finish_norm(name, gain)).transpose()
    }

    /// Gains of each head, if the file has them.
    pub(super) fn head_gains(
        &mut self,
        name: &str,
        n_heads: usize,
        head_dim: usize,
    ) -> Result<Option<NormWeights>, LoadError> {
        let gain = self.optional(&format!("{name}.weight"), &[n_heads, head_dim])?;
        Ok(gain.map(|gain| self.ready(gain, None)))
    }

    fn finish_norm(&mut self, name: &str, gain: Vec<f32>) -> Result<NormWeights, LoadError> {
        let is_centered = self.spec.norm.get(self.file.format()).is_centered();
        let is_of_heads = name.ends_with("q_norm") || name.ends_with("k_norm");
        let bias = match is_centered && !is_of_heads {
            true => self.bias(name, gain.len(), self.spec.biases.norm)?,
            false => None,
        };
        Ok(self.ready(gain, bias))
    }

    fn ready(&self, mut gain: Vec<f32>, bias: Option<Vec<f32>>) -> NormWeights {
        let norm = self.spec.norm.get(self.file.format());
        if norm.adds_one() {
            gain.iter_mut().for_each(|w| *w += 1.0);
        }
        NormWeights { is_centered: norm.is_centered(), gain, bias }
    }

    /// What is added to the results of `name`.
    pub(super) fn bias(
        &mut self,
        name: &str,
        n: usize,
        bias: Bias,
    ) -> Result<Option<Vec<f32>>, LoadError> {
        self.biases(name, [n], bias)
    }

    /// The same where `name` are several matrices.
    pub(super) fn biases<const N: usize>(
        &mut self,
        name: &str,
        shape: [usize; N],
        bias: Bias,
    ) -> Result<Option<Vec<f32>>, LoadError> {
        if bias == Bias::None {
            return Ok(None);
        }
        let name = format!("{name}.bias");
        match self.optional(&name, &shape)? {
            None if bias == Bias::Present => Err(self.missing(&name, &shape)),
            values => Ok(values),
        }
    }

    pub(super) fn vector(&mut self, name: &str, n: usize) -> Result<Vec<f32>, LoadError> {
        self.optional_vector(name, n)?.ok_or_else(|| self.missing(name, &[n]))
    }

    fn optional_vector(&mut self, name: &str, n: usize) -> Result<Option<Vec<f32>>, LoadError> {
        self.optional(name, &[n])
    }

    /// Small numbers of any shape, as f32.
    fn optional(&mut self, name: &str, shape: &[usize]) -> Result<Option<Vec<f32>>, LoadError> {
        let Some(tensor) = self.find(name, shape)? else { return Ok(None) };
        let mut values = vec![0.0; shape.iter().product()];
        block::decode_row(tensor.info.dtype, &tensor.bytes, &mut values);
        match values.iter().position(|x| !x.is_finite()) {
            None => Ok(Some(values)),
            Some(value_idx) => {
                let (name, found) = (tensor.info.name, values[value_idx]);
                Err(LoadError::NotFinite { name, value_idx, found })
            }
        }
    }

    pub(super) fn find(
        &mut self,
        name: &str,
        shape: &[usize],
    ) -> Result<Option<Tensor>, LoadError> {
        let Some(tensor) = self.look_up(name)? else { return Ok(None) };
        if tensor.info.shape != shape {
            let (expected, found) = (shape.to_vec(), tensor.info.shape);
            return Err(LoadError::TensorShape { name: tensor.info.name, expected, found });
        }
        self.used.insert(tensor.info.name.clone());
        Ok(Some(tensor))
    }

    pub(super) fn has(&self, name: &str) -> Result<bool, LoadError> {
        Ok(self.packed_module(name).is_some() || self.look_up(name)?.is_some())
    }

    pub(super) fn n_rows(&self, name: &str) -> Result<usize, LoadError> {
        let tensor = self.look_up(name)?.ok_or_else(|| self.missing(name, &[]))?;
        Ok(tensor.info.shape.first().copied().unwrap_or(1))
    }

    /// The tensor that GGUF calls `name`, by the first of the names that the file has.
    fn look_up(&self, name: &str) -> Result<Option<Tensor>, LoadError> {
        for name in self.names(name) {
            if let Some(tensor) = self.file.tensor(&name)? {
                return Ok(Some(tensor));
            }
        }
        Ok(None)
    }

    pub(super) fn missing(&self, name: &str, expected: &[usize]) -> LoadError {
        let name = self.names(name).into_iter().next().unwrap_or_else(|| name.to_owned());
        LoadError::MissingTensor { name, expected: expected.to_vec() }
    }

    /// What a file may call the tensor that is `name` here, GGUF's name mostly; one at the least.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        let (stem, kind) = name.rsplit_once('.').expect("tensor names end in .weight or .bias");
        // Numbers, of the layer and of an expert, stand where `{}` does.
        let is_number = |part: &&str| part.parse::<usize>().is_ok();
        let numbers: Vec<&str> = stem.split('.').filter(is_number).collect();
        let parts = stem.split('.').map(|part| if is_number(&part) { "{}" } else { part });
        let stem = parts.collect::<Vec<_>>().join(".");
        let numbered = |theirs: &str| {
            let put = |name: String, number: &&str| name.replacen("{}", number, 1);
            numbers.iter().fold(theirs.to_owned(), put)
        };
        let whole = format!("{stem}.{kind}");
        let names: Vec<String> = self
            .tensor_names()
            .flat_map(|&(theirs, ours)| match ours {
                _ if ours == stem => [theirs, self.with_or_without(theirs).as_str()]
                    .map(|theirs| Some(format!("{}.{kind}", numbered(theirs)))),
                _ if ours == whole => [Some(numbered(theirs)), None],
                _ => [None, None],
            })
            .flatten()
            .collect();
        let longer = match self.file {
            ModelFile::HuggingFace { config, .. } if senses::are_more(config) => {
                names.iter().flat_map(|name| senses::longer_names(name)).collect()
            }
            _ => Vec::new(),
        };
        if names.is_empty() { vec![name.to_owned()] } else { [names, longer].concat() }
    }

    /// The other form of a name that may have a prefix.
    fn with_or_without(&self, theirs: &str) -> String {
        let prefix = match self.file.format() {
            FileFormat::Gguf => "",
            FileFormat::HuggingFace => self.spec.hf_prefix,
        };
        match theirs.strip_prefix(prefix) {
            Some(rest) => rest.to_owned(),
            None => format!("{prefix}{theirs}"),
        }
    }

    fn tensor_names(&self) -> impl Iterator<Item = &'static (&'static str, &'static str)> {
        let tables = match self.file.format() {
            FileFormat::Gguf => std::slice::from_ref(&self.spec.gguf_tensors),
            FileFormat::HuggingFace => self.spec.hf_tensors,
        };
        tables.iter().copied().flatten()
    }

    /// See [`super::Pages::Touch`].
    pub(super) fn read_pages(&mut self, tensor: &Tensor) {
        const PAGE: usize = 4096;
        let mut sum = 0u8;
        for chunk in tensor.bytes.chunks(1 << 24) {
            sum = chunk.iter().step_by(PAGE).fold(sum, |sum, byte| sum.wrapping_add(*byte));
            self.has_read(chunk.len() as u64);
        }
        std::hint::black_box(sum);
    }

    pub(super) fn has_read(&mut self, n_bytes: u64) {
        self.n_read += n_bytes;
        (self.progress)(self.n_read, self.file.n_bytes());
    }

    /// A tensor that nobody asked for means that the file is not what it says it is, unless it is
    /// for other things than texts.
    pub(super) fn check_all_used(&self, config: &ModelConfig) -> Result<Skipped, LoadError> {
        let tied = match self.file.ties_output() {
            Some(true) => self.names("output.weight"),
            _ => Vec::new(),
        };
        // Another name of a tensor that was found: a copy.
        let is_copy = |name: &str| {
            let stem = name.strip_suffix(".weight").unwrap_or(name);
            let mut rows = self
                .tensor_names()
                .filter(|(theirs, _)| *theirs == stem || self.with_or_without(theirs) == stem);
            rows.any(|(_, ours)| {
                let mut names = self.names(&format!("{ours}.weight")).into_iter();
                names.any(|name| self.used.contains(&name))
            })
        };
        let unused = match self.file.format() {
            FileFormat::Gguf => &[],
            FileFormat::HuggingFace => self.spec.hf_unused,
        };
        let further = config.n_layers..config.n_layers.saturating_add(config.n_further_layers);
        let is_of_further = |name: &str| {
            let layer_idx = name.split('.').find_map(|part| part.parse().ok());
            layer_idx.is_some_and(|layer_idx: usize| further.contains(&layer_idx))
        };
        let is_redundant = |name: &str| {
            tied.iter().any(|tied| tied == name)
                || is_copy(name)
                || is_of_further(name)
                || unused.iter().any(|start| name.starts_with(start))
                || REDUNDANT.iter().any(|end| name.ends_with(end))
                || self.is_spare(name)
        };
        let of_folder = match (self.file, self.method) {
            (ModelFile::HuggingFace { folder, .. }, Some(_)) => Some(folder.raw_tensors()),
            _ => None,
        };
        let raw = of_folder.into_iter().flatten().map(|(name, _)| name);
        let mut skipped = Skipped::default();
        for name in self.file.tensor_names().into_iter().chain(raw) {
            if self.used.contains(name) || is_redundant(name) {
                continue;
            }
            let Some(sense) = self.sense_of(name) else {
                let (name, architecture) = (name.to_owned(), self.spec.name);
                return Err(LoadError::SuperfluousTensor { name, architecture });
            };
            skipped.add(sense, self.file.tensor_bytes(name));
        }
        Ok(skipped)
    }

    fn sense_of(&self, name: &str) -> Option<Sense> {
        let may_have = match self.file {
            ModelFile::Gguf(_) => true,
            ModelFile::HuggingFace { config, .. } => senses::are_more(config),
        };
        senses::sense_of(name, self.file.format()).filter(|_| may_have)
    }
}

/// Whether a matrix of floats stays one: a router decides more than its few numbers weigh,
/// positions are only looked up, and what is to be transposed is encoded afterwards.
pub(super) fn is_kept(name: &str) -> bool {
    ["ffn_gate_inp", "position_embd", "attn_kv_b"].iter().any(|part| name.contains(part))
}
