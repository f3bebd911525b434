//! How often what is said of attention is right, on planted documents whose answers are known.

mod asking;
mod look;
mod rates;

pub use asking::{Asked, Asking, AskingError};
pub use look::{LookCase, LookRates, LookTrial, Ranking, RankingRates, look_cases, look_trial};
pub use rates::{Auroc, Rate};
