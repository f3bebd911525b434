//! A contract in which two clauses contradict each other, and the same without.

use std::ops::Range;

use super::Half;
use super::clauses::{OTHERS, PAIRS};
use super::draft::Draft;
use super::random::Random;
use super::slots::Filling;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractText {
    /// A clause a line, each behind its number.
    pub text: String,
    /// The clauses without their numbers.
    pub clauses: Vec<Range<usize>>,
    /// Two clauses about the same thing, in order; nothing for [`Pairing::Nothing`].
    pub pair: Option<[Range<usize>; 2]>,
    pub pairing: Pairing,
    pub conflict: Conflict,
}

/// What is planted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pairing {
    Contradiction,
    /// Two clauses that say the same in other words: who takes what is similar for a contradiction
    /// is wrong here.
    Restatement,
    /// One clause of the pair, with nothing beside it.
    Nothing,
}

/// What the clauses of a pair disagree about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Conflict {
    Amount,
    Date,
    /// Who does it.
    Party,
    /// Whether it has to be done, or may be.
    Duty,
}

/// The most clauses that a contract can have without saying something twice.
pub const N_CLAUSES_MAX: usize = OTHERS.len() / 2;

/// A lease of `n_clauses`. Of one seed, half and length, the texts of all pairings differ in one
/// clause. Contracts of less than eight clauses are alike for some seeds.
pub fn contract(seed: u64, half: Half, n_clauses: usize, pairing: Pairing) -> ContractText {
    assert!((2..=N_CLAUSES_MAX).contains(&n_clauses), "2 to {N_CLAUSES_MAX} clauses can be made");
    let random = &mut Random::new(seed);
    let template = random.pick(&half.of(PAIRS));
    let mut filling = Filling::default();
    let first = filling.fill(template.first, random);
    let contradiction = filling.fill(template.contradiction, random);
    let restatement = filling.fill(template.restatement, random);
    let others = random.shuffled(half.of(OTHERS));
    let mut others = others.into_iter().map(|other| filling.fill(other, random));
    let replaced = others.next().expect("there are other clauses");
    let second = match pairing {
        Pairing::Contradiction => contradiction,
        Pairing::Restatement => restatement,
        Pairing::Nothing => replaced,
    };
    let clauses: Vec<String> = [first, second].into_iter().chain(others).take(n_clauses).collect();
    let mut places = vec![0..0; n_clauses];
    let mut draft = Draft::default();
    for (number, idx) in (1..).zip(random.shuffled((0..n_clauses).collect())) {
        let line = draft.push_after("\n", &format!("{number}. {}", clauses[idx]));
        places[idx] = line.end - clauses[idx].len()..line.end;
    }
    let mut pair = [places[0].clone(), places[1].clone()];
    pair.sort_by_key(|clause| clause.start);
    places.sort_by_key(|clause| clause.start);
    ContractText {
        text: draft.text,
        clauses: places,
        pair: (pairing != Pairing::Nothing).then_some(pair),
        pairing,
        conflict: template.conflict,
    }
}
