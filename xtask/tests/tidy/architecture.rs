//! ARCHITECTURE.md is true: its layout and its table of invariants.

use std::collections::BTreeSet;

use crate::crates::crates;
use crate::report;
use crate::source::{has_word, numbered, sources};
use crate::tree;

const PAGE: &str = "ARCHITECTURE.md";
/// Every crate has one of these; they need no line in the layout.
const ROOTS: &[&str] = &["lib.rs", "main.rs", "mod.rs"];

#[test]
fn layout_is_true() {
    let layout = layout(&tree::read(PAGE));
    let mut problems = Vec::new();
    for (line, path) in &layout {
        if !tree::exists(path) {
            problems.push(format!("{PAGE}:{line}: {path} does not exist; correct the layout"));
        }
    }
    let named: BTreeSet<&str> = layout.iter().map(|(_, path)| path.as_str()).collect();
    for path in places() {
        if !named.contains(path.as_str()) {
            problems.push(format!(
                "{path}: not in the layout of {PAGE}; add a line that says what it is"
            ));
        }
    }
    report(problems);
}

#[test]
fn invariants_name_their_tests() {
    let page = tree::read(PAGE);
    let sources = sources();
    let is_test_fn = |name: &str| {
        let declaration = format!("fn {name}(");
        let has = |line: &(usize, &str)| has_word(line.1, &declaration);
        sources.iter().any(|s| numbered(&s.code).filter(has).any(|(line, _)| s.is_test(line)))
    };
    let is_file =
        |name: &str| sources.iter().any(|source| source.path.rsplit('/').next() == Some(name));
    let mut ids = BTreeSet::new();
    let mut problems = Vec::new();
    for (line, id, test) in invariants(&page) {
        if !ids.insert(id) {
            problems.push(format!("{PAGE}:{line}: {id} stands twice; give each its own id"));
        }
        let holds = match test.strip_prefix("compiled: ") {
            Some(file) => is_file(file),
            None => is_test_fn(&test),
        };
        if !holds {
            problems
                .push(format!("{PAGE}:{line}: {id} names `{test}`, which is no test; write it"));
        }
    }
    assert!(!ids.is_empty(), "{PAGE}: no table that starts with `| id |`");
    report(problems);
}

/// Crates, the modules at the top of each, and the folders of the root.
fn places() -> Vec<String> {
    let is_folder = |name: &String| name.ends_with('/') && !name.starts_with('.');
    let mut places: Vec<String> = tree::entries("").into_iter().filter(is_folder).collect();
    for name in crates() {
        places.push(format!("crates/{name}/"));
        let src = format!("crates/{name}/src/");
        let is_module = |name: &String| {
            let is_rust = name.ends_with('/') || name.ends_with(".rs");
            is_rust && !ROOTS.contains(&name.as_str())
        };
        let modules = tree::entries(&src).into_iter().filter(is_module);
        places.extend(modules.map(|module| format!("{src}{module}")));
    }
    places
}

/// Paths of the first code block, with their lines. Two spaces a level; the first word is the name.
fn layout(page: &str) -> Vec<(usize, String)> {
    let mut folders: Vec<&str> = Vec::new();
    let mut paths = Vec::new();
    let block = numbered(page).skip_while(|(_, text)| !text.starts_with("```")).skip(1);
    for (line, text) in block.take_while(|(_, text)| !text.starts_with("```")) {
        let Some(name) = text.split_whitespace().next() else { continue };
        let depth = (text.len() - text.trim_start().len()) / 2;
        assert!(depth <= folders.len(), "{PAGE}:{line}: indented too far; two spaces a level");
        folders.truncate(depth);
        paths.push((line, folders.concat() + name));
        if name.ends_with('/') {
            folders.push(name);
        }
    }
    paths
}

/// Line, id and test of each row.
fn invariants(page: &str) -> impl Iterator<Item = (usize, &str, String)> {
    let rows = numbered(page).skip_while(|(_, text)| !text.starts_with("| id |")).skip(2);
    rows.take_while(|(_, text)| text.starts_with('|')).map(|(line, text)| {
        let cells: Vec<&str> = text.trim_matches('|').split(" | ").map(str::trim).collect();
        let (Some(id), Some(test)) = (cells.first(), cells.get(2)) else {
            panic!("{PAGE}:{line}: a row is `| id | invariant | test |`");
        };
        (line, *id, test.replace('`', ""))
    })
}

#[test]
fn the_page_is_read_as_described() {
    let page = "x\n```\na/     folder\n  b/\n    c.rs   file\n  d.rs\n```\n\
                | id | invariant | test |\n|---|---|---|\n\
                | K1 | text | `name` |\n| M4 | text | compiled: `w.rs` |\n";
    let paths: Vec<String> = layout(page).into_iter().map(|(_, path)| path).collect();
    assert_eq!(paths, ["a/", "a/b/", "a/b/c.rs", "a/d.rs"]);
    let rows: Vec<_> = invariants(page).collect();
    assert_eq!(rows, [(10, "K1", "name".to_owned()), (11, "M4", "compiled: w.rs".to_owned())]);
}
