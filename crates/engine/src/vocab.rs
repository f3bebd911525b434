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
    let flag = |name: &str| metadata.bool(&key(name));
    let empty = Strings::from_iter([] as [&[u8]; 0]);
    let merges = metadata.strings(&key("merges"))?.unwrap_or(&empty);
    let charsmap = metadata.i32s(&key("precompiled_charsmap"))?;
    let charsmap = charsmap.map(|values| bytes_of(&values)).transpose()?;
    let vocab = GgufVocab {
        model: metadata.require_str(&key("model"))?,
        pre: metadata.str(&key("pre"))?,
        tokens: metadata.require_strings(&key("tokens"))?.iter().collect(),
        scores: metadata.f32s(&key("scores"))?,
        token_types: metadata.i32s(&key("token_type"))?,
        merges: merges.iter().collect(),
        precompiled_charsmap: charsmap,
        bos_id: id("bos_token_id")?.or(id("cls_token_id")?),
        // So spelled.
        eos_id: id("eos_token_id")?.or(id("seperator_token_id")?),
        unknown_id: id("unknown_token_id")?,
        eot_id: id("eot_token_id")?,
        eom_id: id("eom_token_id")?,
        add_bos: flag("add_bos_token")?,
        add_eos: flag("add_eos_token")?.or(flag("add_sep_token")?),
        remove_extra_whitespaces: flag("remove_extra_whitespaces")?,
        add_space_prefix: flag("add_space_prefix")?,
        chat_template: metadata.str("tokenizer.chat_template")?,
    };
    Ok(Tokenizer::from_gguf(&vocab)?)
}

/// Bytes that a file may hold as signed numbers too.
fn bytes_of(values: &[i32]) -> Result<Vec<u8>, OpenError> {
    let byte = |(value_idx, &value): (usize, &i32)| match value {
        -128..=255 => Ok(value as u8),
        found => Err(OpenError::CharsmapValue { value_idx, found }),
    };
    values.iter().enumerate().map(byte).collect()
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
        return Ok(Some(String::from_utf8(bytes)?));
    }
    Ok(tokenizer.chat_template().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_with_and_without_a_sign() {
        assert_eq!(
            bytes_of(&[0, 127, 200, 255, -1, -128]).expect("bytes"),
            [0, 127, 200, 255, 255, 128]
        );
        for found in [256, -129] {
            let error = bytes_of(&[7, found]).expect_err("no byte").to_string();
            assert!(error.contains(&format!("found {found} at index 1")), "{error}");
        }
    }
}
