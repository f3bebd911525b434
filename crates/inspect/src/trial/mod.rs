//! How often what is said of attention is right, on planted documents whose answers are known.

mod contradict;
mod cut;
mod ground;
mod inject;
mod rates;
mod who;

pub use contradict::{ContradictTrial, ContradictTrialPlan, contradict_trial};
pub use cut::Cut;
pub use ground::{GroundTrial, ground};
pub use inject::{InjectTrial, inject};
pub use rates::{Auroc, Rate};
pub use who::{WhoRate, WhoTrial, WhoTrialPlan, who_trial};
