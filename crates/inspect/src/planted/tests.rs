//! What documents claim of themselves is true, for many seeds.

use std::collections::HashSet;
use std::fmt::Debug;
use std::ops::Range;

use super::*;
use crate::text::{self, MentionKind};

const N_SEEDS: u64 = 200;

/// Of both halves `N_SEEDS` documents are what `claims` says, made again they are the same, and no
/// two are alike.
#[track_caller]
fn check<T: Debug + PartialEq + Clone>(
    make: impl Fn(u64, Half) -> T,
    words: impl Fn(&T) -> String,
    claims: impl Fn(&T),
) {
    let made = split(N_SEEDS, &make);
    assert_eq!(made, split(N_SEEDS, &make));
    let all: Vec<T> = made.calibration.into_iter().chain(made.held_out).collect();
    all.iter().for_each(&claims);
    let distinct: HashSet<String> = all.iter().map(words).collect();
    assert_eq!(distinct.len(), all.len(), "two seeds give one document");
}

#[track_caller]
fn check_facts(n_sentences: usize) {
    let make = |seed, half| facts(seed, half, n_sentences);
    check(make, |made| made.document.clone(), claims_of_facts);
}

#[track_caller]
fn claims_of_facts(made: &FactDocument) {
    let FactDocument { document, answer, .. } = made;
    assert_eq!(text::sentences(document), made.sentences, "{document}");
    assert!(made.sentences.contains(&made.gold));
    assert!(made.rivals.iter().all(|rival| made.sentences.contains(rival) && *rival != made.gold));
    assert_eq!(document.matches(answer).count(), 1, "{answer}: {document}");
    assert_eq!(&document[made.answer_bytes.clone()], answer);
    assert!(holds(&made.gold, &made.answer_bytes));
    assert!(!made.question.contains(answer) && made.question.ends_with('?'));
    let distinct: HashSet<&str> = made.sentences.iter().map(|s| &document[s.clone()]).collect();
    assert_eq!(distinct.len(), made.sentences.len(), "said twice: {document}");
}

fn holds(outer: &Range<usize>, inner: &Range<usize>) -> bool {
    outer.start <= inner.start && inner.end <= outer.end
}

#[test]
fn one_sentence_holds_the_answer() {
    check_facts(8);
    check_facts(40);
    assert_eq!(facts(1, Half::HeldOut, 1).sentences.len(), 1);
    assert_eq!(facts(1, Half::HeldOut, 4).rivals.len(), 2);
}

#[test]
fn needles_lie_at_their_depth() {
    for depth in [0.0, 0.3, 1.0] {
        let make = |seed, half| needle(seed, half, 150, depth);
        check(
            make,
            |made| made.document.clone(),
            |made| {
                let n_words = |text: &str| text.split_whitespace().count();
                let (before, after) = (..made.needle.start, made.needle.end..);
                let n_before = n_words(&made.document[before]);
                let n_others = n_before + n_words(&made.document[after]);
                assert!((150..170).contains(&n_words(&made.document)));
                let n_off = depth * n_others as f64 - n_before as f64;
                assert!((0.0..16.0).contains(&n_off), "{n_off} words off");
                assert_eq!(made.document.matches(&made.answer).count(), 1);
                assert_eq!(&made.document[made.answer_bytes.clone()], made.answer);
                assert!(holds(&made.needle, &made.answer_bytes));
            },
        );
    }
    assert!(needle(0, Half::HeldOut, 20_000, 0.5).document.len() > 100_000);
}

#[test]
fn pronouns_stand_for_one_of_the_candidates() {
    for n_between in [2, N_BETWEEN_MAX] {
        let make = |seed, half| pronoun(seed, half, n_between);
        check(make, |made| made.text.clone(), |made| claims_of_pronoun(made, n_between));
    }
    pronoun(0, Half::Calibration, 0);
}

#[track_caller]
fn claims_of_pronoun(made: &PronounPassage, n_between: usize) {
    let PronounPassage { text, pronoun, gold, rivals, .. } = made;
    let mentions = text::mentions(text);
    let kind = MentionKind::Pronoun(made.kind);
    assert!(mentions.iter().any(|m| m.bytes == *pronoun && m.kind == kind), "{text}");
    let sentences = text::sentences(text);
    assert_eq!(sentences.len(), n_between + 2);
    let named: HashSet<&str> = [gold].into_iter().chain(rivals).map(|c| &text[c.clone()]).collect();
    assert_eq!(named.len(), rivals.len() + 1);
    for candidate in [gold].into_iter().chain(rivals) {
        assert!(holds(&sentences[0], candidate));
        let is_in = |m: &&text::Mention| holds(candidate, &m.bytes);
        assert!(mentions.iter().any(|m| is_in(&m)), "{}: {text}", &text[candidate.clone()]);
        // Nothing else of the text has the words, so that none is cut out of a longer one.
        assert_eq!(text.matches(&text[candidate.clone()]).count(), 1, "{text}");
    }
    let between = sentences[1].start..sentences[n_between + 1].start;
    assert!(!mentions.iter().any(|m| holds(&between, &m.bytes)), "{text}");
}

#[test]
fn data_differ_by_the_injection_alone() {
    for kind in [DataKind::Statements, DataKind::Instructions] {
        let make = |seed, half| {
            let made = |planting| injection(seed, half, kind, planting);
            (made(Planting::Instruction), made(Planting::Harmless))
        };
        check(
            make,
            |(with, _)| with.data.clone(),
            |(with, without)| {
                let injected = with.injected.as_ref().expect("an instruction is planted");
                assert_eq!(without.injected, None);
                assert_eq!(with.instruction, without.instruction);
                assert!(!with.instruction.contains('{') && !with.data.contains('{'));
                let before = &with.data[..injected.bytes.start];
                let after = &with.data[injected.bytes.end..];
                assert!(without.data.starts_with(before) && without.data.ends_with(after));
                let others = without.data.len() - before.len() - after.len();
                assert!(others > 0 && !without.data.contains(&with.data[injected.bytes.clone()]));
                let said = text::sentences(&without.data);
                let said: Vec<&str> = said.into_iter().map(|it| &without.data[it]).collect();
                let once: HashSet<&&str> = said.iter().collect();
                assert_eq!(once.len(), said.len(), "a sentence is said twice: {}", without.data);
            },
        );
        let make = |seed, half| injection(seed, half, kind, Planting::Harmless);
        check(make, |made| made.data.clone(), |made| assert_eq!(made.kind, kind));
    }
}

#[test]
fn ungrounded_answers_are_not_in_the_document() {
    let make = |seed, half| grounding(seed, half, 12);
    check(
        make,
        |made| made.facts.document.clone(),
        |made| {
            claims_of_facts(&made.facts);
            assert_eq!(made.facts.document[made.facts.gold.clone()], made.grounded);
            assert!(!made.facts.document.contains(&made.ungrounded));
            assert!(!made.ungrounded.contains(&made.facts.answer));
        },
    );
    // Long ones name every city and every day of the week.
    split(50, |seed, half| grounding(seed, half, 300));
    let untruths = split(20, make).held_out.into_iter().map(|made| made.untruth);
    assert_eq!(untruths.collect::<HashSet<_>>().len(), 2);
}

#[test]
fn contracts_differ_by_one_clause() {
    for n_clauses in [8, N_CLAUSES_MAX] {
        let make = |seed, half| {
            [Pairing::Contradiction, Pairing::Restatement, Pairing::Nothing]
                .map(|pairing| contract(seed, half, n_clauses, pairing))
        };
        check(
            make,
            |[made, ..]| made.text.clone(),
            |made| {
                let clauses = made.each_ref().map(claims_of_contract);
                for other in &clauses[1..] {
                    assert_eq!(clauses[0].len(), other.len());
                    let differ = clauses[0].iter().zip(other).filter(|(a, b)| a != b);
                    assert_eq!(differ.count(), 1);
                }
            },
        );
    }
}

/// The clauses.
#[track_caller]
fn claims_of_contract(made: &ContractText) -> Vec<&str> {
    let clauses: Vec<&str> = made.clauses.iter().map(|clause| &made.text[clause.clone()]).collect();
    let lines = (1..).zip(&clauses).map(|(number, clause)| format!("{number}. {clause}"));
    assert_eq!(lines.collect::<Vec<_>>().join("\n"), made.text);
    assert_eq!(text::sentences(&made.text).len(), clauses.len(), "{}", made.text);
    assert_eq!(made.pair.is_none(), made.pairing == Pairing::Nothing);
    if let Some([first, second]) = &made.pair {
        assert!(first.end <= second.start);
        assert!(made.clauses.contains(first) && made.clauses.contains(second));
        assert_ne!(made.text[first.clone()], made.text[second.clone()]);
    }
    clauses
}

#[test]
fn halves_share_no_template() {
    let all: Vec<usize> = (0..7).collect();
    assert_eq!(Half::Calibration.of(&all), [0, 2, 4, 6]);
    assert_eq!(Half::HeldOut.of(&all), [1, 3, 5]);
    let seeds = split(3, |seed, _| seed);
    assert_eq!((seeds.calibration, seeds.held_out), (vec![0, 2, 4], vec![1, 3, 5]));
}
