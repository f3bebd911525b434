//! One file a command.

pub(crate) mod bench;
pub(crate) mod chat;
pub(crate) mod embed;
pub(crate) mod inspect;
pub(crate) mod kv;
pub(crate) mod models;
pub(crate) mod plan;
pub(crate) mod run;
pub(crate) mod score;
pub(crate) mod serve;
pub(crate) mod show;
pub(crate) mod tokenize;
