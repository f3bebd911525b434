//! Reading and writing model files: malformed ones, mutated ones, round trips, parts and folders.

mod malformed_corpus;
mod metadata;
mod mutations;
mod raw_gguf;
mod real_models;
mod round_trip;
mod safetensors;
mod split;
