//! Tests through the public interface, in one program so that it is linked once.

mod chat;
mod goldens;
mod hugging_face;
mod laws;
mod reading;
mod tiny;
mod unigram;
mod word_piece;
