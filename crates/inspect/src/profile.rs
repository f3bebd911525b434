//! What was measured of one model's heads, and the detectors made of it, as a file.

use std::path::{Path, PathBuf};

use model::Model;
use serde::{Deserialize, Serialize};

use crate::inspector::Inspector;
use crate::prompts::{PromptError, Prompts};
use crate::questions::ground::{self, GroundDetector, GroundEffort};
use crate::questions::heads::{HeadLabel, Roles, RolesEffort, roles};
use crate::questions::inject::{self, InjectDetector};

/// Profiles of another version are made again: what they hold was measured in another way.
const VERSION: u32 = 4;

/// A model's heads, and what they are used for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    pub version: u32,
    /// The program's.
    pub program: String,
    /// For people.
    pub model: String,
    /// What a model is known by.
    pub fingerprint: String,
    pub arithmetic: String,
    pub roles: Roles,
    pub inject: InjectDetector,
    pub ground: GroundDetector,
}

#[derive(Deserialize)]
struct Versioned {
    version: u32,
}

/// How many documents a profile is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    pub roles: RolesEffort,
    /// Of each kind of data, without and with an instruction, to choose a threshold by.
    pub inject: InjectEffort,
    pub ground: GroundEffort,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InjectEffort(pub u64);

impl Default for InjectEffort {
    fn default() -> Self {
        Self(30)
    }
}

/// Why a file is no profile of a model.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    #[error(transparent)]
    File(#[from] format::Error),
    #[error("{path}: cannot make it: {cause}")]
    Folder { path: String, cause: std::io::Error },
    #[error("{path}: cannot read it: {cause}")]
    Read { path: String, cause: std::io::Error },
    #[error("{path}: not a profile of heads: {cause}; measure again with --recalibrate")]
    NotJson { path: String, cause: serde_json::Error },
    #[error("{path}: {what}; measure again with --recalibrate")]
    Damaged { path: String, what: &'static str },
    #[error("{path}: version {found}, expected {VERSION}: measure again with --recalibrate")]
    Version { path: String, found: u32 },
    #[error(
        "{path}: of another model, {found}, or of one with other weights: measure again with \
         --recalibrate"
    )]
    Foreign { path: String, found: String },
}

/// What a model is known by, however long its context is made.
pub fn fingerprint(model: &Model) -> String {
    let bytes = model.fingerprint(model.config.n_ctx);
    bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Profiles that are kept beside the models: a file a model.
#[derive(Clone, Debug)]
pub struct Profiles {
    folder: PathBuf,
}

impl Profiles {
    pub fn beside(models_dir: &Path) -> Self {
        Self { folder: models_dir.join(".profiles") }
    }

    /// `None`: none is kept, or one of another version, which is measured again.
    ///
    /// # Errors
    /// A file that is none of this model.
    pub fn find(&self, model: &Model) -> Result<Option<Profile>, ProfileError> {
        match Profile::read(&self.path(&fingerprint(model)), model) {
            Err(ProfileError::Version { .. }) => Ok(None),
            found => found,
        }
    }

    /// # Errors
    /// What keeps a file from being written.
    pub fn keep(&self, profile: &Profile) -> Result<(), ProfileError> {
        let shown = || self.folder.display().to_string();
        std::fs::create_dir_all(&self.folder)
            .map_err(|cause| ProfileError::Folder { path: shown(), cause })?;
        profile.write(&self.path(&profile.fingerprint))
    }

    fn path(&self, fingerprint: &str) -> PathBuf {
        self.folder.join(format!("{fingerprint}.json"))
    }
}

impl Profile {
    /// Measures a model; `name` is for people.
    ///
    /// # Errors
    /// A template that takes no prompt, and what becomes of requests.
    pub fn measure(
        inspector: &mut Inspector<'_>,
        prompts: Prompts<'_>,
        (name, effort): (&str, Effort),
    ) -> Result<Self, PromptError> {
        let roles = roles(inspector, prompts, effort.roles)?;
        let inject = inject::calibrate(inspector, prompts, (&roles, effort.inject.0))?;
        let ground = ground::calibrate(inspector, prompts, effort.ground)?;
        Ok(Self {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            model: name.to_owned(),
            fingerprint: fingerprint(&inspector.model),
            arithmetic: format!("{:?}", inspector.model.arithmetic),
            roles,
            inject,
            ground,
        })
    }

    /// Heads that have a name.
    pub fn labels(&self) -> Vec<HeadLabel> {
        self.roles.labels(&self.inject.heads)
    }

    /// `None`: there is no such file.
    ///
    /// # Errors
    /// One that is none of this model.
    pub fn read(path: &Path, model: &Model) -> Result<Option<Self>, ProfileError> {
        let shown = || path.display().to_string();
        let bytes = match std::fs::read(path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(cause) => return Err(ProfileError::Read { path: shown(), cause }),
            Ok(bytes) => bytes,
        };
        let not_json = |cause| ProfileError::NotJson { path: shown(), cause };
        // Of another version the rest may be anything.
        let Versioned { version } = serde_json::from_slice(&bytes).map_err(not_json)?;
        if version != VERSION {
            return Err(ProfileError::Version { path: shown(), found: version });
        }
        let profile: Self = serde_json::from_slice(&bytes).map_err(not_json)?;
        if profile.fingerprint != fingerprint(model) {
            return Err(ProfileError::Foreign { path: shown(), found: profile.model });
        }
        match profile.damage(model.config.n_layers * model.config.n_heads) {
            Some(what) => Err(ProfileError::Damaged { path: shown(), what }),
            None => Ok(Some(profile)),
        }
    }

    /// Written beside and renamed.
    ///
    /// # Errors
    /// What keeps a file from being written.
    pub fn write(&self, path: &Path) -> Result<(), ProfileError> {
        let mut file = format::Output::create(path)?;
        serde_json::to_writer(file.writer(), self)
            .map_err(|cause| ProfileError::NotJson { path: path.display().to_string(), cause })?;
        Ok(file.commit()?)
    }

    /// What in it no measurement of a model with so many heads can be.
    fn damage(&self, n_heads: usize) -> Option<&'static str> {
        let is_share = |x: f64| (0.0..=1.0).contains(&x);
        let heads = &self.roles.heads;
        if heads.len() != n_heads || self.ground.logistic.weights.len() != n_heads {
            return Some("it has not the heads of the model");
        }
        let are_shares = heads.iter().all(|head| {
            let instruction = [head.instruction, head.instruction_attacked];
            let others = [head.previous, head.duplicate, head.induction];
            instruction.into_iter().chain(others).chain(head.retrieval).all(is_share)
        });
        if !are_shares {
            return Some("what a head does is no share");
        }
        if self.inject.heads.is_empty() || self.inject.heads.iter().any(|&head| head >= n_heads) {
            return Some("a head of the instruction is none of the model's");
        }
        if !is_share(self.inject.cut.at) || !is_share(self.ground.baselines.cut.at) {
            return Some("a threshold is no share");
        }
        None
    }
}
