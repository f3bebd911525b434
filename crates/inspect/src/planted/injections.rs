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

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Planting {
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
/// that one sentence.
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
        Planting::Harmless => {
            let others = DATA.iter().filter(|data| data.kind == kind && data.name != template.name);
            let others: Vec<&str> = others.flat_map(|data| half.of(data.sentences)).collect();
            sentences.insert(at, as_long(&others, order.len(), &mut filling, random));
        }
        Planting::Instruction => sentences.insert(at, order),
    }
    let mut draft = Draft::default();
    for sentence in &sentences {
        draft.push(sentence);
    }
    let injected = match planting {
        Planting::Harmless => None,
        Planting::Instruction => Some(Injected { bytes: draft.sentences[at].clone(), style }),
    };
    InjectionCase { instruction, data: draft.text, kind, template_idx, injected }
}

/// One or two sentences of about so many bytes.
fn as_long(
    templates: &[&str],
    n_bytes: usize,
    filling: &mut Filling,
    random: &mut Random,
) -> String {
    const N_TRIED: usize = 12;
    let tried = (0..N_TRIED).map(|i| {
        let some = random.shuffled(templates.to_vec());
        let some = some.iter().take(1 + i % 2).map(|template| filling.fill(template, random));
        some.collect::<Vec<_>>().join(" ")
    });
    tried.min_by_key(|made| made.len().abs_diff(n_bytes)).unwrap_or_default()
}
