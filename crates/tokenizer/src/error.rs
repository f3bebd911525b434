//! What can be wrong with a tokenizer or a chat template that came from outside.

/// Every way in which reading a tokenizer, or rendering a chat template, can fail.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error(
        "tokenizer.ggml.model is {found:?}, expected gpt2, llama, bert or t5; \
         convert the model with one of these vocabularies"
    )]
    UnknownModel { found: String },
    #[error(
        "tokenizer.ggml.pre {found:?} is not known, so the text would be split wrongly; use the \
         model's folder with tokenizer.json, or a file with one of: {known}"
    )]
    UnknownPreTokenizer { found: String, known: String },
    #[error(
        "tokenizer.ggml.pre is missing, so the way to split text is unknown; convert the model \
         again with a newer converter, or use its folder with tokenizer.json"
    )]
    MissingPreTokenizer,
    #[error("the vocabulary is empty, expected at least one token")]
    EmptyVocabulary,
    #[error("{array} is missing, a vocabulary of model {model} needs it")]
    MissingArray { array: &'static str, model: String },
    #[error("{array} has {found} entries, expected {expected} (one for each token)")]
    LengthMismatch { array: &'static str, expected: usize, found: usize },
    #[error("{key} is {id}, expected an id below the vocabulary's {n_vocab} tokens")]
    IdOutOfRange { key: &'static str, id: u32, n_vocab: usize },
    #[error("the largest token id is {id_max} but only {n_tokens} tokens are named")]
    SparseVocabulary { id_max: u32, n_tokens: usize },
    #[error("tokenizer.ggml.tokens: token {id} is not valid UTF-8")]
    TokenNotUtf8 { id: usize },
    #[error("tokenizer.ggml.token_type: token {id} has type {found}, expected 0 to 6")]
    UnknownTokenType { id: usize, found: i32 },
    #[error("tokenizer.ggml.scores: token {id} has score {found}, expected a finite number")]
    BadScore { id: usize, found: f32 },
    #[error("tokenizer.ggml.merges: entry {idx} is {merge:?}, expected two parts and a space")]
    MergeSyntax { idx: usize, merge: String },
    #[error("tokenizer.ggml.merges: entry {idx} names {token:?}, which is no token")]
    MergeUnknownToken { idx: usize, token: String },
    #[error(
        "the vocabulary has neither an unknown token nor all 256 byte tokens, so some text could \
         not be written"
    )]
    NoFallback,
    #[error("tokenizer.ggml.precompiled_charsmap is damaged: {problem}")]
    BadCharsmap { problem: &'static str },
    #[error("the vocabulary cannot be used: {source}")]
    UnusableVocabulary { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("{file} is not what it should be: {source}")]
    Json { file: &'static str, source: serde_json::Error },
    #[error("tokenizer.json: {source}")]
    TokenizerJson { source: Box<dyn std::error::Error + Send + Sync> },
    #[error("tokenizer.json has decoder {found}, expected ByteLevel, Metaspace or WordPiece")]
    UnsupportedDecoder { found: String },
    #[error("the special tokens could not be indexed: {source}")]
    SpecialTokens { source: aho_corasick::BuildError },

    #[error("chat template, line {line}: {problem}")]
    TemplateSyntax { line: usize, problem: String },
    #[error("chat template, line {line}: {problem}")]
    TemplateRender { line: usize, problem: String },
    #[error("the chat template refuses this conversation: {message}")]
    TemplateRaised { message: String },
    #[error("the chat template needs more than {limit}; use another template or fewer messages")]
    TemplateLimit { limit: &'static str },
    #[error("the chat template is {found} bytes, expected at most {max}")]
    TemplateTooLong { found: usize, max: usize },
    #[error("template variable {name:?} is set by the program and cannot be overridden")]
    ReservedVariable { name: String },
    #[error("message {idx}: {problem}")]
    BadMessage { idx: usize, problem: &'static str },
    #[error("a content part has type {found:?}, expected \"text\"")]
    UnsupportedPart { found: String },
    #[error("the conversation cannot be continued: {problem}")]
    CannotContinue { problem: &'static str },
    #[error("the messages use every private character, which leaves none to mark them with")]
    NoPrivateCharacters,
}

/// The start of a text from a file, short enough for a one-line message.
pub(crate) fn excerpt(text: &str) -> String {
    const N_CHARS_MAX: usize = 60;
    match text.char_indices().nth(N_CHARS_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
