//! Mentions of sentences, and what holds of all.

use proptest::prelude::*;

use super::*;

/// `expected`: what is mentioned, as `kind text/head`.
#[track_caller]
fn check(text: &str, expected: &[&str]) {
    let found = mentions(text).into_iter().map(|mention| {
        let (bytes, head) = (&text[mention.bytes], &text[mention.head_bytes]);
        match mention.kind {
            MentionKind::Name => format!("name {bytes}/{head}"),
            MentionKind::Phrase => format!("phrase {bytes}/{head}"),
            MentionKind::Pronoun(pronoun) => format!("{pronoun:?} {bytes}"),
        }
    });
    assert_eq!(found.collect::<Vec<_>>(), expected, "{text:?}");
}

#[test]
fn names_are_more_than_capital_letters() {
    check("", &[]);
    check("Yesterday Maria Keller met Anna.", &["name Maria Keller/Keller", "name Anna/Anna"]);
    check("Maria signed. Prices rose.", &["name Maria/Maria"]);
    check("Rain fell. It was rain.", &["It It"]);
    check("We saw Oslo. Oslo, however, slept.", &["We We", "name Oslo/Oslo", "name Oslo/Oslo"]);
    check("On 3 May James is here.", &["name James/James"]);
    check(
        "Mr. J. R. Smith spoke to Dr. O'Brien.",
        &["name Mr. J. R. Smith/Smith", "name Dr. O'Brien/O'Brien"],
    );
    check("Anna van Dijk's car and Peter's.", &["name Anna van Dijk/Dijk", "name Peter/Peter"]);
}

#[test]
fn companies_keep_their_parts() {
    check(
        "It sued Acme, Inc. and Keller GmbH.",
        &["It It", "name Acme, Inc/Acme", "name Keller GmbH/Keller"],
    );
    check("She left the Bank of Norway.", &["She She", "name the Bank of Norway/Bank"]);
    check("We asked Johnson and Sons.", &["We We", "name Johnson and Sons/Sons"]);
    check("We asked Maria and Peter.", &["We We", "name Maria/Maria", "name Peter/Peter"]);
    check("We hired Smith & Wesson.", &["We We", "name Smith & Wesson/Wesson"]);
}

#[test]
fn phrases_end_in_their_nouns() {
    check("The old red car stopped.", &["phrase The old red car/car"]);
    check(
        "A dog quickly ate the soup of a neighbour.",
        &["phrase A dog/dog", "phrase the soup/soup", "phrase a neighbour/neighbour"],
    );
    check("The report shows that prices rise.", &["phrase The report/report"]);
    check("The new and the old are the same.", &[]);
    check(
        "The Lisbon office is a well-known place.",
        &[
            "phrase The Lisbon office/office",
            "name Lisbon/Lisbon",
            "phrase a well-known place/place",
        ],
    );
    check(
        "The tenant's lawyer wrote.",
        &["phrase The tenant's lawyer/lawyer", "phrase The tenant/tenant"],
    );
    check("He said that Maria left.", &["He He", "name Maria/Maria"]);
    check(
        "That house and this are these people's.",
        &["phrase That house/house", "phrase these people/people"],
    );
}

#[test]
fn pronouns_are_mentions_within_phrases_too() {
    check("I'm sure it's his car.", &["I I", "It it", "phrase his car/car", "He his"]);
    check(
        "She gave her the US IT book.",
        &["She She", "She her", "phrase the US IT book/book", "name US IT/IT"],
    );
    check("They saw us; you saw yourself.", &["They They", "We us", "You you", "You yourself"]);
}

proptest! {
    #[test]
    fn heads_lie_within_their_mentions(
        text in prop_oneof![
            any::<String>(),
            "((the|The|Maria|of|and|Inc|his|old|car|said|that|é|It's)[ .,]{1,2}){0,40}",
        ],
    ) {
        let mut start = 0;
        for mention in mentions(&text) {
            let (bytes, head) = (mention.bytes, mention.head_bytes);
            prop_assert!(text.get(bytes.clone()).is_some() && text.get(head.clone()).is_some());
            prop_assert!(!head.is_empty() && bytes.start <= head.start && head.end <= bytes.end);
            prop_assert!(start <= bytes.start);
            start = bytes.start;
        }
    }
}
