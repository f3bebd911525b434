//! What each head does, by measurement: which looks at the token before, which copies, which finds
//! an answer, which keeps to the instruction.

mod instruction;
mod labels;
mod positional;
mod retrieval;

pub use instruction::{Instruction, instruction};
pub(crate) use instruction::{focus, instruction_weights, prompt_of};
pub use labels::{HeadLabel, HeadRole};
pub use positional::{Positional, positional};
pub use retrieval::{Retrieval, retrieval};

use serde::{Deserialize, Serialize};

use crate::inspector::{InspectError, Inspector};
use crate::prompts::{PromptError, Prompts};

/// How many documents heads are measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolesEffort {
    /// Texts, and repeated texts of random tokens.
    pub n_texts: u64,
    pub n_needles: u64,
    pub n_needle_words: usize,
    /// Of data with an instruction planted in it, and as many without.
    pub n_injections: u64,
}

impl Default for RolesEffort {
    fn default() -> Self {
        Self { n_texts: 4, n_needles: 20, n_needle_words: 200, n_injections: 30 }
    }
}

/// What every number of this kind is to be read with.
pub const CAVEAT: &str = "measured on planted texts in English: a head may do more than one thing, \
     and something else on other texts";

/// What heads do in a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Roles {
    /// `[n_layers * n_heads]`
    pub heads: Vec<HeadRoles>,
    /// What a head would score that looks at all keys alike.
    pub even: EvenRoles,
    pub counts: RoleCounts,
}

/// What one head does, each from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadRoles {
    pub layer_idx: usize,
    pub head_idx: usize,
    /// The weight of the token before.
    pub previous: f64,
    /// In a repeated text: the weight of the same token in the first copy.
    pub duplicate: f64,
    /// And of the token that followed that one there.
    pub induction: f64,
    /// How often the heaviest key is the token of the needle that is being written. `None`: the
    /// model wrote none of the answers.
    pub retrieval: Option<f64>,
    /// The weight that the last token of the prompt gives to the instruction.
    pub instruction: f64,
    /// The same with another instruction planted in the data.
    pub instruction_attacked: f64,
    /// `(mu_N - mu_A) / (sigma_N + sigma_A)` of both, which is no share.
    pub separation: f64,
}

/// What a head would score that looks at all keys alike.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvenRoles {
    pub previous: f64,
    /// Of `induction` too.
    pub duplicate: f64,
    /// One whose heaviest key is drawn by lot.
    pub retrieval: Option<f64>,
    pub instruction: f64,
    pub instruction_attacked: f64,
}

/// How much was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleCounts {
    /// Rows of `previous`, of `duplicate` and `induction`, and of `retrieval`.
    pub n_previous: usize,
    pub n_repeated: usize,
    pub n_retrieval: usize,
    /// Needles that the model found, and all of them.
    pub n_found: usize,
    pub n_needles: usize,
    /// Documents without, and as many with, an instruction planted in them.
    pub n_injections: usize,
}

/// Measures the heads of a model.
///
/// # Errors
/// A template that takes no prompt, and what becomes of requests.
pub fn roles(
    inspector: &mut Inspector<'_>,
    prompts: Prompts<'_>,
    effort: RolesEffort,
) -> Result<Roles, PromptError> {
    if effort.n_texts == 0 || effort.n_injections == 0 {
        return Err(InspectError::Empty { what: "what heads are measured on" }.into());
    }
    let positional = positional(inspector, effort.n_texts)?;
    let retrieval = retrieval(inspector, prompts, (effort.n_needles, effort.n_needle_words))?;
    let instruction = instruction(inspector, prompts, effort.n_injections)?;
    let n_heads = inspector.model.config.n_heads;
    let of_head = |head: usize| HeadRoles {
        layer_idx: head / n_heads,
        head_idx: head % n_heads,
        previous: positional.previous[head],
        duplicate: positional.duplicate[head],
        induction: positional.induction[head],
        retrieval: retrieval.share(head),
        instruction: instruction.normal[head].mean,
        instruction_attacked: instruction.attacked[head].mean,
        separation: instruction.separation(head),
    };
    let heads = inspector.model.config.n_layers * n_heads;
    Ok(Roles {
        heads: (0..heads).map(of_head).collect(),
        even: EvenRoles {
            previous: positional.even_previous,
            duplicate: positional.even_repeated,
            retrieval: retrieval.even(),
            instruction: instruction.even_normal,
            instruction_attacked: instruction.even_attacked,
        },
        counts: RoleCounts {
            n_previous: positional.n_previous,
            n_repeated: positional.n_repeated,
            n_retrieval: retrieval.n_rows,
            n_found: retrieval.n_found,
            n_needles: effort.n_needles as usize,
            n_injections: effort.n_injections as usize,
        },
    })
}
