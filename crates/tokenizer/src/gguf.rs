//! Tokenizers from the metadata of a GGUF file.

use tokenizers::models::bpe::Vocab as VocabMap;
use tokenizers::models::unigram::Unigram;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{BertNormalizer, NormalizerWrapper, Precompiled, Prepend, Sequence};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};

use crate::byte_bpe::ByteBpe;
use crate::error::{Error, excerpt};
use crate::pipeline::Pipeline;
use crate::pre_tokenizer::{DefaultBos, PreTokenizer};
use crate::score_bpe::{SPACE_MARK, ScoreBpe};
use crate::tokenizer::{Model, Parts};
use crate::vocab::{TokenKind, Vocab};

/// The `tokenizer.*` keys of a GGUF file as plain data; what a file leaves out is `None` or empty.
///
/// # Shapes
/// `tokens`, `scores` and `token_types`: `[n_vocab]`.
#[derive(Clone, Debug, Default)]
pub struct GgufVocab<'a> {
    /// `tokenizer.ggml.model`: `gpt2`, `llama`, `bert` or `t5`.
    pub model: &'a str,
    /// `tokenizer.ggml.pre`, needed for `gpt2`.
    pub pre: Option<&'a str>,
    pub tokens: Vec<&'a [u8]>,
    /// Needed for `llama` and `t5`; higher is better.
    pub scores: Option<Vec<f32>>,
    pub token_types: Option<Vec<i32>>,
    /// Needed for `gpt2`: two parts with a space between, the most urgent first.
    pub merges: Vec<&'a [u8]>,
    /// SentencePiece's normalisation table (`t5`).
    pub precompiled_charsmap: Option<Vec<u8>>,
    pub bos_id: Option<u32>,
    pub eos_id: Option<u32>,
    pub unknown_id: Option<u32>,
    /// The end of a turn and the end of a message, where the file tells them from EOS.
    pub eot_id: Option<u32>,
    pub eom_id: Option<u32>,
    pub add_bos: Option<bool>,
    pub add_eos: Option<bool>,
    pub add_space_prefix: Option<bool>,
    /// Whether runs of spaces become one, and those at both ends none (`t5`).
    pub remove_extra_whitespaces: Option<bool>,
    /// `tokenizer.chat_template`
    pub chat_template: Option<&'a str>,
}

/// How a vocabulary writes its tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Spelling {
    /// GPT-2's characters for bytes.
    ByteLevel,
    /// U+2581 for a space.
    SentencePiece,
}

pub(crate) fn read(gguf: &GgufVocab<'_>) -> Result<Parts, Error> {
    check_shapes(gguf)?;
    let spelling = match gguf.model {
        "gpt2" => Spelling::ByteLevel,
        "llama" | "bert" | "t5" => Spelling::SentencePiece,
        other => return Err(Error::UnknownModel { found: excerpt(other) }),
    };
    let mut vocab = Vocab::default();
    for id in 0..gguf.tokens.len() {
        push_token(&mut vocab, gguf, id, spelling)?;
    }
    let (bos_id, eos_id) = bounds(gguf);
    let ends = [eos_id, gguf.eot_id, gguf.eom_id];
    ends.iter().chain([&bos_id]).flatten().for_each(|id| vocab.make_control(*id));
    let (model, adds_bos, starts_with_space) = match gguf.model {
        "gpt2" => byte_bpe(gguf, &vocab)?,
        "llama" => score_bpe(gguf, &vocab)?,
        "bert" => word_piece(gguf, &vocab)?,
        _ => unigram(gguf, &vocab)?,
    };
    Ok(Parts {
        vocab,
        model,
        bos: bos_id,
        eos: eos_id,
        end_ids: ends.into_iter().flatten().collect(),
        adds_bos: gguf.add_bos.unwrap_or(adds_bos) && bos_id.is_some(),
        end_of_whole: eos_id.filter(|_| gguf.add_eos.unwrap_or(reads_whole_texts(gguf))),
        starts_with_space,
        chat_template: gguf.chat_template.map(str::to_owned),
    })
}

/// What texts begin and end with. Files of BERT may leave both to their names.
fn bounds(gguf: &GgufVocab<'_>) -> (Option<u32>, Option<u32>) {
    let named = |name: &[u8]| {
        let idx = gguf.tokens.iter().position(|token| *token == name && gguf.model == "bert");
        idx.map(|idx| idx as u32)
    };
    (gguf.bos_id.or_else(|| named(b"[CLS]")), gguf.eos_id.or_else(|| named(b"[SEP]")))
}

/// Vocabularies of encoders: what they read has an end.
fn reads_whole_texts(gguf: &GgufVocab<'_>) -> bool {
    matches!(gguf.model, "bert" | "t5")
}

fn check_shapes(gguf: &GgufVocab<'_>) -> Result<(), Error> {
    let n_vocab = gguf.tokens.len();
    if n_vocab == 0 {
        return Err(Error::EmptyVocabulary);
    }
    let lengths = [
        ("tokenizer.ggml.scores", gguf.scores.as_ref().map(Vec::len)),
        ("tokenizer.ggml.token_type", gguf.token_types.as_ref().map(Vec::len)),
    ];
    for (array, length) in lengths {
        if let Some(found) = length.filter(|found| *found != n_vocab) {
            return Err(Error::LengthMismatch { array, expected: n_vocab, found });
        }
    }
    let ids = [
        ("tokenizer.ggml.bos_token_id", gguf.bos_id),
        ("tokenizer.ggml.eos_token_id", gguf.eos_id),
        ("tokenizer.ggml.unknown_token_id", gguf.unknown_id),
        ("tokenizer.ggml.eot_token_id", gguf.eot_id),
        ("tokenizer.ggml.eom_token_id", gguf.eom_id),
    ];
    for (key, id) in ids {
        if let Some(id) = id.filter(|id| *id as usize >= n_vocab) {
            return Err(Error::IdOutOfRange { key, id, n_vocab });
        }
    }
    for (id, score) in gguf.scores.iter().flatten().enumerate() {
        if !score.is_finite() {
            return Err(Error::BadScore { id, found: *score });
        }
    }
    Ok(())
}

fn push_token(
    vocab: &mut Vocab,
    gguf: &GgufVocab<'_>,
    id: usize,
    spelling: Spelling,
) -> Result<(), Error> {
    let text = std::str::from_utf8(gguf.tokens[id]).map_err(|_| Error::TokenNotUtf8 { id })?;
    let byte = byte_token(text).filter(|_| spelling == Spelling::SentencePiece);
    let kind = match gguf.token_types.as_ref().map(|types| types[id]) {
        None if gguf.unknown_id == Some(id as u32) => TokenKind::Unknown,
        None if byte.is_some() => TokenKind::Byte,
        None | Some(0 | 1) => TokenKind::Text,
        Some(2) => TokenKind::Unknown,
        Some(3) => TokenKind::Control,
        Some(4) => TokenKind::UserDefined,
        Some(5) => TokenKind::Unused,
        // A token that is called a byte but does not name one is ordinary text.
        Some(6) => byte.map_or(TokenKind::Text, |_| TokenKind::Byte),
        Some(found) => return Err(Error::UnknownTokenType { id, found }),
    };
    match (kind, byte, spelling) {
        (TokenKind::Byte, Some(byte), _) => vocab.push(&[byte], kind),
        (TokenKind::Text, _, Spelling::SentencePiece) => {
            vocab.push(text.replace(SPACE_MARK, " ").as_bytes(), kind);
        }
        (TokenKind::Text, _, Spelling::ByteLevel) => {
            vocab.push(&crate::byte_level::bytes_of(text), kind);
        }
        _ => vocab.push(text.as_bytes(), kind),
    }
    Ok(())
}

/// The byte that `<0xNN>` names: exactly two hexadecimal digits.
pub(crate) fn byte_token(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    let is_hex = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u8::from_str_radix(digits, 16).ok()).flatten()
}

/// The model, whether it adds BOS by default, and whether it puts a space before the text.
type Found = (Model, bool, bool);

fn byte_bpe(gguf: &GgufVocab<'_>, vocab: &Vocab) -> Result<Found, Error> {
    let pre_tokenizer = PreTokenizer::named(gguf.pre.ok_or(Error::MissingPreTokenizer)?)?;
    let adds_bos = pre_tokenizer.default_bos() == DefaultBos::Add;
    let model = ByteBpe::new(vocab, &gguf.merges, pre_tokenizer, gguf.unknown_id)?;
    Ok((Model::ByteBpe(model), adds_bos, false))
}

fn score_bpe(gguf: &GgufVocab<'_>, vocab: &Vocab) -> Result<Found, Error> {
    let starts_with_space = gguf.add_space_prefix.unwrap_or(true);
    let unknown = gguf.unknown_id.or_else(|| vocab.ids_of(TokenKind::Unknown).next());
    let model = ScoreBpe::new(vocab, scores(gguf)?, unknown)?;
    Ok((Model::ScoreBpe(model), true, starts_with_space))
}

/// WordPiece as BERT has it. GGUF marks the start of a word, `tokenizer.json` the inside.
fn word_piece(gguf: &GgufVocab<'_>, vocab: &Vocab) -> Result<Found, Error> {
    let unknown = unknown_token(gguf, vocab, "[UNK]")?;
    let spelled = |id: u32| {
        let text = String::from_utf8_lossy(vocab.bytes(id)).into_owned();
        match (vocab.kind(id), text.strip_prefix(' ')) {
            (TokenKind::Text, Some(word)) => word.to_owned(),
            (TokenKind::Text, None) => format!("##{text}"),
            _ => text,
        }
    };
    let ids = 0..vocab.len() as u32;
    let model = WordPiece::builder()
        .vocab(ids.rev().map(|id| (spelled(id), id)).collect::<VocabMap>())
        .unk_token(spelled(unknown))
        .build()
        .map_err(|source| Error::UnusableVocabulary { source })?;
    let mut steps = tokenizers::Tokenizer::new(model);
    steps
        .with_normalizer(Some(BertNormalizer::new(true, true, Some(true), true)))
        .map_err(|source| Error::UnusableVocabulary { source })?
        .with_pre_tokenizer(Some(BertPreTokenizer));
    let pipeline = Pipeline { steps, unknown: Some(unknown), byte_ids: None };
    Ok((Model::Pipeline(Box::new(pipeline)), true, true))
}

/// Unigram as SentencePiece has it (Kudo 2018): of all ways to cut the text into tokens, the one
/// whose scores sum to most.
fn unigram(gguf: &GgufVocab<'_>, vocab: &Vocab) -> Result<Found, Error> {
    let unknown = unknown_token(gguf, vocab, "<unk>")?;
    let scores = scores(gguf)?;
    let is_text = |id: u32| vocab.kind(id) == TokenKind::Text;
    let text_scores = (0..vocab.len() as u32).filter(|id| is_text(*id));
    // What is unknown counts as ten less than the worst of these, so nothing else may be worse.
    let worst = text_scores.map(|id| scores[id as usize]).fold(f32::INFINITY, f32::min);
    let scored = (0..vocab.len() as u32).map(|id| match is_text(id) {
        true => {
            let text = String::from_utf8_lossy(vocab.bytes(id)).replace(' ', "\u{2581}");
            (text, f64::from(scores[id as usize]))
        }
        // What is not text must not match text: these names are made of a noncharacter.
        false => (format!("\u{FFFFF}{id}"), f64::from(worst)),
    });
    let unusable = |source| Error::UnusableVocabulary { source };
    let model = Unigram::from(scored.collect(), Some(unknown as usize), false).map_err(unusable)?;
    let starts_with_space = gguf.add_space_prefix.unwrap_or(true);
    let mut steps = tokenizers::Tokenizer::new(model);
    steps
        .with_normalizer(Some(Sequence::new(normalizers(gguf, starts_with_space)?)))
        .map_err(unusable)?
        .with_pre_tokenizer(Some(Metaspace::new(SPACE_MARK, PrependScheme::Never, false)));
    let pipeline = Pipeline { steps, unknown: Some(unknown), byte_ids: vocab.byte_ids() };
    Ok((Model::Pipeline(Box::new(pipeline)), false, starts_with_space))
}

/// What SentencePiece does to a text before it looks for tokens.
fn normalizers(
    gguf: &GgufVocab<'_>,
    starts_with_space: bool,
) -> Result<Vec<NormalizerWrapper>, Error> {
    let mut normalizers: Vec<NormalizerWrapper> = Vec::new();
    if let Some(charsmap) = &gguf.precompiled_charsmap {
        crate::charsmap::check(charsmap)?;
        let unreadable = |_| Error::BadCharsmap { problem: "it cannot be read" };
        normalizers.push(Precompiled::from(charsmap).map_err(unreadable)?.into());
    }
    if gguf.remove_extra_whitespaces.unwrap_or(true) {
        for (run, left) in [("^ +", ""), (" +$", ""), (" {2,}", " ")] {
            let run = ReplacePattern::Regex(run.to_owned());
            let unusable = |source| Error::UnusableVocabulary { source };
            normalizers.push(Replace::new(run, left).map_err(unusable)?.into());
        }
    }
    if starts_with_space {
        normalizers.push(Prepend::new(" ".to_owned()).into());
    }
    Ok(normalizers)
}

fn scores<'a>(gguf: &'a GgufVocab<'_>) -> Result<&'a [f32], Error> {
    let missing =
        || Error::MissingArray { array: "tokenizer.ggml.scores", model: gguf.model.to_owned() };
    gguf.scores.as_deref().ok_or_else(missing)
}

fn unknown_token(gguf: &GgufVocab<'_>, vocab: &Vocab, name: &str) -> Result<u32, Error> {
    let named = || (0..vocab.len() as u32).find(|id| vocab.bytes(*id) == name.as_bytes());
    gguf.unknown_id.or_else(named).ok_or(Error::NoFallback)
}
