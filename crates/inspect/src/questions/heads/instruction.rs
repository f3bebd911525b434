//! Heads that keep to the instruction until something else claims to be one: the important heads
//! of Attention Tracker (Hung et al. 2411.00348).

use crate::capture::{SpanWeights, SpansPlan};
use crate::inspector::{InspectError, Inspector};
use crate::planted::{DataKind, Half, InjectionCase, Planting, injection};
use crate::prompts::{Prompt, PromptError, Prompts};

/// What the last token of a prompt gives to the instruction, head by head.
#[derive(Clone, Debug, PartialEq)]
pub struct Instruction {
    /// `[n_layers * n_heads]`
    pub normal: Vec<Moments>,
    pub attacked: Vec<Moments>,
    /// Of its focus, see [`focus`]; `[n_layers * n_heads]`.
    pub focus_normal: Vec<Moments>,
    pub focus_attacked: Vec<Moments>,
    /// The instruction's share of the prompt's tokens.
    pub even_normal: f64,
    pub even_attacked: f64,
}

/// Mean and standard deviation of what was seen.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Moments {
    pub mean: f64,
    pub deviation: f64,
}

impl Moments {
    fn of(values: &[f64]) -> Self {
        let n = values.len().max(1) as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares = values.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>();
        Self { mean, deviation: (squares / n).sqrt() }
    }
}

impl Instruction {
    /// The `n` up to which `mu_N - mu_A - n (sigma_N + sigma_A) > 0`, of focus.
    pub fn separation(&self, head: usize) -> f64 {
        let (normal, attacked) = (self.focus_normal[head], self.focus_attacked[head]);
        let spread = normal.deviation + attacked.deviation;
        (normal.mean - attacked.mean) / spread.max(f64::EPSILON)
    }
}

/// Measured on `n` documents with an instruction planted in them, and the same with a harmless
/// sentence in its place.
///
/// # Errors
/// What becomes of prompts and requests.
pub fn instruction(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    n: u64,
) -> Result<Instruction, PromptError> {
    let mut of = |planting| of_planting(inspector, prompts, (n, planting));
    let ([normal, focus_normal], even_normal) = of(Planting::Harmless)?;
    let ([attacked, focus_attacked], even_attacked) = of(Planting::Instruction)?;
    Ok(Instruction { normal, attacked, focus_normal, focus_attacked, even_normal, even_attacked })
}

fn of_planting(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    (n, planting): (u64, Planting),
) -> Result<([Vec<Moments>; 2], f64), PromptError> {
    let config = &inspector.model.config;
    let n_heads = config.n_layers * config.n_heads;
    // What the instruction gets, and focus.
    let mut of_heads = [vec![Vec::new(); n_heads], vec![Vec::new(); n_heads]];
    let mut even = 0.0;
    for seed in 0..n {
        let case = injection(seed, Half::Calibration, DataKind::Statements, planting);
        let prompt = prompt_of(prompts, &case)?;
        even += prompt.parts[0].len() as f64 / prompt.ids.len() as f64;
        let weights = instruction_weights(inspector, &prompt)?;
        for head in 0..n_heads {
            of_heads[0][head].push(f64::from(weights[head][0]));
            of_heads[1][head].push(focus(&weights, prompt.lengths(), &[head]));
        }
    }
    let moments = of_heads.map(|heads| heads.iter().map(|values| Moments::of(values)).collect());
    Ok((moments, even / n.max(1) as f64))
}

/// The prompt of a planted case: instruction, then data.
pub(crate) fn prompt_of(prompts: Prompts<'_>, case: &InjectionCase) -> Result<Prompt, PromptError> {
    prompts.turn(&[&case.instruction, &case.data])
}

/// What each head of the prompt's last token gives to the instruction and to the data, its first
/// and second part.
///
/// # Shapes
/// `[n_layers * n_heads]`
pub(crate) fn instruction_weights(
    inspector: &mut Inspector<'_>,
    prompt: &Prompt,
) -> Result<Vec<[f32; 2]>, InspectError> {
    let n = prompt.ids.len() as u32;
    // The first key takes what is needed nowhere.
    let spans = prompt.parts.iter().map(|part| part.start.max(1) as u32..part.end as u32);
    let plan = SpansPlan { rows: n - 1..n, spans: spans.collect() };
    let weights = SpanWeights::new(&inspector.model.config, plan, inspector.n_bytes_max)?;
    let found = inspector.watch(&prompt.ids, weights)?;
    Ok(found.row(n - 1).map(|spans| [spans[0], spans[1]]).collect())
}

/// `a_inst / (a_inst + a_data)` in the mean over some heads, given by their places in `weights`:
/// the paper's focus score, but of weights a token, since longer data gets more of the weight
/// whatever it says.
pub(crate) fn focus(weights: &[[f32; 2]], n_tokens: [usize; 2], heads: &[usize]) -> f64 {
    /// The paper's, against division by nothing.
    const EPSILON: f64 = 1e-8;
    let n_tokens = n_tokens.map(|n| n.max(1) as f64);
    let of_head = |&head: &usize| {
        let [instruction, data] = weights[head].map(f64::from);
        let (instruction, data) = (instruction / n_tokens[0], data / n_tokens[1]);
        instruction / (instruction + data + EPSILON)
    };
    heads.iter().map(of_head).sum::<f64>() / heads.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn focus_is_the_mean_share_of_the_instruction() {
        let weights = [[0.1, 0.6], [0.2, 0.0], [0.0, 0.0]];
        let check = |heads: &[usize], expected: f64| {
            let found = focus(&weights, [5, 10], heads);
            assert!((found - expected).abs() < 1e-5, "{heads:?}: {found}");
        };
        check(&[0], 0.25);
        check(&[0, 1], 0.625);
        check(&[2], 0.0);
        check(&[], 0.0);
    }

    #[test]
    fn heads_separate_by_what_lies_between_the_means() {
        let normal = Moments::of(&[0.5, 0.7]);
        let attacked = Moments::of(&[0.1, 0.3]);
        let found = Instruction {
            normal: Vec::new(),
            attacked: Vec::new(),
            focus_normal: vec![normal],
            focus_attacked: vec![attacked],
            even_normal: 0.0,
            even_attacked: 0.0,
        };
        assert!((normal.mean - 0.6).abs() < 1e-12 && (normal.deviation - 0.1).abs() < 1e-12);
        assert!((found.separation(0) - 2.0).abs() < 1e-12);
    }
}
