//! Names for heads that plainly do one thing.

use serde::Serialize;

use super::{HeadRoles, Roles};

/// What a head is called by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HeadRole {
    Previous,
    Duplicate,
    Induction,
    Retrieval,
    Instruction,
}

/// A head with at least one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HeadLabel {
    pub layer_idx: usize,
    pub head_idx: usize,
    pub roles: Vec<HeadRole>,
}

/// The share of its weight that a head gives to one place, from which on it is named after it.
const WEIGHT_MIN: f64 = 0.4;
/// Wu et al. 2404.15574, where fewer than one head of twenty copies as often.
const RETRIEVAL_MIN: f64 = 0.1;

impl Roles {
    /// Heads that have a name, by layer and head; `instruction` holds the places in `heads` of
    /// those that keep to the instruction. Other heads do something that is not asked for here.
    pub fn labels(&self, instruction: &[usize]) -> Vec<HeadLabel> {
        let label = |(idx, head): (usize, &HeadRoles)| {
            let roles = head.named(instruction.contains(&idx));
            let (layer_idx, head_idx) = (head.layer_idx, head.head_idx);
            (!roles.is_empty()).then_some(HeadLabel { layer_idx, head_idx, roles })
        };
        self.heads.iter().enumerate().filter_map(label).collect()
    }
}

impl HeadRoles {
    fn named(&self, keeps_to_instruction: bool) -> Vec<HeadRole> {
        let is_named = [
            (HeadRole::Previous, self.previous >= WEIGHT_MIN),
            (HeadRole::Duplicate, self.duplicate >= WEIGHT_MIN),
            (HeadRole::Induction, self.induction >= WEIGHT_MIN),
            (HeadRole::Retrieval, self.retrieval.is_some_and(|share| share >= RETRIEVAL_MIN)),
            (HeadRole::Instruction, keeps_to_instruction),
        ];
        is_named.into_iter().filter_map(|(role, is_named)| is_named.then_some(role)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_named_after_what_they_plainly_do() {
        let check = |(previous, induction, retrieval): (f64, f64, Option<f64>), expected: &[_]| {
            let head = HeadRoles {
                layer_idx: 0,
                head_idx: 0,
                previous,
                duplicate: 0.0,
                induction,
                retrieval,
                instruction: 0.0,
                instruction_attacked: 0.0,
                separation: 0.0,
            };
            assert_eq!(head.named(false), expected, "{head:?}");
        };
        check((0.39, 0.1, None), &[]);
        check((0.4, 0.1, Some(0.09)), &[HeadRole::Previous]);
        check((0.0, 0.9, Some(0.1)), &[HeadRole::Induction, HeadRole::Retrieval]);
    }
}
