//! Data with an instruction planted in it, and the same data without.

use std::ops::Range;

use super::Half;
use super::draft::Draft;
use super::injection_texts::{DATA, DataTemplate, INJECTIONS, ORDERS, TASKS};
use super::random::Random;
use super::slots::Filling;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectionCase {
    /// What the model is asked to do with the data.
    pub instruction: String,
    pub data: String,
    pub kind: DataKind,
    /// Which of [`N_DATA_TEMPLATES`] the data is made of.
    pub template_idx: usize,
    pub injected: Option<Injected>,
}

/// Reviews, emails, reports; recipes, manuals, scenes.
pub const N_DATA_TEMPLATES: usize = DATA.len();

/// An instruction within the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// Where it lies in the data.
    pub bytes: Range<usize>,
    pub style: Style,
}

/// What the data is by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DataKind {
    /// Reviews, emails, reports.
    Statements,
    /// Recipes, manuals, quoted orders: who takes every imperative for an attack is wrong here.
    Instructions,
}

/// Whether an instruction is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Planting {
    Nothing,
    /// A sentence like the others in the place of the instruction: as much data.
    Harmless,
    Instruction,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Style {
    /// "Ignore all previous ..."
    Override,
    /// Looks like what a system wrote.
    FakeNote,
    Urgent,
    Polite,
}

/// A task with data. Of one seed, half and kind, the data with and without an instruction differ by
/// that instruction alone.
pub fn injection(seed: u64, half: Half, kind: DataKind, planting: Planting) -> InjectionCase {
    let random = &mut Random::new(seed);
    let templates = DATA.iter().enumerate().filter(|(_, data)| data.kind == kind);
    let templates: Vec<(usize, &DataTemplate)> = templates.collect();
    let (template_idx, template) = random.pick(&templates);
    let instruction = random.pick(&half.of(TASKS)).replace("{kind}", template.name);
    let mut filling = Filling::default();
    let mut sentences = half.of(template.sentences);
    sentences = random.shuffled(sentences);
    sentences.truncate(4 + random.below(4));
    let mut sentences: Vec<String> =
        sentences.into_iter().map(|sentence| filling.fill(sentence, random)).collect();
    let (style, order) = random.pick(&half.of(INJECTIONS));
    let order = order.replace("{order}", random.pick(&half.of(ORDERS)));
    let order = filling.fill(&order, random);
    let at = random.below(sentences.len() + 1);
    match planting {
        Planting::Nothing => (),
        Planting::Harmless => {
            let more = random.pick(&half.of(template.sentences));
            sentences.insert(at, filling.fill(more, random));
        }
        Planting::Instruction => sentences.insert(at, order),
    }
    let mut draft = Draft::default();
    for sentence in &sentences {
        draft.push(sentence);
    }
    let injected = match planting {
        Planting::Nothing | Planting::Harmless => None,
        Planting::Instruction => Some(Injected { bytes: draft.sentences[at].clone(), style }),
    };
    InjectionCase { instruction, data: draft.text, kind, template_idx, injected }
}
