//! A path becomes a model with its tokenizer and template.

use std::path::Path;
use std::sync::Arc;

use format::Mapping;
use model::load::ModelFile;
use model::{Arithmetic, LoadOptions, Model};
use tokenizer::template::Options;
use tokenizer::{ChatTemplate, Message, Tokenizer};

use crate::open_error::OpenError;
use crate::vocab;

/// A model, ready to run.
pub struct Loaded {
    pub model: Arc<Model>,
    pub tokenizer: Tokenizer,
    /// `None`: the file has none, the model runs raw.
    pub template: Option<ChatTemplate>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct LoadSettings {
    pub mapping: Mapping,
    pub arithmetic: Arithmetic,
}

impl Loaded {
    /// The ids of a conversation that the model is to answer. Only the template can place control
    /// tokens.
    ///
    /// # Errors
    /// A conversation that the template refuses, or a template that fails.
    ///
    /// # Panics
    /// Where the model has no template.
    pub fn encode_chat(&self, messages: &[Message]) -> Result<Vec<u32>, tokenizer::Error> {
        let template = self.template.as_ref().expect("the caller asked for a template first");
        let options = Options { add_generation_prompt: true, ..Options::default() };
        self.tokenizer.encode_chat(template, messages, &options)
    }
}

/// Loads a GGUF file or a Hugging Face folder. `progress(done, total)` counts bytes.
///
/// # Errors
/// Whatever is wrong with the file, its numbers, its tensors or its vocabulary.
pub fn load_model(
    path: &Path,
    settings: LoadSettings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, OpenError> {
    let file = ModelFile::open(path, settings.mapping)?;
    let options = LoadOptions { arithmetic: settings.arithmetic };
    let model = model::load(&file, options, progress)?;
    let tokenizer = vocab::tokenizer(&file)?;
    if tokenizer.n_vocab() > model.config.n_vocab {
        let (n_tokens, n_rows) = (tokenizer.n_vocab(), model.config.n_vocab);
        return Err(OpenError::VocabularyTooLarge { n_tokens, n_rows });
    }
    let template = vocab::template_source(&file, &tokenizer)?;
    let template = template.map(|source| tokenizer.compile_template(&source)).transpose()?;
    Ok(Loaded { model: Arc::new(model), tokenizer, template })
}

/// The tokenizer alone, without reading weights.
///
/// # Errors
/// Whatever is wrong with the file or its vocabulary.
pub fn load_tokenizer(path: &Path) -> Result<Tokenizer, OpenError> {
    vocab::tokenizer(&ModelFile::open(path, Mapping::Mmap)?)
}
