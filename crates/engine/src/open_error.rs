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
}
