//! Whether the data of a prompt draws the model away from its instruction: Attention Tracker's
//! focus score (Hung et al. 2411.00348), and what in the data draws.

use std::ops::Range;

use model::batch::KeysOf;
use serde::{Deserialize, Serialize};

use super::heads::{Roles, focus, instruction_weights, prompt_of};
use crate::capture::{Lens, SourceRow, SourcesPlan};
use crate::inspector::{InspectError, Inspector};
use crate::planted::{DataKind, Half, Planting, injection};
use crate::prompts::{Prompt, PromptError, Prompts};
use crate::trial::Cut;

/// Heads that keep to the instruction, and where their focus is too little.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InjectDetector {
    /// Places in `[n_layers * n_heads]`.
    pub heads: Vec<usize>,
    /// All of them separate by more than this.
    pub separation: f64,
    /// Of one less the focus score.
    pub cut: Cut,
    /// Focus scores of the documents that the cut was chosen by, without and with an instruction.
    pub focus_normal: f64,
    pub focus_attacked: f64,
}

/// What a prompt's data does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Injection {
    /// `a_inst / (a_inst + a_data)` of weights a token, in the mean over the heads.
    pub focus: f64,
    /// Mean scores of planted documents without and with an instruction.
    pub focus_normal: f64,
    pub focus_attacked: f64,
    /// Less focus than this is suspicious.
    pub focus_min: f64,
    pub is_suspicious: bool,
    /// How often planted documents are called suspicious: with an instruction, and without.
    pub cut: Cut,
    pub n_heads: usize,
    /// What of the data these heads look at most, the heaviest first.
    pub windows: Vec<Window>,
}

/// A part of the data.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    pub text: String,
    /// Within the data.
    pub bytes: Range<usize>,
    pub tokens: Range<usize>,
    /// Its share of what the data gets.
    pub share: f64,
    /// What it would be if all tokens of the data got the same.
    pub share_if_even: f64,
}

/// Chooses heads by what they do, and a threshold by other documents than they were chosen by.
///
/// # Errors
/// What becomes of prompts and requests.
pub fn calibrate(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    (roles, n): (&Roles, u64),
) -> Result<InjectDetector, PromptError> {
    let (heads, separation) = chosen(roles);
    let first_seed = roles.counts.n_injections as u64;
    let mut scores = |planting| -> Result<Vec<f64>, PromptError> {
        let mut scores = Vec::new();
        for seed in first_seed..first_seed + n {
            for kind in [DataKind::Statements, DataKind::Instructions] {
                let case = injection(seed, Half::Calibration, kind, planting);
                let prompt = prompt_of(prompts, &case)?;
                let weights = instruction_weights(inspector, &prompt)?;
                scores.push(1.0 - focus(&weights, lengths(&prompt), &heads));
            }
        }
        Ok(scores)
    };
    let (normal, attacked) = (scores(Planting::Nothing)?, scores(Planting::Instruction)?);
    let cut = Cut::best(&attacked, &normal);
    let cut = cut.ok_or(InspectError::Empty { what: "the set of calibration documents" })?;
    let focus = |scores: &[f64]| 1.0 - scores.iter().sum::<f64>() / scores.len() as f64;
    let (focus_normal, focus_attacked) = (focus(&normal), focus(&attacked));
    Ok(InjectDetector { heads, separation, cut, focus_normal, focus_attacked })
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

/// Looks at a prompt whose parts are instruction and data.
///
/// # Errors
/// What becomes of requests.
pub fn inject(
    inspector: &mut Inspector<'_>,
    detector: &InjectDetector,
    prompt: &Prompt,
) -> Result<Injection, InspectError> {
    let weights = instruction_weights(inspector, prompt)?;
    let focus = focus(&weights, lengths(prompt), &detector.heads);
    Ok(Injection {
        focus,
        focus_normal: detector.focus_normal,
        focus_attacked: detector.focus_attacked,
        focus_min: 1.0 - detector.cut.at,
        is_suspicious: 1.0 - focus >= detector.cut.at,
        cut: detector.cut,
        n_heads: detector.heads.len(),
        windows: windows(inspector, detector, prompt)?,
    })
}

/// Tokens of instruction and data.
fn lengths(prompt: &Prompt) -> [usize; 2] {
    [prompt.parts[0].len(), prompt.parts[1].len()]
}

fn windows(
    inspector: &mut Inspector<'_>,
    detector: &InjectDetector,
    prompt: &Prompt,
) -> Result<Vec<Window>, InspectError> {
    let data = prompt.parts[1].clone();
    let config = &inspector.model.config;
    let mut head_weights = vec![0.0; config.n_layers * config.n_heads];
    detector.heads.iter().for_each(|&head| head_weights[head] = 1.0);
    let mut parts = vec![None; data.start];
    parts.extend((0..data.len() as u32).map(Some));
    let row = SourceRow { query_pos: prompt.ids.len() as u32 - 1, unit: 0, target: None };
    let plan = SourcesPlan {
        keys_of: KeysOf::Own,
        parts,
        n_parts: data.len(),
        rows: vec![row],
        n_units: 1,
        head_weights: Some(head_weights),
        lenses: vec![Lens::Weight],
    };
    let found = inspector.sources(&prompt.ids, plan)?.found();
    let weights = &found[0].weights;
    let all = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let text = inspector.text(&prompt.ids);
    let start = text.bytes(data.clone()).start;
    let window = |tokens: Range<usize>| {
        let in_text = tokens.start + data.start..tokens.end + data.start;
        let bytes = text.bytes(in_text.clone());
        Window {
            text: text.text()[bytes.clone()].to_owned(),
            bytes: bytes.start - start..bytes.end - start,
            share: weights[tokens.clone()].iter().sum::<f64>() / all,
            share_if_even: tokens.len() as f64 / data.len() as f64,
            tokens: in_text,
        }
    };
    Ok(heaviest(weights).into_iter().map(window).collect())
}

/// The heaviest windows that do not overlap, joined where they touch, the heaviest first.
fn heaviest(weights: &[f64]) -> Vec<Range<usize>> {
    const N_TOKENS: usize = 10;
    const N_WINDOWS: usize = 3;
    let sum = |window: &Range<usize>| weights[window.clone()].iter().sum::<f64>();
    let len = N_TOKENS.min(weights.len());
    let mut all: Vec<_> = (0..=weights.len() - len).map(|start| start..start + len).collect();
    all.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    let mut best: Vec<Range<usize>> = Vec::new();
    for window in all {
        let is_apart =
            |other: &Range<usize>| other.end <= window.start || window.end <= other.start;
        if best.len() < N_WINDOWS && best.iter().all(is_apart) {
            best.push(window);
        }
    }
    best.sort_by_key(|window| window.start);
    let mut joined: Vec<Range<usize>> = Vec::new();
    for window in best {
        match joined.last_mut() {
            Some(last) if last.end == window.start => last.end = window.end,
            _ => joined.push(window),
        }
    }
    joined.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heavy_windows_are_apart_or_joined() {
        let check = |heavy: &[usize], n: usize, expected: &[(usize, usize)]| {
            let mut weights = vec![0.001; n];
            heavy.iter().for_each(|&at| weights[at] = 1.0);
            let found = heaviest(&weights);
            let found: Vec<_> = found.iter().map(|window| (window.start, window.end)).collect();
            assert_eq!(found[..expected.len()], *expected, "{heavy:?} of {n}");
        };
        check(&[], 4, &[(0, 4)]);
        check(&[], 30, &[(0, 30)]);
        let tens: Vec<usize> = (20..30).chain(60..70).collect();
        check(&tens, 100, &[(20, 30), (60, 70), (0, 10)]);
        let twenties: Vec<usize> = (50..70).chain([90]).collect();
        check(&twenties, 100, &[(50, 70), (81, 91)]);
    }
}
