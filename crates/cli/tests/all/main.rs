//! The binary as people and scripts meet it, in one program so that it is linked once.

#![forbid(unsafe_code)]

mod bad_files;
mod bad_numbers;
mod bad_requests;
mod chat;
mod embed;
mod endings;
mod help;
mod inspect;
mod json;
mod kv_compare;
mod lab;
mod latent;
mod plan;
mod run;
mod saved_kv;
mod serve;
