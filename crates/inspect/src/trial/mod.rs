//! How often what is said of attention is right, on planted documents whose answers are known.

mod asking;
mod contradict;
mod cut;
mod ground;
mod inject;
mod look;
mod rates;
mod who;

pub use asking::{Asked, Asking, AskingError};
pub use contradict::{ContradictTrial, ContradictTrialPlan, contradict_trial};
pub use cut::Cut;
pub use ground::{GroundTrial, ground_trial};
pub use inject::{InjectTrial, inject_trial};
pub use look::{LookCase, LookRates, LookTrial, Ranking, RankingRates, look_cases, look_trial};
pub use rates::{Auroc, Rate};
pub use who::{WhoRate, WhoTrial, WhoTrialPlan, who_trial};
