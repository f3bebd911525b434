//! Why a model could not be opened.

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Model(#[from] model::LoadError),
    #[error(transparent)]
    File(#[from] format::Error),
    #[error(transparent)]
    Tokenizer(#[from] tokenizer::Error),
    #[error(
        "the tokenizer has {n_tokens} tokens, the embedding {n_rows} rows: expected at least one \
         row a token; the file is damaged or mixes two models"
    )]
    VocabularyTooLarge { n_tokens: usize, n_rows: usize },
    #[error(
        "tokenizer.ggml.precompiled_charsmap: expected bytes, found {found} at index {value_idx}: \
         get the model file again"
    )]
    CharsmapValue { value_idx: usize, found: i32 },
    #[error("{file}: expected {expected}, found {found}")]
    Recipe { file: String, expected: &'static str, found: String },
    #[error("chat_template.jinja: not UTF-8 text: {0}")]
    TemplateNotUtf8(#[from] std::string::FromUtf8Error),
}
