//! The engine from request to answer: on scripts, which force any logits, and on tiny random
//! models, which make every difference of a bit visible.

mod architectures;
mod batches;
mod cancel;
mod damaged;
mod embed;
mod encoder_decoder;
mod fairness;
mod formats;
mod grammar;
mod kv_compare;
mod logprobs;
mod outcome;
mod policies;
mod reuse;
mod sampling;
mod score;
mod speculation;
mod streaming;
mod tiny;
mod watch;
