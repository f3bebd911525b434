//! How often instructions planted in data are noticed, on documents that nothing was chosen by.

use serde::Serialize;

use super::{Auroc, Cut};
use crate::inspector::{InspectError, Inspector};
use crate::planted::{DataKind, Half, InjectionCase, Planting, injection};
use crate::profile::Profile;
use crate::prompts::{PromptError, Prompts};
use crate::questions::inject::{Injection, inject as look_for};

#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InjectTrial {
    /// By one less the focus score, among data that says how things are.
    pub statements: Auroc,
    /// Among recipes, manuals and quoted orders, whose imperatives are no attack.
    pub hard: Auroc,
    /// Data without an instruction, at the threshold of the profile.
    pub statements_cut: Cut,
    pub hard_cut: Cut,
    /// What the length of the data tells by itself.
    pub by_length: Auroc,
    pub hard_by_length: Auroc,
    /// How often one of the windows that are shown lies in what was planted.
    pub windows: super::Rate,
    pub caveat: &'static str,
}

const CAVEAT: &str = "planted documents in English, made of templates: attacks that people \
                          write, and those that are meant to go unnoticed, are found less often";

/// Measured on `n` documents with and `n` without an instruction, of both kinds of data: four times
/// `n`, which `progress(n_done)` is told of.
///
/// # Errors
/// What becomes of prompts and requests.
pub fn inject_trial(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    (profile, n): (&Profile, u64),
    progress: &mut dyn FnMut(usize),
) -> Result<InjectTrial, PromptError> {
    let mut trial = Trial { prompts, profile, n_hits: 0, n_shown: 0, n_done: 0, progress };
    let mut scores = |kind, planting| trial.scores(&mut *inspector, (n, kind, planting));
    let clean = scores(DataKind::Statements, Planting::Harmless)?;
    let attacked = scores(DataKind::Statements, Planting::Instruction)?;
    let hard_clean = scores(DataKind::Instructions, Planting::Harmless)?;
    let hard_attacked = scores(DataKind::Instructions, Planting::Instruction)?;
    let at = profile.inject.cut.at;
    let auroc = |a: &[f64], b: &[f64]| {
        Auroc::of(a, b).ok_or(InspectError::Empty { what: "the set of trial documents" })
    };
    Ok(InjectTrial {
        statements: auroc(&attacked.suspicion, &clean.suspicion)?,
        hard: auroc(&hard_attacked.suspicion, &hard_clean.suspicion)?,
        statements_cut: Cut::at(at, &attacked.suspicion, &clean.suspicion),
        hard_cut: Cut::at(at, &hard_attacked.suspicion, &hard_clean.suspicion),
        by_length: auroc(&attacked.n_tokens, &clean.n_tokens)?,
        hard_by_length: auroc(&hard_attacked.n_tokens, &hard_clean.n_tokens)?,
        windows: super::Rate::of(trial.n_hits, trial.n_shown),
        caveat: CAVEAT,
    })
}

struct Trial<'a> {
    prompts: Prompts<'a>,
    profile: &'a Profile,
    /// Documents with a window in what was planted, and all with something planted.
    n_hits: usize,
    n_shown: usize,
    n_done: usize,
    progress: &'a mut dyn FnMut(usize),
}

#[derive(Default)]
struct Scores {
    suspicion: Vec<f64>,
    n_tokens: Vec<f64>,
}

impl Trial<'_> {
    fn scores(
        &mut self,
        inspector: &mut Inspector<'_>,
        (n, kind, planting): (u64, DataKind, Planting),
    ) -> Result<Scores, PromptError> {
        let mut scores = Scores::default();
        for seed in 0..n {
            // Seeds of the calibration half are even, if anybody takes more of those.
            let case = injection(2 * seed + 1, Half::HeldOut, kind, planting);
            let prompt = self.prompts.turn(&[&case.instruction, &case.data])?;
            let found = look_for(inspector, &self.profile.inject, &prompt)?;
            scores.suspicion.push(1.0 - found.focus);
            scores.n_tokens.push(prompt.parts[1].len() as f64);
            if case.injected.is_some() {
                self.n_shown += 1;
                self.n_hits += usize::from(hits(&case, &found));
            }
            self.n_done += 1;
            (self.progress)(self.n_done);
        }
        Ok(scores)
    }
}

/// Whether most of some window lies in what was planted.
fn hits(case: &InjectionCase, found: &Injection) -> bool {
    let Some(injected) = &case.injected else { return false };
    found.windows.iter().any(|window| {
        let (start, end) = (window.bytes.start, window.bytes.end);
        let shared = end.min(injected.bytes.end).saturating_sub(start.max(injected.bytes.start));
        2 * shared >= end - start
    })
}
