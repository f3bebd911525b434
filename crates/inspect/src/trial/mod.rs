//! How often what is said of attention is right, on planted documents whose answers are known.

mod cut;
mod ground;
mod inject;
mod rates;

pub use cut::Cut;
pub use ground::{GroundTrial, ground};
pub use inject::{InjectTrial, inject};
pub use rates::{Auroc, Rate};
