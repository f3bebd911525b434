//! A path becomes a model with its tokenizer and template.

use std::path::Path;
use std::sync::Arc;

use format::Mapping;
use kernels::DType;
use model::load::ModelFile;
use model::{Arithmetic, LoadOptions, Model, Pages};
use tokenizer::template::Options;
use tokenizer::{ChatTemplate, Message, Tokenizer};

use crate::open_error::OpenError;
use crate::vocab;

/// A model, ready to run.
pub struct Loaded {
    pub model: Arc<Model>,
    pub tokenizer: Tokenizer,
    /// Source of the chat template; `None`: the file has none, the model runs raw.
    pub template: Option<String>,
}

#[derive(Clone, Copy, Debug, Default)]
pub struct LoadSettings {
    pub mapping: Mapping,
    pub arithmetic: Arithmetic,
    pub pages: Pages,
    /// See [`LoadOptions`].
    pub quantize: Option<DType>,
}

/// Most ids without an embedding row, and most of them for each hundred rows. Folders name tokens
/// that only a larger sibling of the model has a row for (Gemma 3: one, for images); a tokenizer of
/// another model has thousands too many. Such an id is refused where it is used.
const N_IDS_WITHOUT_ROW: usize = 64;
const PERCENT_WITHOUT_ROW: usize = 1;

impl Loaded {
    /// The chat template, ready to use; `None`: the file has none. Only conversations need it: a
    /// template that does not compile keeps nobody else from the model.
    ///
    /// # Errors
    /// What is wrong with the template, and in which line.
    pub fn compile_template(&self) -> Result<Option<ChatTemplate>, tokenizer::Error> {
        let source = self.template.as_deref();
        source.map(|source| self.tokenizer.compile_template(source)).transpose()
    }

    /// The ids of a conversation that the model is to answer. Only the template can place control
    /// tokens.
    ///
    /// # Errors
    /// A conversation that the template refuses, or a template that fails.
    pub fn encode_chat(
        &self,
        template: &ChatTemplate,
        messages: &[Message],
    ) -> Result<Vec<u32>, tokenizer::Error> {
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
    load_file(&ModelFile::open(path, settings.mapping)?, settings, progress)
}

/// [`load_model`] from a file that is open already.
///
/// # Errors
/// As for [`load_model`].
pub fn load_file(
    file: &ModelFile,
    settings: LoadSettings,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Loaded, OpenError> {
    let LoadSettings { arithmetic, pages, quantize, .. } = settings;
    let model = model::load(file, LoadOptions { arithmetic, pages, quantize }, progress)?;
    let tokenizer = vocab::tokenizer(file)?;
    check_vocabulary(tokenizer.n_vocab(), model.config.n_vocab)?;
    let template = vocab::template_source(file, &tokenizer)?;
    Ok(Loaded { model: Arc::new(model), tokenizer, template })
}

/// Refuses the tokenizer of another model.
fn check_vocabulary(n_tokens: usize, n_rows: usize) -> Result<(), OpenError> {
    let n_without_row = n_tokens.saturating_sub(n_rows);
    if n_without_row > N_IDS_WITHOUT_ROW && n_without_row > n_rows * PERCENT_WITHOUT_ROW / 100 {
        return Err(OpenError::VocabularyTooLarge { n_tokens, n_rows });
    }
    Ok(())
}

/// The tokenizer alone, without reading weights.
///
/// # Errors
/// Whatever is wrong with the vocabulary.
pub fn load_tokenizer(file: &ModelFile) -> Result<Tokenizer, OpenError> {
    vocab::tokenizer(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_tokenizer_of_another_model_is_refused() {
        let check = |n_tokens, n_rows, expected: bool| {
            assert_eq!(
                check_vocabulary(n_tokens, n_rows).is_ok(),
                expected,
                "{n_tokens}, {n_rows}"
            );
        };
        // Padding rows have no tokens.
        check(151_665, 151_936, true);
        // Gemma 3, text only.
        check(262_145, 262_144, true);
        check(49_152 + 491, 49_152, true);
        check(49_152 + 492, 49_152, false);
        check(288 + 64, 288, true);
        check(288 + 65, 288, false);
        check(151_665, 49_152, false);
    }
}
