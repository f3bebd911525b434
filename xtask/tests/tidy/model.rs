//! An architecture is data, and there is one loop that runs them all (F2, M1, M2).

use crate::report;
use crate::source::{Source, has_word, is_word_char, sources};
use crate::tree;
use crate::words::starts_with_any;

const ARCH: &str = "crates/model/src/arch/";
const ARCH_LIST: &str = "crates/model/src/arch/mod.rs";
/// Lists the architectures.
const DOCS: &str = "docs/models.md";
const ARCH_LINES_MAX: usize = 150;

/// Crates that must not know an architecture by name. Tokenizers are missing on purpose: kinds of
/// vocabularies and of pre-tokenizers have the same names.
const NAMELESS: &[&str] = &[
    "crates/kernels/",
    "crates/format/",
    "crates/model/",
    "crates/engine/",
    "crates/inspect/",
    "crates/compress/",
    "crates/server/",
    "crates/cli/",
];
/// The built-in models have names.
const CATALOGUE: &str = "crates/cli/src/hub/catalogue.rs";

#[test]
fn architecture_names_stay_in_arch() {
    let sources = sources();
    let names: Vec<String> = architectures(&sources).into_iter().map(|arch| arch.name).collect();
    assert!(!names.is_empty(), "{ARCH}: no `name: \"...\"` found");
    let inside = |source: &&Source| {
        starts_with_any(&source.path, NAMELESS)
            && !starts_with_any(&source.path, &[ARCH, CATALOGUE])
    };
    let mut problems = Vec::new();
    for source in sources.iter().filter(inside) {
        for (line, text) in source.production(&source.uncommented) {
            for name in words(text).into_iter().filter(|word| names.contains(word)) {
                let advice =
                    format!("make the difference a field of `ArchSpec` and set it in {ARCH}");
                problems.push(format!("{}:{line}: names `{name}`; {advice}", source.path));
            }
        }
    }
    report(problems);
}

#[test]
fn every_architecture_has_a_row_and_a_golden() {
    let sources = sources();
    let (list, docs) = (tree::read(ARCH_LIST), tree::read(DOCS));
    let mut problems = Vec::new();
    for Architecture { path, n_lines, constant, name } in architectures(&sources) {
        let stem = path.rsplit('/').next().unwrap_or(&path).trim_end_matches(".rs");
        if n_lines > ARCH_LINES_MAX {
            let advice = "an architecture is data; extend `ArchSpec` instead";
            problems
                .push(format!("{path}:{n_lines}: at most {ARCH_LINES_MAX} lines; {advice} (M1)"));
        }
        let row = format!("{stem}::{constant}");
        if !list.lines().any(|line| has_word(line, &row)) {
            problems.push(format!("{ARCH_LIST}: no row `{row}`; add it to ARCHITECTURES (M1)"));
        }
        let listed = format!("`{name}`");
        if !docs.contains(&listed) {
            problems.push(format!("{DOCS}: {listed} is missing; add it to the list"));
        }
        for file in ["hf/config.json", "expected.json", "expected.safetensors"] {
            let golden = format!("tests/goldens/{name}/{file}");
            if !tree::exists(&golden) {
                let advice = "add the case to make_tiny.py and run `cargo xtask goldens`";
                problems.push(format!("{golden}: missing; {advice} (M1)"));
            }
        }
    }
    report(problems);
}

/// Words by which a loop would know what it is used for.
const PHASES: &[&str] = &["prefill", "phase", "is_prompt", "is_decode", "is_decoding"];
const DECODER: &str = "crates/model/src/decoder/";

#[test]
fn one_decoder_loop() {
    let sources = sources();
    let mut callers = Vec::new();
    let mut problems = Vec::new();
    for source in sources.iter().filter(|source| source.path.starts_with("crates/")) {
        for (line, code) in source.production(&source.code) {
            if has_word(code, "attend(") && !code.contains("fn attend") {
                callers.push(format!("{}:{line}", source.path));
            }
            let words = words(code);
            let is_phase =
                |phase: &&&str| has_word(code, phase) || words.iter().any(|w| w == **phase);
            if source.path.starts_with(DECODER)
                && let Some(phase) = PHASES.iter().find(is_phase)
            {
                let advice = "a batch catches up, whatever it is for";
                problems.push(format!("{}:{line}: `{phase}`; {advice} (M2)", source.path));
            }
        }
    }
    if callers.len() != 1 {
        let (n, found) = (callers.len(), callers.join(", "));
        let advice = "the decoder's loop is the only one";
        problems.push(format!("`attend(` has {n} callers, expected 1; {advice} (M2): {found}"));
    }
    report(problems);
}

struct Architecture {
    path: String,
    n_lines: usize,
    /// Of the `ArchSpec`.
    constant: String,
    /// Of `general.architecture`.
    name: String,
}

fn architectures(sources: &[Source]) -> Vec<Architecture> {
    let is_arch = |source: &&Source| source.path.starts_with(ARCH) && source.path != ARCH_LIST;
    let read = |source: &Source| {
        let parts = |mark: &str| {
            let parts = source.uncommented.split_once(mark);
            parts.unwrap_or_else(|| panic!("{}: no `{mark}`; an architecture has it", source.path))
        };
        let (before, after) = (parts(": ArchSpec").0, parts(" name: \"").1);
        Architecture {
            path: source.path.clone(),
            n_lines: source.text.lines().count(),
            constant: before.rsplit(' ').next().unwrap_or_default().to_owned(),
            name: after.split('"').next().unwrap_or_default().to_owned(),
        }
    };
    sources.iter().filter(is_arch).map(read).collect()
}

/// The words of identifiers and strings, in lower case: `Gemma3Block`, `is_gemma3` and
/// `"gemma3.x"` all have `gemma3`.
fn words(code: &str) -> Vec<String> {
    let mut words = Vec::new();
    for identifier in code.split(|c| !is_word_char(c)).flat_map(|word| word.split('_')) {
        let mut start = 0;
        let chars: Vec<char> = identifier.chars().collect();
        for idx in 1..=chars.len() {
            let is_hump =
                idx < chars.len() && chars[idx].is_uppercase() && !chars[idx - 1].is_uppercase();
            if idx == chars.len() || is_hump {
                words.push(chars[start..idx].iter().collect::<String>().to_lowercase());
                start = idx;
            }
        }
    }
    words
}

#[test]
fn names_hide_in_longer_words() {
    #[track_caller]
    fn check(code: &str, expected: &[&str]) {
        assert_eq!(words(code), expected);
    }
    check("is_gemma3", &["is", "gemma3"]);
    check("Gemma3Block", &["gemma3", "block"]);
    check("LLAMA", &["llama"]);
    check("llama3", &["llama3"]);
}
