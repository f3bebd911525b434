//! The server as its clients see it: over TCP, with a model that says what a script wants.

mod access;
mod anthropic;
mod bad_requests;
mod embeddings;
mod keep_alive;
mod lab;
mod models;
mod ollama;
mod openai;
mod operations;
mod page;
mod plan;
mod responses;
mod slots;
mod tokens;
mod turns;
