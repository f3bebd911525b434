//! Prompt tokens to sampled tokens, many sequences at once.
//!
//! [`load_model`] opens a file, [`ModelRunner`] gives it a cache and threads, and [`Engine`] drives
//! requests through it, one [`Engine::step`] at a time.

#![forbid(unsafe_code)]

mod active;
pub mod embed;
pub mod engine;
pub mod error;
pub mod grammar;
mod guide;
pub mod kv_compare;
pub mod load;
mod lookup;
pub mod open_error;
pub mod request;
pub mod runner;
pub mod sampler;
pub mod scheduler;
pub mod score;
pub mod sequence;
pub mod speculation;
pub mod stop;
mod vocab;
pub mod watch;

pub use embed::{Embedder, Pooling, Recipe, cosine, normalize};
pub use engine::{Engine, Outlook};
pub use error::Error;
pub use grammar::{Constraint, Grammar, GrammarCompiler, GrammarError, strict_schema};
pub use guide::Thinking;
pub use load::{LoadSettings, Loaded, load_file, load_model, load_tokenizer};
pub use open_error::OpenError;
pub use request::{Client, ContextUse, Event, LogprobsWanted, PromptToken, Request, Usage};
pub use runner::{EncoderLimits, ModelRunner, Runner, RunnerOptions};
pub use sampler::{History, Sampled, Sampler, SamplingParams, top_logits, top_logprobs};
pub use score::{Score, score};
pub use sequence::{FinishReason, RequestId};
pub use speculation::Speculation;
pub use tokenizer::{ChatTemplate, Message, Special, SpecialText, Tokenizer};
pub use watch::{Watch, Watcher, Watchers};
