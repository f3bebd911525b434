//! Text to token ids and back, and chat templates. Start at [`Tokenizer`].
//!
//! A [`Tokenizer`] comes from the metadata of a GGUF file ([`GgufVocab`]) or from the
//! `tokenizer.json` of a Hugging Face folder; both give the same ids for the same model. Control
//! tokens that stand in user text are text unless [`SpecialText::Parse`] asks for them.

#![forbid(unsafe_code)]

mod byte_bpe;
mod byte_level;
mod charsmap;
mod detokenizer;
mod error;
mod gguf;
mod hugging_face;
mod merge;
mod pipeline;
mod pre_tokenizer;
mod score_bpe;
mod special;
pub mod template;
mod text_index;
mod tokenizer;
pub mod turn;
mod vocab;

pub use detokenizer::Detokenizer;
pub use error::Error;
pub use gguf::GgufVocab;
pub use pre_tokenizer::known_pre_tokenizers;
pub use template::{ChatTemplate, Message};
pub use tokenizer::{Special, SpecialText, Tokenizer};
