//! The tokenizer of a model: text to token ids and back.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

use crate::byte_bpe::ByteBpe;
use crate::detokenizer::{Detokenizer, Place};
use crate::error::Error;
use crate::gguf::GgufVocab;
use crate::pipeline::{After, Pipeline};
use crate::score_bpe::ScoreBpe;
use crate::special::{Segment, SpecialToken, Specials, Strip};
use crate::template::{ChatTemplate, SpecialTexts};
use crate::vocab::{TokenKind, Vocab};

/// Whether the names of control tokens in a text mean the tokens or are plain text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpecialText {
    /// `<|im_end|>` is ten characters. What users write is always this.
    AsText,
    /// `<|im_end|>` is one token. Only for text that a program wrote.
    Parse,
}

/// Whether control tokens show when ids become bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    Hide,
    Show,
}

/// Text to token ids and back. Cheap to clone: all clones share one vocabulary.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    parts: Arc<Parts>,
    control: Arc<Specials>,
    user_defined: Arc<Specials>,
}

/// What the readers of the two file formats have to find.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) vocab: Vocab,
    pub(crate) model: Model,
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    /// The tokens after which a model says no more, in order.
    pub(crate) end_ids: Vec<u32>,
    pub(crate) adds_bos: bool,
    /// The token that whole texts end with.
    pub(crate) end_of_whole: Option<u32>,
    pub(crate) starts_with_space: bool,
    pub(crate) chat_template: Option<String>,
}

#[derive(Debug)]
pub(crate) enum Model {
    ByteBpe(ByteBpe),
    ScoreBpe(ScoreBpe),
    Pipeline(Box<Pipeline>),
}

/// Names of tokens that end a turn or a text, for files that name only one of them as EOS.
const END_NAMES: [&str; 14] = [
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<end_of_turn>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|END_OF_TURN_TOKEN|>",
    "<|endofresponse|>",
    "<｜end▁of▁sentence｜>",
    "<|eot|>",
    "<EOT>",
];

impl Tokenizer {
    /// The tokenizer that the metadata of a GGUF file describes.
    ///
    /// # Errors
    /// Unknown kinds of vocabulary or pre-tokenizer, arrays that do not fit together, ids outside
    /// the vocabulary, merges that name no token.
    pub fn from_gguf(vocab: &GgufVocab<'_>) -> Result<Self, Error> {
        Self::assemble(crate::gguf::read(vocab)?, |_| Strip::default())
    }

    /// The tokenizer of a Hugging Face folder: `tokenizer.json`, and `tokenizer_config.json` for
    /// the names of BOS and EOS and for the chat template.
    ///
    /// # Errors
    /// Files that are not what they should be, and decoders whose text cannot be streamed.
    pub fn from_json(
        tokenizer_json: &[u8],
        tokenizer_config_json: Option<&[u8]>,
    ) -> Result<Self, Error> {
        let (parts, strips) = crate::hugging_face::read(tokenizer_json, tokenizer_config_json)?;
        Self::assemble(parts, |id| strips.get(&id).copied().unwrap_or_default())
    }

    fn assemble(mut parts: Parts, strip_of: impl Fn(u32) -> Strip) -> Result<Self, Error> {
        let vocab = &parts.vocab;
        let specials = |kinds: &[TokenKind]| {
            let ids = kinds.iter().flat_map(|kind| vocab.ids_of(*kind));
            Specials::new(ids.map(|id| special_token(vocab, id, strip_of(id))).collect())
        };
        let control = Arc::new(specials(&[TokenKind::Control, TokenKind::Unknown])?);
        let user_defined = Arc::new(specials(&[TokenKind::UserDefined])?);
        let named_ends = vocab
            .ids_of(TokenKind::Control)
            .filter(|id| END_NAMES.iter().any(|name| name.as_bytes() == vocab.bytes(*id)));
        parts.end_ids = parts.end_ids.iter().copied().chain(named_ends).collect();
        parts.end_ids.sort_unstable();
        parts.end_ids.dedup();
        Ok(Self { parts: Arc::new(parts), control, user_defined })
    }

    /// The number of ids, padding rows included.
    pub fn n_vocab(&self) -> usize {
        self.parts.vocab.len()
    }

    /// The ids of a text, without BOS.
    ///
    /// The text is normalised as the model's own tokenizer does it (Qwen 2: NFC), and where the
    /// vocabulary was trained so, a space is put before it.
    pub fn encode(&self, text: &str, special: SpecialText) -> Vec<u32> {
        let mut ids = Vec::new();
        let mut after = After::Nothing;
        match special {
            SpecialText::AsText => self.encode_text(text, &mut after, &mut ids),
            SpecialText::Parse => self.control.split(text, |segment| match segment {
                Segment::Text(text) => self.encode_text(text, &mut after, &mut ids),
                Segment::Token(id) => {
                    ids.push(id);
                    after = After::Control;
                }
            }),
        }
        ids
    }

    /// The ids of a raw prompt: BOS if the model adds one, then the text.
    pub fn encode_prompt(&self, text: &str, special: SpecialText) -> Vec<u32> {
        let ids = self.encode(text, special);
        let bos = self.bos().filter(|bos| self.adds_bos() && ids.first() != Some(bos));
        bos.into_iter().chain(ids).collect()
    }

    /// The ids of a whole text, as an encoder reads it: as a prompt, and its end where the model
    /// adds one.
    pub fn encode_whole(&self, text: &str, special: SpecialText) -> Vec<u32> {
        let mut ids = self.encode_prompt(text, special);
        ids.extend(self.end_of_whole().filter(|end| ids.last() != Some(end)));
        ids
    }

    /// Appends the ids of text whose control tokens, if any, are plain text.
    pub(crate) fn encode_text(&self, text: &str, after: &mut After, ids: &mut Vec<u32>) {
        let Parts { vocab, model, .. } = &*self.parts;
        // SentencePiece puts its space before the whole text, then looks for tokens in it.
        let adds_space = self.starts_with_space() && matches!(model, Model::ScoreBpe(_));
        let text = match after {
            After::Nothing | After::Control if adds_space && !text.is_empty() => {
                Cow::Owned(format!(" {text}"))
            }
            _ => Cow::Borrowed(text),
        };
        self.user_defined.split(&text, |segment| {
            match segment {
                Segment::Token(id) => ids.push(id),
                Segment::Text(text) => match model {
                    Model::ByteBpe(model) => model.encode(vocab, text, ids),
                    Model::ScoreBpe(model) => model.encode(vocab, text, ids),
                    Model::Pipeline(model) => model.encode(vocab, text, *after, ids),
                },
            }
            *after = After::Text;
        });
    }

    pub(crate) fn control(&self) -> &Specials {
        &self.control
    }

    /// The token that starts a text.
    pub fn bos(&self) -> Option<u32> {
        self.parts.bos
    }

    /// The token that ends a text; [`Self::is_end_of_generation`] knows more than this one.
    pub fn eos(&self) -> Option<u32> {
        self.parts.eos
    }

    /// Whether prompts of this model start with [`Self::bos`].
    pub fn adds_bos(&self) -> bool {
        self.parts.adds_bos
    }

    /// The token that whole texts end with, where they do: EOS mostly.
    pub fn end_of_whole(&self) -> Option<u32> {
        self.parts.end_of_whole
    }

    /// Whether the model has said all it wanted when it says this token.
    pub fn is_end_of_generation(&self, id: u32) -> bool {
        self.parts.end_ids.binary_search(&id).is_ok()
    }

    /// Whether the token is structure, not text.
    pub fn is_control(&self, id: u32) -> bool {
        matches!(self.parts.vocab.kind(id), TokenKind::Control | TokenKind::Unknown)
    }

    /// Whether the id is a row that only fills the table (or lies outside it): never sample it.
    pub fn is_padding(&self, id: u32) -> bool {
        self.parts.vocab.kind(id) == TokenKind::Unused
    }

    /// The token as a reader should see it: its text, its name, or `<0xF0>` for bytes that are no
    /// character by themselves.
    pub fn piece(&self, id: u32) -> Cow<'_, str> {
        let bytes = self.parts.vocab.bytes(id);
        match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => Cow::Owned(bytes.iter().fold(String::new(), |mut shown, byte| {
                write!(shown, "<0x{byte:02X}>").expect("writing to a string cannot fail");
                shown
            })),
        }
    }

    /// The bytes that the token adds to a text. Empty for padding, and for a control token unless
    /// it is to show.
    pub fn token_bytes(&self, id: u32, special: Special) -> &[u8] {
        match (self.parts.vocab.kind(id), special) {
            (TokenKind::Unused, _) => &[],
            (TokenKind::Control | TokenKind::Unknown, Special::Hide) => &[],
            _ => self.parts.vocab.bytes(id),
        }
    }

    /// The text of ids that start a text; control tokens do not show. Bytes that are no
    /// characters become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let mut detokenizer = self.detokenizer();
        let mut text: String = ids.iter().map(|id| detokenizer.push(*id)).collect();
        text.push_str(&detokenizer.finish());
        text
    }

    /// [`Self::decode`], one id at a time.
    pub fn detokenizer(&self) -> Detokenizer {
        Detokenizer::new(self.clone(), Place::Start)
    }

    /// The text that follows after a prompt, one id at a time: a leading space belongs to it.
    pub fn detokenizer_after_prompt(&self) -> Detokenizer {
        Detokenizer::new(self.clone(), Place::Inside)
    }

    /// Whether encoding puts a space before a text, which decoding takes away again.
    pub(crate) fn starts_with_space(&self) -> bool {
        self.parts.starts_with_space
    }

    /// The source of the chat template, if the model has one.
    pub fn chat_template(&self) -> Option<&str> {
        self.parts.chat_template.as_deref()
    }

    /// Compiles the model's own chat template; `None` if it has none.
    ///
    /// # Errors
    /// See [`ChatTemplate::new`].
    pub fn compile_chat_template(&self) -> Result<Option<ChatTemplate>, Error> {
        self.chat_template().map(|source| self.compile_template(source)).transpose()
    }

    /// Compiles a chat template from another place, such as a folder's `chat_template.jinja`.
    ///
    /// # Errors
    /// See [`ChatTemplate::new`].
    pub fn compile_template(&self, source: &str) -> Result<ChatTemplate, Error> {
        let text = |id: Option<u32>| {
            id.map(|id| String::from_utf8_lossy(self.parts.vocab.bytes(id)).into_owned())
        };
        ChatTemplate::new(source, &SpecialTexts { bos: text(self.bos()), eos: text(self.eos()) })
    }
}

fn special_token(vocab: &Vocab, id: u32, strip: Strip) -> SpecialToken {
    let text = String::from_utf8_lossy(vocab.bytes(id)).into_owned();
    SpecialToken { text, id, strip }
}
