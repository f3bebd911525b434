//! Whether the data of a prompt draws the model away from its instruction: Attention Tracker's
//! focus score (Hung et al. 2411.00348), and what in the data draws.

mod calibrate;
mod windows;

use serde::{Deserialize, Serialize};

pub use self::calibrate::calibrate;
pub use self::windows::Window;
use crate::inspector::{InspectError, Inspector};
use crate::prompts::Prompt;
use crate::questions::heads::{focus, instruction_weights};
use crate::trial::Cut;

/// What was learnt from planted documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InjectDetector {
    /// Where one less the focus score is suspicious. Rates are those of kinds of data that the
    /// threshold was not chosen by.
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
    /// How often planted documents are called suspicious: with an instruction, and without.
    pub cut: Cut,
    /// `a_inst / (a_inst + a_data)` of weights a token, in the mean over the heads that keep to the
    /// instruction.
    pub focus: f64,
    /// Less focus than this is suspicious.
    pub focus_min: f64,
    pub is_suspicious: bool,
    /// Mean scores of planted documents without and with an instruction.
    pub focus_normal: f64,
    pub focus_attacked: f64,
    pub n_heads: usize,
    /// What of the data these heads look at most, the heaviest first.
    pub windows: Vec<Window>,
    pub caveat: &'static str,
}

const CAVEAT: &str = "advice, no protection: rates are those of planted documents of kinds that \
     the threshold was not chosen by; other texts can raise far more false alarms, and attacks \
     that avoid this measure pass. `inspect trial inject` measures both on other templates";

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
    let focus = focus(&weights, prompt.lengths(), &detector.heads);
    Ok(Injection {
        cut: detector.cut,
        focus,
        focus_min: 1.0 - detector.cut.at,
        is_suspicious: 1.0 - focus >= detector.cut.at,
        focus_normal: detector.focus_normal,
        focus_attacked: detector.focus_attacked,
        n_heads: detector.heads.len(),
        windows: windows::windows(inspector, &detector.heads, prompt)?,
        caveat: CAVEAT,
    })
}
