//! How often what is said of attention is right, on planted documents whose answers are known.

mod rates;

pub use rates::{Auroc, Rate};
