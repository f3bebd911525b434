//! A passage with a pronoun of which readers know what it stands for.

use std::ops::Range;

use super::draft::{Draft, place};
use super::passages::{self, Role};
use super::random::Random;
use super::{Half, lists};
use crate::text::Pronoun;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PronounPassage {
    pub text: String,
    pub pronoun: Range<usize>,
    pub kind: Pronoun,
    /// What the pronoun stands for, where it is named: "the dog", "Maria", "Maria the pilot".
    pub gold: Range<usize>,
    /// The other candidates, where they are named.
    pub rivals: Vec<Range<usize>>,
    pub clue: Clue,
}

/// What says which candidate is meant. A row of attention sees what stands before its token only:
/// where the clue stands behind the pronoun, the pronoun's own row cannot know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Clue {
    /// The pronoun itself: one candidate is a woman, the others are men, or the other way round.
    Gender,
    /// What is said before the pronoun.
    Before,
    /// What is said behind it.
    After,
}

/// The most sentences between the candidates and the pronoun.
pub const N_BETWEEN_MAX: usize = 12;

/// A passage with `n_between` sentences between the one that names two or three candidates and the
/// one with the pronoun. With none between, passages are alike for some seeds.
pub fn pronoun(seed: u64, half: Half, n_between: usize) -> PronounPassage {
    assert!(n_between <= N_BETWEEN_MAX, "there are {N_BETWEEN_MAX} sentences to put between");
    let random = &mut Random::new(seed);
    let cast = cast(random, half);
    let gold_idx = random.below(cast.len());
    let Candidate { kind, deed, .. } = cast[gold_idx];
    let is_told_by_gender = cast.iter().any(|other| other.kind != kind);
    let clues: &[Clue] =
        if is_told_by_gender { &[Clue::Gender] } else { &[Clue::Before, Clue::After] };
    let clue = random.pick(clues);

    let mut draft = Draft::default();
    let introductions = if cast.len() == 2 { passages::PAIRS } else { passages::TRIPLES };
    let introduction = random.pick(&half.of(introductions)).to_owned();
    let slots = ["{a}", "{b}", "{c}"].into_iter().zip(&cast);
    let introduction =
        slots.fold(introduction, |text, (slot, candidate)| text.replace(slot, &candidate.name));
    let introduction = draft.push(&introduction);
    for sentence in random.shuffled(half.of(passages::BETWEEN)).iter().take(n_between) {
        draft.push(sentence);
    }
    let opening = random.pick(&half.of(passages::OPENINGS));
    let (sentence, offset, n_bytes) = last_sentence(opening, kind, deed, clue);
    let last = draft.push(&sentence);

    let places = cast.iter().map(|other| place(&draft.text, &introduction, &other.name));
    let mut rivals: Vec<Range<usize>> = places.collect();
    let gold = rivals.remove(gold_idx);
    let pronoun = last.start + offset..last.start + offset + n_bytes;
    PronounPassage { text: draft.text, pronoun, kind, gold, rivals, clue }
}

/// Whom or what the passage is about.
struct Candidate {
    name: String,
    kind: Pronoun,
    deed: &'static str,
}

#[derive(Clone, Copy)]
enum Person {
    Woman,
    Man,
}

impl Person {
    fn pronoun(self) -> Pronoun {
        match self {
            Self::Woman => Pronoun::She,
            Self::Man => Pronoun::He,
        }
    }

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Woman => lists::WOMEN,
            Self::Man => lists::MEN,
        }
    }
}

fn cast(random: &mut Random, half: Half) -> Vec<Candidate> {
    match random.below(4) {
        0 => classes(random, half, passages::THINGS, Pronoun::It),
        1 => classes(random, half, passages::GROUPS, Pronoun::They),
        2 => trades(random, half),
        _ => genders(random, half),
    }
}

/// Things or groups, each of another class.
fn classes(random: &mut Random, half: Half, of: &[Role], kind: Pronoun) -> Vec<Candidate> {
    let roles = distinct(random, half, of).into_iter();
    roles
        .map(|role| Candidate { name: format!("the {}", role.noun), kind, deed: role.deed })
        .collect()
}

/// Persons of one gender, told apart by what they do.
fn trades(random: &mut Random, half: Half) -> Vec<Candidate> {
    let roles = distinct(random, half, passages::TRADES).into_iter();
    let person = random.pick(&[Person::Woman, Person::Man]);
    let names = random.shuffled(person.names().to_vec());
    let named = names.into_iter().zip(roles).map(|(name, role)| Candidate {
        name: format!("{name} the {}", role.noun),
        kind: person.pronoun(),
        deed: role.deed,
    });
    named.collect()
}

/// A woman and a man, who did the same.
fn genders(random: &mut Random, half: Half) -> Vec<Candidate> {
    let deed = random.pick(&half.of(passages::NEUTRAL_DEEDS));
    let people = random.shuffled(vec![Person::Woman, Person::Man]).into_iter();
    let named = people.map(|person| Candidate {
        name: random.pick(person.names()).to_owned(),
        kind: person.pronoun(),
        deed,
    });
    named.collect()
}

/// Two or three of different classes.
fn distinct(random: &mut Random, half: Half, of: &[Role]) -> Vec<Role> {
    let n = 2 + random.below(2);
    let mut chosen: Vec<Role> = Vec::new();
    for role in random.shuffled(half.of(of)) {
        if chosen.len() < n && chosen.iter().all(|other| other.class != role.class) {
            chosen.push(role);
        }
    }
    chosen
}

/// The sentence with the pronoun, and where in it the pronoun stands.
fn last_sentence(opening: &str, kind: Pronoun, deed: &str, clue: Clue) -> (String, usize, usize) {
    let (subject, object) = match kind {
        Pronoun::He => ("he", "him"),
        Pronoun::She => ("she", "her"),
        Pronoun::They => ("they", "them"),
        _ => ("it", "it"),
    };
    let subject = if opening.is_empty() { capitalised(subject) } else { subject.to_owned() };
    let start = format!("{opening}{subject} {deed}");
    match clue {
        Clue::Before => {
            let start = format!("{start}, and two visitors came to look at ");
            (format!("{start}{object}."), start.len(), object.len())
        }
        Clue::After | Clue::Gender => (format!("{start}."), opening.len(), subject.len()),
    }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    first + letters.as_str()
}
