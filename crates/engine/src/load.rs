//! A path becomes a model with its tokenizer and template.

use std::path::Path;
use std::sync::Arc;

use format::Mapping;
use model::load::ModelFile;
use model::{Arithmetic, LoadOptions, Model};
use tokenizer::{ChatTemplate, Tokenizer};

use crate::error::Error;
use crate::vocab;

/// A model, ready to run.
pub struct Loaded {
    pub model: Arc<Model>,
    pub tokenizer: Arc<Tokenizer>,
    /// `None`: the file has none, the model runs raw.
    pub template: Option<ChatTemplate>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct LoadSettings {
    pub mapping: Mapping,
    pub arithmetic: Arithmetic,
}

/// Loads a GGUF file or a Hugging Face folder. `progress(done, total)` counts bytes.
///
/// # Errors
/// Whatever is wrong with the file, its numbers, its tensors or its vocabulary.
pub fn load_model(
    path: &Path,
    settings: LoadSettings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, Error> {
    let file = ModelFile::open(path, settings.mapping)?;
    let options = LoadOptions { arithmetic: settings.arithmetic };
    let model = model::load(&file, options, progress)?;
    let tokenizer = vocab::tokenizer(&file)?;
    if tokenizer.n_vocab() > model.config.n_vocab {
        let (n_tokens, n_rows) = (tokenizer.n_vocab(), model.config.n_vocab);
        return Err(Error::VocabularyTooLarge { n_tokens, n_rows });
    }
    let template = vocab::template(&file, &tokenizer)?;
    Ok(Loaded { model: Arc::new(model), tokenizer: Arc::new(tokenizer), template })
}

/// The tokenizer alone, without reading weights.
///
/// # Errors
/// Whatever is wrong with the file or its vocabulary.
pub fn load_tokenizer(path: &Path) -> Result<Tokenizer, Error> {
    vocab::tokenizer(&ModelFile::open(path, Mapping::Mmap)?)
}
