//! Laws of what is found in a model, held on small random ones.

mod lab;
mod laws;
mod profile;
mod view;
