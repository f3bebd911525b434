//! Glue between model files and tokenizers: `format` and `tokenizer` know nothing of each other.

use format::gguf::{Metadata, Strings};
use format::safetensors::SafetensorsFolder;
use model::load::ModelFile;
use tokenizer::{GgufVocab, Tokenizer};

use crate::open_error::OpenError;

pub(crate) fn tokenizer(file: &ModelFile) -> Result<Tokenizer, OpenError> {
    match file {
        ModelFile::Gguf(file) => from_metadata(file.metadata()),
        ModelFile::HuggingFace { folder, .. } => from_folder(folder),
    }
}

fn from_metadata(metadata: &Metadata) -> Result<Tokenizer, OpenError> {
    let key = |name: &str| format!("tokenizer.ggml.{name}");
    let id = |name: &str| metadata.u32(&key(name));
    let empty = Strings::from_iter([] as [&[u8]; 0]);
    let merges = metadata.strings(&key("merges"))?.unwrap_or(&empty);
    let charsmap = metadata.u32s(&key("precompiled_charsmap"))?;
    let charsmap = charsmap.map(|bytes| bytes.into_iter().map(|byte| byte as u8).collect());
    let vocab = GgufVocab {
        model: metadata.require_str(&key("model"))?,
        pre: metadata.str(&key("pre"))?,
        tokens: metadata.require_strings(&key("tokens"))?.iter().collect(),
        scores: metadata.f32s(&key("scores"))?,
        token_types: metadata.i32s(&key("token_type"))?,
        merges: merges.iter().collect(),
        precompiled_charsmap: charsmap,
        bos_id: id("bos_token_id")?,
        eos_id: id("eos_token_id")?,
        unknown_id: id("unknown_token_id")?,
        eot_id: id("eot_token_id")?,
        eom_id: id("eom_token_id")?,
        add_bos: metadata.bool(&key("add_bos_token"))?,
        add_space_prefix: metadata.bool(&key("add_space_prefix"))?,
        chat_template: metadata.str("tokenizer.chat_template")?,
    };
    Ok(Tokenizer::from_gguf(&vocab)?)
}

fn from_folder(folder: &SafetensorsFolder) -> Result<Tokenizer, OpenError> {
    let tokenizer_json = folder.require_bytes("tokenizer.json")?;
    let config_json = folder.read_bytes("tokenizer_config.json")?;
    Ok(Tokenizer::from_json(&tokenizer_json, config_json.as_deref())?)
}

/// The source of the chat template; newer folders keep it in a file of its own.
pub(crate) fn template_source(
    file: &ModelFile,
    tokenizer: &Tokenizer,
) -> Result<Option<String>, OpenError> {
    if let ModelFile::HuggingFace { folder, .. } = file
        && let Some(bytes) = folder.read_bytes("chat_template.jinja")?
    {
        return Ok(Some(String::from_utf8_lossy(&bytes).into_owned()));
    }
    Ok(tokenizer.chat_template().map(str::to_owned))
}
