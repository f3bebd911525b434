//! RoBERTa (Liu et al. 2019) and XLM-RoBERTa (Conneau et al. 2020): BERT whose first position has
//! row 2. Folders only: in GGUF they are `bert`, without the rows before.

use super::bert::BERT;
use crate::spec::{ArchSpec, Positions};

pub(super) const ROBERTA: ArchSpec = ArchSpec {
    name: "roberta",
    hf_names: &["RobertaModel", "RobertaForMaskedLM", "XLMRobertaModel", "XLMRobertaForMaskedLM"],
    hf_prefix: "roberta.",
    hf_unused: &["lm_head.", "pooler.", "roberta.pooler."],
    norm_eps: 1e-5,
    positions: Positions::Learned { first_row: 2 },
    ..BERT
};
