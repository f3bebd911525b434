//! Words with a full stop that may not end a sentence.

/// What a full stop after a word means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Abbreviation {
    /// Something follows always: "Mr."
    Open,
    /// A number follows, or the word is none: "No. 5".
    BeforeNumber,
    /// May end a sentence: "Inc."
    Either,
    /// Ends a sentence wherever a capital letter follows: "etc."
    BeforeCapital,
}

use Abbreviation::{BeforeCapital, BeforeNumber, Either, Open};

const OPEN: &[&str] = &[
    "mr", "mrs", "ms", "mx", "dr", "prof", "messrs", "mme", "mlle", "gen", "sen", "rep", "gov",
    "capt", "cpt", "lt", "col", "maj", "sgt", "cmdr", "adm", "rev", "hon", "fr", "pres", "supt",
    "e.g", "eg", "i.e", "ie", "cf", "viz", "vs", "v", "approx", "ca", "incl", "excl", "esp",
    "resp", "attn", "mt",
];

const BEFORE_NUMBER: &[&str] = &[
    "no", "nos", "nr", "fig", "figs", "eq", "eqs", "sec", "sect", "secs", "art", "arts", "ch",
    "chap", "cl", "par", "para", "paras", "p", "pp", "pg", "vol", "vols", "ed", "ex", "sched",
    "reg", "regs", "ver", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct",
    "nov", "dec", "tel", "ext", "apt", "min", "max",
];

const EITHER: &[&str] = &[
    "inc", "ltd", "co", "corp", "llc", "plc", "bros", "jr", "sr", "st", "ave", "rd", "blvd",
    "dept", "dist", "univ", "assn", "est", "al", "ph.d", "m.d", "b.a", "m.a", "esq", "lb", "lbs",
    "oz", "hrs", "hr", "mins", "sq", "gmbh",
];

const BEFORE_CAPITAL: &[&str] = &["etc", "a.m", "p.m", "b.c", "a.d"];

/// What `word` is, written without its full stop; nothing where it is no abbreviation.
pub(super) fn abbreviation(word: &str) -> Option<Abbreviation> {
    let lower = word.to_lowercase();
    let is_in = |list: &[&str]| list.contains(&lower.as_str());
    if is_in(OPEN) {
        Some(Open)
    } else if is_in(BEFORE_CAPITAL) {
        Some(BeforeCapital)
    } else if is_in(BEFORE_NUMBER) {
        Some(BeforeNumber)
    } else if is_in(EITHER) || is_acronym(word) {
        Some(Either)
    } else {
        None
    }
}

/// Letters with full stops between them: "U.S", "D.C".
fn is_acronym(word: &str) -> bool {
    let is_letter = |part: &str| part.chars().count() == 1;
    word.contains('.') && word.split('.').all(is_letter)
}

/// Words that begin a sentence more often than they go on after an abbreviation or an initial.
const STARTERS: &[&str] = &[
    "a",
    "after",
    "all",
    "although",
    "an",
    "and",
    "another",
    "any",
    "as",
    "at",
    "because",
    "before",
    "both",
    "but",
    "by",
    "do",
    "does",
    "during",
    "each",
    "every",
    "for",
    "from",
    "he",
    "her",
    "here",
    "his",
    "how",
    "however",
    "i",
    "if",
    "in",
    "is",
    "it",
    "its",
    "later",
    "many",
    "most",
    "my",
    "neither",
    "no",
    "nobody",
    "not",
    "nothing",
    "now",
    "on",
    "once",
    "one",
    "or",
    "our",
    "please",
    "she",
    "since",
    "so",
    "some",
    "such",
    "that",
    "the",
    "their",
    "then",
    "there",
    "therefore",
    "these",
    "they",
    "this",
    "those",
    "though",
    "thus",
    "to",
    "today",
    "under",
    "unless",
    "until",
    "we",
    "what",
    "when",
    "where",
    "whether",
    "which",
    "while",
    "who",
    "why",
    "with",
    "without",
    "yes",
    "yet",
    "you",
    "your",
];

pub(super) fn starts_sentences(word: &str) -> bool {
    STARTERS.contains(&word.to_lowercase().as_str())
}

/// What numbers stand behind, in headings and references to them.
const NUMBERED: &[&str] = &[
    "annex",
    "appendix",
    "article",
    "chapter",
    "clause",
    "example",
    "exhibit",
    "figure",
    "item",
    "lemma",
    "note",
    "paragraph",
    "part",
    "rule",
    "schedule",
    "section",
    "step",
    "table",
    "theorem",
];

pub(super) fn is_numbered(word: &str) -> bool {
    NUMBERED.contains(&word.to_lowercase().as_str())
}

/// Verbs after a quotation: the sentence goes on with who spoke.
const SPEECH: &[&str] = &[
    "added",
    "agreed",
    "answered",
    "argued",
    "asked",
    "begged",
    "called",
    "cried",
    "demanded",
    "exclaimed",
    "explained",
    "muttered",
    "observed",
    "replied",
    "said",
    "says",
    "screamed",
    "shouted",
    "sighed",
    "suggested",
    "whispered",
    "wondered",
    "wrote",
    "yelled",
];

pub(super) fn is_speech(word: &str) -> bool {
    SPEECH.contains(&word.to_lowercase().as_str())
}

/// What follows a time of day without a new sentence.
pub(super) fn follows_time(word: &str) -> bool {
    const DAYS: &[&str] =
        &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let is_zone = (2..=5).contains(&word.len()) && word.bytes().all(|c| c.is_ascii_uppercase());
    is_zone || DAYS.contains(&word)
}
