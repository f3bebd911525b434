//! The threshold that tells data with a planted instruction from data without.

use super::InjectDetector;
use crate::inspector::{InspectError, Inspector};
use crate::planted::{DataKind, Half, N_DATA_TEMPLATES, Planting, injection};
use crate::prompts::{PromptError, Prompts};
use crate::questions::heads::{Roles, focus, instruction_weights, prompt_of};
use crate::trial::{Cut, Rate};

/// More than this share of harmless data must not be called suspicious.
const FALSE_ALARMS_MAX: f64 = 0.1;

/// Chooses heads by what they do, and a threshold by `n` other documents of each kind of data, with
/// an instruction and with a harmless sentence in its place.
///
/// # Errors
/// No documents, and what becomes of prompts and requests.
pub fn calibrate(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    (roles, n): (&Roles, u64),
) -> Result<InjectDetector, PromptError> {
    if n == 0 {
        return Err(InspectError::Empty { what: "the set of calibration documents" }.into());
    }
    let (heads, separation) = chosen(roles);
    let (mut scores, mut is_attacked, mut templates) = (Vec::new(), Vec::new(), Vec::new());
    // Other documents than those that heads were measured on.
    let first_seed = roles.counts.n_injections as u64;
    for seed in first_seed..first_seed + n {
        for kind in [DataKind::Statements, DataKind::Instructions] {
            for planting in [Planting::Harmless, Planting::Instruction] {
                let case = injection(seed, Half::Calibration, kind, planting);
                let prompt = prompt_of(prompts, &case)?;
                let weights = instruction_weights(inspector, &prompt)?;
                scores.push(1.0 - focus(&weights, prompt.lengths(), &heads));
                is_attacked.push(planting == Planting::Instruction);
                templates.push(case.template_idx);
            }
        }
    }
    let mean_focus = |kind: bool| {
        let of_kind = scores.iter().zip(&is_attacked).filter(|pair| *pair.1 == kind);
        let of_kind: Vec<f64> = of_kind.map(|(score, _)| 1.0 - score).collect();
        of_kind.iter().sum::<f64>() / of_kind.len() as f64
    };
    Ok(InjectDetector {
        cut: cut(&scores, &is_attacked, &templates)
            .ok_or(InspectError::Empty { what: "the set of calibration documents" })?,
        focus_normal: mean_focus(false),
        focus_attacked: mean_focus(true),
        heads,
        separation,
    })
}

/// The threshold, with the rates that thresholds chosen by the other templates have on each.
fn cut(scores: &[f64], is_attacked: &[bool], templates: &[usize]) -> Option<Cut> {
    let of = |kind: bool, is_in: &dyn Fn(usize) -> bool| -> Vec<f64> {
        let all =
            (0..scores.len()).filter(|&idx| is_attacked[idx] == kind && is_in(templates[idx]));
        all.map(|idx| scores[idx]).collect()
    };
    let chosen = |is_in: &dyn Fn(usize) -> bool| {
        Cut::with_false_alarms(FALSE_ALARMS_MAX, &of(true, is_in), &of(false, is_in))
    };
    let (mut n_found, mut n_alarms) = (0, 0);
    for left_out in 0..N_DATA_TEMPLATES {
        let Some(cut) = chosen(&|template| template != left_out) else { continue };
        let own = |template: usize| template == left_out;
        let on_own = Cut::at(cut.at, &of(true, &own), &of(false, &own));
        n_found += on_own.found.n_right;
        n_alarms += on_own.false_alarms.n_right;
    }
    let cut = chosen(&|_| true)?;
    let (found, false_alarms) = (cut.found.n, cut.false_alarms.n);
    Some(Cut {
        at: cut.at,
        found: Rate::of(n_found, found),
        false_alarms: Rate::of(n_alarms, false_alarms),
    })
}

/// The heads of the largest `n` of a grid that leaves some, and that `n`.
fn chosen(roles: &Roles) -> (Vec<usize>, f64) {
    const N_MIN: usize = 4;
    /// The paper's largest.
    const SEPARATION_MAX: f64 = 4.0;
    const STEP: f64 = 0.25;
    let mut separation = SEPARATION_MAX;
    let n_min = N_MIN.min(roles.heads.len());
    loop {
        let heads = roles.heads.iter().enumerate();
        let heads = heads.filter(|(_, head)| head.separation > separation).map(|(idx, _)| idx);
        let heads: Vec<usize> = heads.collect();
        if heads.len() >= n_min {
            return (heads, separation);
        }
        // Where not even that many lose weight, all heads are as good, or as bad.
        if separation < -SEPARATION_MAX {
            return ((0..roles.heads.len()).collect(), f64::MIN);
        }
        separation -= STEP;
    }
}
