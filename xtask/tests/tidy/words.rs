//! Words that have no place in the tree, each with what to do instead.

use crate::report;
use crate::source::{Source, has_word, numbered, sources};
use crate::tree;

struct Banned {
    word: &'static str,
    instead: &'static str,
    /// Starts of the paths where it may stand.
    allowed: &'static [&'static str],
    place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Code, tests included.
    Code,
    /// Code that only the program is built from.
    Production,
    /// Comments and strings too.
    Text,
}

const NO_BAG: &str = "name the module after its one idea";
const FINISH: &str = "finish it, or take it out";
const PRINT: &str = "return it; only the command line prints";
const NO_GLOBALS: &str = "pass state as an argument";
const BINARIES: &[&str] = &["crates/cli/", "xtask/"];

const BANNED: &[Banned] = &[
    banned("mod util", NO_BAG),
    banned("mod utils", NO_BAG),
    banned("mod common", NO_BAG),
    banned("mod helpers", NO_BAG),
    banned("mod misc", NO_BAG),
    banned("todo!", FINISH),
    banned("unimplemented!", FINISH),
    banned("dbg!", "delete it"),
    banned("#[ignore", "make the test fast and run it, or delete it"),
    banned("dead_code", "delete what is not used"),
    banned("static mut", NO_GLOBALS),
    Banned { place: Place::Production, ..banned("thread_local!", NO_GLOBALS) },
    Banned { place: Place::Text, allowed: &["xtask/tests/tidy/"], ..banned("FIXME", FINISH) },
    Banned { place: Place::Text, allowed: &["xtask/tests/tidy/"], ..banned("TODO", FINISH) },
    Banned { place: Place::Text, allowed: &["xtask/tests/tidy/"], ..banned("XXX", FINISH) },
    Banned { place: Place::Production, allowed: BINARIES, ..banned("println!", PRINT) },
    Banned { place: Place::Production, allowed: BINARIES, ..banned("print!", PRINT) },
    Banned { place: Place::Production, allowed: BINARIES, ..banned("eprintln!", PRINT) },
    Banned { place: Place::Production, allowed: BINARIES, ..banned("eprint!", PRINT) },
];

const fn banned(word: &'static str, instead: &'static str) -> Banned {
    Banned { word, instead, allowed: &[], place: Place::Code }
}

/// What `git` writes where two changes meet.
#[test]
fn merges_are_finished() {
    let mut problems = Vec::new();
    for file in tree::text_files() {
        for (line, text) in numbered(&file.text) {
            if text.starts_with("<<<<<<< ") || text.starts_with(">>>>>>> ") {
                problems.push(format!("{}:{line}: an unfinished merge; {FINISH}", file.path));
            }
        }
    }
    report(problems);
}

#[test]
fn banned_words_are_absent() {
    let mut problems = Vec::new();
    for source in sources() {
        for rule in BANNED.iter().filter(|rule| !starts_with_any(&source.path, rule.allowed)) {
            for line in lines_with(&source, rule) {
                let (path, word, instead) = (&source.path, rule.word, rule.instead);
                problems.push(format!("{path}:{line}: `{word}`; {instead}"));
            }
        }
    }
    report(problems);
}

fn lines_with<'a>(source: &'a Source, rule: &'a Banned) -> impl Iterator<Item = usize> + 'a {
    let view = if rule.place == Place::Text { &source.text } else { &source.code };
    numbered(view)
        .filter(|(line, _)| rule.place != Place::Production || !source.is_test(*line))
        .filter(|(_, text)| has_word(text, rule.word))
        .map(|(line, _)| line)
}

/// The tree is about the project, not about one machine. Written in pieces, so that this file has
/// none of them.
const FOREIGN: &[(&str, &str)] = &[
    (concat!("/", "work/"), "a path of one machine; say it relative to the root"),
    (concat!("/", "root/"), "a path of one machine; say it relative to the root"),
    (concat!("crates", ".io"), "a registry's host; use its ordinary client"),
    (concat!("pypi", ".org"), "a registry's host; use its ordinary client"),
    (concat!("files.", "pythonhosted"), "a registry's host; use its ordinary client"),
    (concat!("registry.", "npmjs"), "a registry's host; use its ordinary client"),
    (concat!("deb.", "debian"), "a registry's host; use its ordinary client"),
];

#[test]
fn no_machine_paths_and_no_registry_hosts() {
    let is_lock = |path: &str| path.ends_with(".lock") || path.ends_with("-lock.json");
    let mut problems = Vec::new();
    for file in tree::text_files().iter().filter(|file| !is_lock(&file.path)) {
        for (line, text) in numbered(&file.text) {
            for (word, advice) in FOREIGN.iter().filter(|(word, _)| text.contains(word)) {
                problems.push(format!("{}:{line}: `{word}` is {advice}", file.path));
            }
        }
    }
    report(problems);
}

#[test]
fn files_say_what_they_are_for() {
    let is_mute = |source: &&Source| !source.text.starts_with("//! ");
    let advice = "the first line is `//!` and says what the file is for";
    report(sources().iter().filter(is_mute).map(|s| format!("{}:1: {advice}", s.path)).collect());
}

pub(crate) fn starts_with_any(path: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| path.starts_with(prefix))
}
