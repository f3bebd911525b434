//! What a served model's heads do: read from its profile, or measured for whoever asks first.

use std::sync::Arc;

use inspect::profile::{Effort, Profile};
use tokio::sync::Mutex;
use tracing::Instrument as _;

use super::Asked;
use crate::error::ApiError;

/// Held while heads are measured, so that they are once.
#[derive(Clone, Default)]
pub(crate) struct HeadsKnown(Arc<Mutex<Option<Arc<Profile>>>>);

impl Asked {
    /// The profile of the model. Who goes stops waiting for it; what is measured is measured to its
    /// end, for those who come next.
    ///
    /// # Errors
    /// A file that is damaged or of another model, and what becomes of requests.
    pub(super) async fn profile(&self) -> Result<Arc<Profile>, ApiError> {
        let mut place = Arc::clone(&self.served.heads_known.0).lock_owned().await;
        if let Some(known) = &*place {
            return Ok(Arc::clone(known));
        }
        // Nothing that a client says can be wrong with planted documents.
        let asked = Self { field: "model", ..self.clone() };
        let finding = async move {
            let profile = Arc::new(asked.find_or_measure().await?);
            *place = Some(Arc::clone(&profile));
            Ok(profile)
        };
        tokio::spawn(finding.in_current_span()).await.map_err(|_| ApiError::gone())?
    }

    /// What is in memory or on disk; nothing is measured.
    pub(super) async fn profile_if_known(&self) -> Option<Arc<Profile>> {
        // Whoever measures it holds the place.
        let mut place = self.served.heads_known.0.try_lock().ok()?;
        if place.is_none() {
            *place = self.find_kept().ok().flatten().map(Arc::new);
        }
        place.clone()
    }

    /// On disk.
    fn find_kept(&self) -> Result<Option<Profile>, ApiError> {
        let Some(profiles) = &self.served.profiles else { return Ok(None) };
        let model = self.model()?;
        let found = tokio::task::block_in_place(|| profiles.find(&model));
        found.map_err(|error| ApiError::no_profile(&self.served.name, &error.to_string()))
    }

    async fn find_or_measure(&self) -> Result<Profile, ApiError> {
        let (name, profiles) = (&self.served.name, self.served.profiles.as_ref());
        if let Some(profile) = self.find_kept()? {
            return Ok(profile);
        }
        tracing::info!(model = %name, "measuring heads on planted documents, once");
        let measured = self.ask(|asked, inspector| {
            let of = (&*asked.served.name, Effort::default());
            Ok(Profile::measure(inspector, asked.prompts(), of)?)
        });
        let profile = measured.await?;
        if let Some(profiles) = profiles
            && let Err(error) = tokio::task::block_in_place(|| profiles.keep(&profile))
        {
            tracing::warn!(model = %name, %error, "the profile is not kept");
        }
        Ok(profile)
    }
}
