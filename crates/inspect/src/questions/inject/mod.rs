//! Whether the data of a prompt draws the model away from its instruction: a regression on what
//! heads give to either, and Attention Tracker's focus score (Hung et al. 2411.00348) beside it.

mod calibrate;
mod features;
mod windows;

use serde::{Deserialize, Serialize};

pub use self::calibrate::calibrate;
use self::features::Features;
pub use self::windows::Window;
use crate::inspector::{InspectError, Inspector};
use crate::prompts::Prompt;
use crate::regression::Logistic;
use crate::trial::Cut;

/// What was learnt from planted documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InjectDetector {
    /// From what each head does to how likely an instruction is in the data.
    pub logistic: Logistic,
    /// Where that is suspicious. Rates are those of kinds of data that the regression had not seen.
    pub cut: Cut,
    /// Heads that keep to the instruction until something else claims to be one: places in
    /// `[n_layers * n_heads]`.
    pub heads: Vec<usize>,
    /// All of them separate by more than this.
    pub separation: f64,
    /// Their focus in the mean over planted documents without and with an instruction.
    pub focus_normal: f64,
    pub focus_attacked: f64,
}

/// What a prompt's data does.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Injection {
    /// That the data holds an instruction, by the regression.
    pub probability: f64,
    /// From this on it is suspicious.
    pub probability_min: f64,
    pub is_suspicious: bool,
    /// How often planted documents are called suspicious: with an instruction, and without.
    pub cut: Cut,
    /// `a_inst / (a_inst + a_data)` of weights a token, in the mean over the heads that keep to the
    /// instruction.
    pub focus: f64,
    /// Mean scores of planted documents without and with an instruction.
    pub focus_normal: f64,
    pub focus_attacked: f64,
    pub n_heads: usize,
    /// What of the data these heads look at most, the heaviest first.
    pub windows: Vec<Window>,
    pub caveat: &'static str,
}

const CAVEAT: &str = "advice, no protection: rates are those of planted documents that the \
     regression had not seen, of another kind than those that it had; other texts can raise far \
     more false alarms, and attacks that avoid this measure pass. `inspect trial inject` measures \
     both on other templates";

/// Looks at a prompt whose parts are instruction and data.
///
/// # Errors
/// What becomes of requests.
pub fn inject(
    inspector: &mut Inspector<'_>,
    detector: &InjectDetector,
    prompt: &Prompt,
) -> Result<Injection, InspectError> {
    let features = Features::of(inspector, prompt)?;
    let probability = detector.logistic.probability(&features.all());
    Ok(Injection {
        probability,
        probability_min: detector.cut.at,
        is_suspicious: probability >= detector.cut.at,
        cut: detector.cut,
        focus: features.focus(&detector.heads),
        focus_normal: detector.focus_normal,
        focus_attacked: detector.focus_attacked,
        n_heads: detector.heads.len(),
        windows: windows::windows(inspector, &detector.heads, prompt)?,
        caveat: CAVEAT,
    })
}
