//! Measured speeds, kept beside the models: a calibration takes about a second, once for each model
//! and cache type on a machine.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use model::speeds::Curve;
use model::{Conditions, Model, Speeds};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::args::RuntimeArgs;
use crate::bar::Bar;
use crate::interrupt::Interrupt;
use crate::kv_arg::KvArg;
use crate::open::{self, N_TOKENS_MAX, Show};
use crate::{machine, output};

const FILE_NAME: &str = ".calibration.json";
/// The oldest go first.
const N_KEPT: usize = 64;

#[derive(Serialize, Deserialize, Default)]
struct Calibrations {
    calibrations: Vec<Calibration>,
}

#[derive(Serialize, Deserialize)]
struct Calibration {
    key: Key,
    speeds: SpeedsJson,
}

/// What speeds depend on.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    cpu: String,
    kernels: String,
    threads: usize,
    version: String,
    /// Of the numbers, types and shapes of a model.
    model: String,
    kv: String,
}

/// In seconds, as [`Speeds`].
#[derive(Serialize, Deserialize)]
struct SpeedsJson {
    layers: Vec<(f64, f64)>,
    unembed: f64,
    attention: Vec<(f64, f64)>,
    seen_key: f64,
}

/// Who asks for speeds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Measure {
    /// Where nothing is kept.
    IfMissing,
    Again,
}

impl Key {
    /// # Errors
    /// Flags or variables that name no threads or kernels.
    pub(crate) fn of(model: &Model, runtime: &RuntimeArgs, kv: &KvArg) -> Result<Self> {
        let mut hasher = Sha256::new();
        hasher.update(format!("{:?} {:?}", model.config, model.arithmetic));
        for matrix in model.matrices() {
            hasher.update(format!("{} {} {};", matrix.dtype, matrix.n_out, matrix.n_in));
        }
        let hash = hasher.finalize();
        Ok(Self {
            cpu: machine::cpu_name(),
            kernels: machine::kernels()?.name.to_owned(),
            threads: machine::n_threads(runtime.threads)?,
            version: concat!(env!("CARGO_PKG_VERSION"), "+", env!("LOOKBACK_COMMIT")).to_owned(),
            model: hash[..8].iter().map(|byte| format!("{byte:02x}")).collect(),
            kv: kv.to_string(),
        })
    }
}

/// The speeds that were kept; never measures.
pub(crate) fn kept(key: &Key) -> Option<Speeds> {
    read().ok()?.find(key)
}

/// The speeds that were kept, or measured now and kept. `None`: Ctrl-C came.
///
/// # Errors
/// Flags or variables that name no threads or kernels.
pub(crate) fn speeds(
    model: &Model,
    (key, kv): (&Key, &KvArg),
    measure: Measure,
    show: Show,
    interrupt: &Interrupt,
) -> Result<Option<Speeds>> {
    if let (Measure::IfMissing, Some(speeds)) = (measure, kept(key)) {
        return Ok(Some(speeds));
    }
    let mut bar = Bar::steps(show, "measuring this machine's speed");
    let speeds = measured(model, (key, kv), &mut |n_done, n_total| {
        bar.set(n_done as u64, n_total as u64);
        if interrupt.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.finish();
    speeds
}

/// Measures speeds and keeps them. `None`: `progress` ended it.
fn measured(
    model: &Model,
    (key, kv): (&Key, &KvArg),
    progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
) -> Result<Option<Speeds>> {
    let conditions = Conditions {
        kernels: machine::kernels()?,
        n_threads: key.threads,
        k_type: kv.k,
        v_type: kv.v,
        n_tokens_max: N_TOKENS_MAX.min(model.config.n_ctx),
    };
    let Some(speeds) = model::calibrate(model, conditions, progress) else { return Ok(None) };
    let mut kept = read().unwrap_or_else(|err| {
        output::note(format_args!("warning: {err:#}; it is made again"));
        Calibrations::default()
    });
    kept.calibrations.retain(|calibration| calibration.key != *key);
    let too_many = (kept.calibrations.len() + 1).saturating_sub(N_KEPT);
    kept.calibrations.drain(..too_many);
    kept.calibrations.push(Calibration { key: key.clone(), speeds: SpeedsJson::of(&speeds) });
    if let Err(err) = write(&kept) {
        output::note(format_args!("warning: the speeds are not kept: {err:#}"));
    }
    Ok(Some(speeds))
}

/// A model that is served: its speeds are asked for again and again.
pub(crate) struct OfServed {
    model: Arc<Model>,
    key: Key,
    kv: KvArg,
}

impl OfServed {
    /// # Errors
    /// As for [`Key::of`].
    pub(crate) fn new(model: Arc<Model>, runtime: &RuntimeArgs, kv: KvArg) -> Result<Self> {
        let key = Key::of(&model, runtime, &kv)?;
        Ok(Self { model, key, kv })
    }
}

impl server::Calibration for OfServed {
    fn kept(&self) -> Option<Speeds> {
        kept(&self.key)
    }

    fn measure(&self, is_wanted: &dyn Fn() -> bool) -> Option<Speeds> {
        let speeds = measured(&self.model, (&self.key, &self.kv), &mut |_, _| match is_wanted() {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        });
        speeds.unwrap_or_else(|err| {
            output::note(format_args!("warning: speeds are not measured: {err:#}"));
            None
        })
    }
}

fn path() -> Result<PathBuf> {
    Ok(open::hub_config()?.models_dir.join(FILE_NAME))
}

/// A file that does not exist keeps nothing.
fn read() -> Result<Calibrations> {
    let path = path()?;
    let bytes = match std::fs::read(&path) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Default::default()),
        bytes => bytes.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let kept: Calibrations = serde_json::from_slice(&bytes)
        .with_context(|| format!("{}: not a file of calibrations", path.display()))?;
    let is_sound =
        kept.calibrations.iter().all(|calibration| calibration.speeds.to_speeds().is_some());
    anyhow::ensure!(is_sound, "{}: not a file of calibrations: a speed is no time", path.display());
    Ok(kept)
}

/// Written beside and renamed.
fn write(kept: &Calibrations) -> Result<()> {
    let path = path()?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let mut file = format::Output::create(&path)?;
    serde_json::to_writer(file.writer(), kept)?;
    file.commit()?;
    Ok(())
}

impl Calibrations {
    fn find(&self, key: &Key) -> Option<Speeds> {
        let found = self.calibrations.iter().find(|calibration| calibration.key == *key);
        found.and_then(|calibration| calibration.speeds.to_speeds())
    }
}

impl SpeedsJson {
    fn of(speeds: &Speeds) -> Self {
        Self {
            layers: speeds.layers.points().to_vec(),
            unembed: speeds.unembed,
            attention: speeds.attention.points().to_vec(),
            seen_key: speeds.seen_key,
        }
    }

    /// `None` where a number is none that a clock gives.
    fn to_speeds(&self) -> Option<Speeds> {
        let is_time = |seconds: f64| seconds.is_finite() && seconds >= 0.0;
        let layers = Curve::new(self.layers.clone())?;
        let attention = Curve::new(self.attention.clone())?;
        let (unembed, seen_key) = (self.unembed, self.seen_key);
        let is_sound = is_time(unembed) && is_time(seen_key) && layers.at(1.0) > 0.0;
        is_sound.then_some(Speeds { layers, unembed, attention, seen_key })
    }
}
