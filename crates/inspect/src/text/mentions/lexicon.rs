//! Closed lists of English words, but for the verbs.

use super::{Pronoun, verbs};
use crate::text::calendar::{MONTHS, WEEKDAYS};

pub(super) fn pronoun(word: &str) -> Option<Pronoun> {
    if is_acronym(word) {
        return None;
    }
    match word.to_lowercase().as_str() {
        // A small one numbers items of lists.
        "i" => (word == "I").then_some(Pronoun::I),
        "me" | "my" | "mine" | "myself" => Some(Pronoun::I),
        "you" | "your" | "yours" | "yourself" | "yourselves" => Some(Pronoun::You),
        "he" | "him" | "his" | "himself" => Some(Pronoun::He),
        "she" | "her" | "hers" | "herself" => Some(Pronoun::She),
        "it" | "its" | "itself" => Some(Pronoun::It),
        "we" | "us" | "our" | "ours" | "ourselves" => Some(Pronoun::We),
        "they" | "them" | "their" | "theirs" | "themselves" => Some(Pronoun::They),
        _ => None,
    }
}

pub(super) fn is_determiner(word: &str) -> bool {
    const DETERMINERS: &[&str] = &[
        "a", "an", "her", "his", "its", "my", "our", "that", "the", "their", "these", "this",
        "those", "your",
    ];
    DETERMINERS.contains(&word.to_lowercase().as_str())
}

/// `word` without a verb or a possessive that an apostrophe ties to it.
pub(super) fn without_clitic(word: &str) -> &str {
    const CLITICS: &[&str] = &["s", "m", "re", "ll", "ve", "d"];
    match word.rsplit_once(['\'', '’']) {
        Some((base, clitic)) if !base.is_empty() && CLITICS.contains(&clitic) => base,
        _ => word,
    }
}

/// Words that no noun phrase goes over: they tie phrases together.
pub(super) fn is_function(word: &str) -> bool {
    const FUNCTION: &[&[&str]] =
        &[PREPOSITIONS, CONJUNCTIONS, PRONOUNS, verbs::AUXILIARIES, ADVERBS];
    let lower = word.to_lowercase();
    !is_acronym(word) && FUNCTION.iter().any(|list| list.contains(&lower.as_str()))
}

/// "US" and "IT" are names.
fn is_acronym(word: &str) -> bool {
    word.len() > 1 && word.chars().all(char::is_uppercase)
}

const PREPOSITIONS: &[&str] = &[
    "about",
    "above",
    "across",
    "after",
    "against",
    "along",
    "among",
    "around",
    "at",
    "before",
    "behind",
    "below",
    "beneath",
    "beside",
    "besides",
    "between",
    "beyond",
    "by",
    "despite",
    "down",
    "during",
    "except",
    "for",
    "from",
    "in",
    "inside",
    "into",
    "like",
    "near",
    "of",
    "off",
    "on",
    "onto",
    "out",
    "outside",
    "over",
    "past",
    "per",
    "since",
    "through",
    "throughout",
    "to",
    "toward",
    "towards",
    "under",
    "until",
    "up",
    "upon",
    "via",
    "with",
    "within",
    "without",
];

const CONJUNCTIONS: &[&str] = &[
    "although",
    "and",
    "as",
    "because",
    "but",
    "either",
    "how",
    "however",
    "if",
    "nor",
    "or",
    "otherwise",
    "so",
    "than",
    "therefore",
    "though",
    "thus",
    "unless",
    "what",
    "when",
    "whenever",
    "where",
    "whereas",
    "whether",
    "which",
    "while",
    "who",
    "whom",
    "whose",
    "why",
    "yet",
];

const PRONOUNS: &[&str] = &[
    "a",
    "all",
    "an",
    "another",
    "any",
    "anyone",
    "anything",
    "both",
    "dear",
    "each",
    "every",
    "everyone",
    "everything",
    "few",
    "he",
    "her",
    "hers",
    "herself",
    "him",
    "himself",
    "his",
    "i",
    "it",
    "its",
    "itself",
    "many",
    "me",
    "mine",
    "most",
    "my",
    "neither",
    "no",
    "nobody",
    "none",
    "nothing",
    "one",
    "our",
    "ours",
    "ourselves",
    "several",
    "she",
    "some",
    "somebody",
    "someone",
    "something",
    "such",
    "that",
    "the",
    "their",
    "theirs",
    "them",
    "themselves",
    "these",
    "they",
    "this",
    "those",
    "us",
    "we",
    "yes",
    "you",
    "your",
    "yours",
];

const ADVERBS: &[&str] = &[
    "again",
    "ago",
    "almost",
    "already",
    "also",
    "always",
    "away",
    "back",
    "even",
    "ever",
    "finally",
    "first",
    "here",
    "just",
    "last",
    "later",
    "maybe",
    "meanwhile",
    "never",
    "next",
    "now",
    "often",
    "once",
    "only",
    "perhaps",
    "please",
    "quite",
    "rather",
    "sometimes",
    "soon",
    "still",
    "then",
    "there",
    "today",
    "together",
    "tomorrow",
    "tonight",
    "too",
    "very",
    "well",
    "yesterday",
];

/// Whether a word can end a phrase.
pub(super) fn may_be_noun(word: &str) -> bool {
    let lower = word.to_lowercase();
    let is_form = lower.ends_with("ly") || lower.ends_with("ed");
    let is_word = lower.contains(char::is_alphabetic);
    is_word
        && !ADJECTIVES.contains(&lower.as_str())
        && (!is_form || NOUNS.contains(&lower.as_str()))
}

const ADJECTIVES: &[&str] = &[
    "able",
    "bad",
    "beautiful",
    "best",
    "better",
    "big",
    "black",
    "blue",
    "certain",
    "clear",
    "different",
    "early",
    "easy",
    "entire",
    "fast",
    "free",
    "full",
    "good",
    "great",
    "green",
    "happy",
    "hard",
    "high",
    "important",
    "large",
    "late",
    "little",
    "long",
    "low",
    "main",
    "major",
    "nearby",
    "new",
    "nice",
    "old",
    "open",
    "other",
    "own",
    "poor",
    "public",
    "quick",
    "ready",
    "real",
    "recent",
    "red",
    "rich",
    "same",
    "short",
    "small",
    "strong",
    "sure",
    "tall",
    "true",
    "usual",
    "weak",
    "white",
    "whole",
    "wide",
    "worse",
    "wrong",
    "young",
];

/// Nouns that end as adverbs and participles do.
const NOUNS: &[&str] = &[
    "ally",
    "anomaly",
    "assembly",
    "bed",
    "belly",
    "breed",
    "bully",
    "butterfly",
    "deed",
    "family",
    "feed",
    "fly",
    "hundred",
    "italy",
    "jelly",
    "july",
    "lily",
    "monopoly",
    "need",
    "reply",
    "seed",
    "shed",
    "speed",
    "supply",
    "weed",
];

/// Months and days: nothing stands for them.
pub(super) fn is_calendar(word: &str) -> bool {
    MONTHS.contains(&word) || WEEKDAYS.contains(&word)
}

pub(super) fn is_title(word: &str) -> bool {
    const TITLES: &[&str] = &[
        "Capt", "Col", "Dr", "Gen", "Gov", "Hon", "Lt", "Mr", "Mrs", "Ms", "Mx", "Prof", "Rev",
        "Sen", "Sgt", "St",
    ];
    TITLES.contains(&word)
}

/// Words within names: "Bank of Norway", "Anna van Dijk".
pub(super) fn is_particle(word: &str) -> bool {
    const PARTICLES: &[&str] =
        &["of", "de", "da", "del", "den", "der", "di", "du", "la", "van", "von", "y", "zu"];
    PARTICLES.contains(&word)
}

pub(super) fn is_company_suffix(word: &str) -> bool {
    const SUFFIXES: &[&str] = &[
        "AB", "AG", "AS", "BV", "Co", "Corp", "GmbH", "Inc", "KG", "LLC", "LLP", "Limited", "Ltd",
        "NV", "Oy", "PLC", "Pty", "SA", "SE", "SpA", "SRL", "plc",
    ];
    SUFFIXES.contains(&word)
}

pub(super) fn is_company_word(word: &str) -> bool {
    const WORDS: &[&str] = &[
        "Associates",
        "Bank",
        "Brothers",
        "Company",
        "Corporation",
        "Daughters",
        "Group",
        "Holdings",
        "Partners",
        "Services",
        "Sons",
        "Systems",
    ];
    WORDS.contains(&word)
}
