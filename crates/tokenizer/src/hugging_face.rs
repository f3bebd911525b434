//! Tokenizers from a Hugging Face folder, encoded by the `tokenizers` crate.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::ModelWrapper;

use crate::error::Error;
use crate::gguf::byte_token;
use crate::pipeline::Pipeline;
use crate::score_bpe::SPACE_MARK;
use crate::special::Strip;
use crate::tokenizer::{Model, Parts};
use crate::vocab::{TokenKind, Vocab};

/// What this crate reads of `tokenizer.json` itself; the rest is the `tokenizers` crate's.
#[derive(Deserialize)]
struct TokenizerJson {
    #[serde(default)]
    added_tokens: Vec<AddedToken>,
    normalizer: Option<Value>,
    pre_tokenizer: Option<Value>,
    decoder: Option<Value>,
}

#[derive(Deserialize)]
struct AddedToken {
    id: u32,
    #[serde(default)]
    single_word: bool,
    #[serde(default)]
    lstrip: bool,
    #[serde(default)]
    rstrip: bool,
    #[serde(default)]
    special: bool,
}

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    bos_token: Option<NamedToken>,
    cls_token: Option<NamedToken>,
    eos_token: Option<NamedToken>,
    sep_token: Option<NamedToken>,
    add_bos_token: Option<bool>,
    add_eos_token: Option<bool>,
    chat_template: Option<TemplateField>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NamedToken {
    Text(String),
    Full { content: String },
}

#[derive(Deserialize)]
#[serde(untagged)]
enum TemplateField {
    One(String),
    Many(Vec<NamedTemplate>),
}

#[derive(Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

/// How the vocabulary writes its tokens, told by the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    ByteLevel,
    /// U+2581 for a space, and perhaps `<0xNN>` for bytes.
    Metaspace,
    /// `##` inside a word.
    WordPiece,
}

/// The parts of a tokenizer, and which of its special tokens take the white space beside them.
pub(crate) fn read(
    tokenizer_json: &[u8],
    tokenizer_config_json: Option<&[u8]>,
) -> Result<(Parts, HashMap<u32, Strip>), Error> {
    let head: TokenizerJson = parse(tokenizer_json, "tokenizer.json")?;
    let config: TokenizerConfig = match tokenizer_config_json {
        Some(bytes) => parse(bytes, "tokenizer_config.json")?,
        None => TokenizerConfig::default(),
    };
    check_charsmaps(head.normalizer.as_ref())?;
    let unusable = |source| Error::TokenizerJson { source };
    let mut crate_tokenizer =
        tokenizers::Tokenizer::from_bytes(tokenizer_json).map_err(unusable)?;
    // Files may ask for texts that are cut or filled up to one length.
    crate_tokenizer.with_padding(None).with_truncation(None).map_err(unusable)?;
    let spelling = spelling(&head)?;
    let vocab = read_vocab(&head, &crate_tokenizer, spelling)?;
    let id_of = |token: Option<&NamedToken>| {
        token.and_then(|token| crate_tokenizer.token_to_id(token.text()))
    };
    let bos = id_of(config.bos_token.as_ref().or(config.cls_token.as_ref()));
    let eos = id_of(config.eos_token.as_ref().or(config.sep_token.as_ref()));
    let empty_prompt = crate_tokenizer.encode_fast("", true);
    let added = empty_prompt.map(|prompt| prompt.get_ids().to_vec()).unwrap_or_default();
    let adds_bos = config.add_bos_token.unwrap_or(added.first().copied() == bos);
    // Not always the one that is called EOS.
    let last = added.last().copied().filter(|id| Some(*id) != bos || added.len() > 1);
    let end_of_whole = match config.add_eos_token {
        None => last,
        Some(adds_eos) => eos.filter(|_| adds_eos),
    };
    let starts_with_space = starts_with_space(&head, spelling);
    let unknown = unknown_token(&crate_tokenizer);
    let pipeline = Pipeline { steps: crate_tokenizer, unknown, byte_ids: None };
    let parts = Parts {
        vocab,
        model: Model::Pipeline(Box::new(pipeline)),
        bos,
        eos,
        end_ids: eos.into_iter().collect(),
        adds_bos: adds_bos && bos.is_some(),
        end_of_whole,
        starts_with_space,
        chat_template: config.chat_template.and_then(TemplateField::into_default),
    };
    let strips = head.added_tokens.iter().map(|token| (token.id, token.strip())).collect();
    Ok((parts, strips))
}

fn parse<'a, T: Deserialize<'a>>(bytes: &'a [u8], file: &'static str) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|source| Error::Json { file, source })
}

/// The tokens by id, each as the bytes it stands for.
fn read_vocab(
    head: &TokenizerJson,
    crate_tokenizer: &tokenizers::Tokenizer,
    spelling: Spelling,
) -> Result<Vocab, Error> {
    let named = crate_tokenizer.get_vocab(true);
    let id_max = named.values().copied().max().ok_or(Error::EmptyVocabulary)?;
    // Ids may have gaps, but not so many that a few names make a huge table.
    const GAP_MAX: usize = 1 << 16;
    if id_max as usize > 2 * named.len() + GAP_MAX {
        return Err(Error::SparseVocabulary { id_max, n_tokens: named.len() });
    }
    let mut texts: Vec<Option<&str>> = vec![None; id_max as usize + 1];
    for (text, id) in &named {
        texts[*id as usize] = Some(text);
    }
    let added: HashMap<u32, bool> =
        head.added_tokens.iter().map(|token| (token.id, token.special)).collect();
    let unknown = unknown_token(crate_tokenizer);
    let has_bytes = decoder_types(head.decoder.as_ref()).contains(&"ByteFallback");
    let mut vocab = Vocab::default();
    for (id, text) in texts.iter().enumerate() {
        let Some(text) = text else {
            vocab.push(&[], TokenKind::Unused);
            continue;
        };
        let byte = byte_token(text).filter(|_| has_bytes);
        match (added.get(&(id as u32)), byte) {
            _ if unknown == Some(id as u32) => vocab.push(text.as_bytes(), TokenKind::Unknown),
            (Some(true), _) => vocab.push(text.as_bytes(), TokenKind::Control),
            (Some(false), _) => vocab.push(text.as_bytes(), TokenKind::UserDefined),
            (None, Some(byte)) => vocab.push(&[byte], TokenKind::Byte),
            (None, None) => vocab.push(&spelling.bytes_of(text), TokenKind::Text),
        }
    }
    Ok(vocab)
}

fn unknown_token(crate_tokenizer: &tokenizers::Tokenizer) -> Option<u32> {
    let name = match crate_tokenizer.get_model() {
        ModelWrapper::BPE(model) => model.get_unk_token().clone(),
        ModelWrapper::WordPiece(model) => Some(model.unk_token.clone()),
        ModelWrapper::WordLevel(model) => Some(model.unk_token.clone()),
        ModelWrapper::Unigram(_) => Some("<unk>".to_owned()),
    };
    name.and_then(|name| crate_tokenizer.token_to_id(&name))
}

/// The types of the decoder's steps, in order.
fn decoder_types(decoder: Option<&Value>) -> Vec<&str> {
    let Some(decoder) = decoder else { return Vec::new() };
    let own = decoder.get("type").and_then(Value::as_str);
    let steps = ["decoders", "pretokenizers"].iter().filter_map(|key| decoder.get(key));
    let inner = steps.filter_map(Value::as_array).flatten();
    own.into_iter().chain(inner.flat_map(|step| decoder_types(Some(step)))).collect()
}

fn spelling(head: &TokenizerJson) -> Result<Spelling, Error> {
    // A file without a decoder still tells by the way it splits text.
    let described = head.decoder.as_ref().or(head.pre_tokenizer.as_ref());
    let types = decoder_types(described);
    let has = |name: &str| types.contains(&name);
    if has("ByteLevel") {
        Ok(Spelling::ByteLevel)
    } else if has("Metaspace") || has("ByteFallback") {
        Ok(Spelling::Metaspace)
    } else if has("WordPiece") || has("BertPreTokenizer") {
        Ok(Spelling::WordPiece)
    } else {
        let found = types.first().copied().unwrap_or("none");
        Err(Error::UnsupportedDecoder { found: crate::error::excerpt(found) })
    }
}

fn starts_with_space(head: &TokenizerJson, spelling: Spelling) -> bool {
    let types = decoder_types(head.decoder.as_ref());
    match spelling {
        Spelling::ByteLevel => false,
        Spelling::WordPiece => true,
        Spelling::Metaspace if types.contains(&"Metaspace") => {
            let scheme = head.decoder.as_ref().and_then(|decoder| decoder.get("prepend_scheme"));
            scheme.and_then(Value::as_str) != Some("never")
        }
        Spelling::Metaspace => types.contains(&"Strip"),
    }
}

/// A damaged `precompiled_charsmap` would make the crate index outside its trie.
fn check_charsmaps(normalizer: Option<&Value>) -> Result<(), Error> {
    let Some(normalizer) = normalizer else { return Ok(()) };
    if let Some(charsmap) = normalizer.get("precompiled_charsmap").and_then(Value::as_str) {
        crate::charsmap::check_base64(charsmap)?;
    }
    let steps = normalizer.get("normalizers").and_then(Value::as_array);
    steps.into_iter().flatten().try_for_each(|step| check_charsmaps(Some(step)))
}

impl Spelling {
    fn bytes_of(self, text: &str) -> Vec<u8> {
        match self {
            Self::ByteLevel => crate::byte_level::bytes_of(text),
            Self::Metaspace => text.replace(SPACE_MARK, " ").into_bytes(),
            Self::WordPiece => match text.strip_prefix("##") {
                Some(inside) => inside.as_bytes().to_vec(),
                None => format!(" {text}").into_bytes(),
            },
        }
    }
}

impl AddedToken {
    fn strip(&self) -> Strip {
        Strip { left: self.lstrip, right: self.rstrip, single_word: self.single_word }
    }
}

impl NamedToken {
    fn text(&self) -> &str {
        match self {
            Self::Text(text) | Self::Full { content: text } => text,
        }
    }
}

impl TemplateField {
    /// The template for plain conversations.
    fn into_default(self) -> Option<String> {
        match self {
            Self::One(source) => Some(source),
            Self::Many(named) => {
                named.into_iter().find(|one| one.name == "default").map(|one| one.template)
            }
        }
    }
}
