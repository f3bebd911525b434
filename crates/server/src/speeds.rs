//! How fast models are on this machine: known from before, or measured while nobody is answered.

use std::collections::HashMap;
use std::sync::Arc;

use model::Speeds;
use tokio::sync::Mutex;

use crate::app::App;
use crate::served::Served;

/// Where the speeds of a model are kept, and who measures them.
pub trait Calibration: Send + Sync {
    /// Those that were measured before.
    fn kept(&self) -> Option<Speeds>;

    /// Measures them and keeps them, which takes all cores for about a second. It ends without
    /// when `is_wanted` says that somebody else needs these.
    fn measure(&self, is_wanted: &dyn Fn() -> bool) -> Option<Speeds>;
}

/// By the names of models. Held while one is measured: two at once would slow each other.
#[derive(Clone, Default)]
pub(crate) struct SpeedsKnown(Arc<Mutex<HashMap<String, Speeds>>>);

impl App {
    /// The speeds of a model; `None` where nobody can measure them, or somebody is being answered.
    pub(crate) async fn speeds(self: &Arc<Self>, served: &Served) -> Option<Speeds> {
        let (app, name) = (Arc::clone(self), served.name.clone());
        let calibration = Arc::clone(served.calibration.as_ref()?);
        let mut known = Arc::clone(&self.speeds.0).lock_owned().await;
        if let Some(speeds) = known.get(&name) {
            return Some(speeds.clone());
        }
        // Who goes stops waiting; what is measured is there for those who come next.
        let find = move || {
            let is_busy = || app.models.in_memory().any(|model| model.n_in_flight() > Some(0));
            let measure = || if is_busy() { None } else { calibration.measure(&is_busy) };
            let speeds = calibration.kept().or_else(measure)?;
            known.insert(name, speeds.clone());
            Some(speeds)
        };
        tokio::task::spawn_blocking(find).await.ok().flatten()
    }
}
