//! Which crate may depend on which, and on what.

use std::collections::{BTreeMap, BTreeSet};

use crate::report;
use crate::source::{has_word, numbered, sources};
use crate::tree;

const PAGE: &str = "ARCHITECTURE.md";
const EDGES: &str = "Dependencies point down only:";

/// A crate may use what can be reached from it along the arrows of ARCHITECTURE.md.
#[test]
fn dependencies_point_down() {
    let page = tree::read(PAGE);
    let edges = edges(&page);
    assert!(!edges.is_empty(), "{PAGE}: no line `{EDGES} ...` with `a -> b`");
    let crates = crates();
    let mut problems = Vec::new();
    for name in &crates {
        let manifest = format!("crates/{name}/Cargo.toml");
        let below = reachable(&edges, name);
        for (line, dependency) in dependencies(&tree::read(&manifest)) {
            if crates.contains(&dependency) && !below.contains(&dependency) {
                let advice = format!("{PAGE} has no arrow from {name} to it");
                problems.push(format!("{manifest}:{line}: `{dependency}`; {advice}"));
            }
        }
    }
    report(problems);
}

const ASYNC_CRATES: &[&str] = &[
    "actix-web",
    "async-std",
    "axum",
    "futures",
    "hyper",
    "reqwest",
    "rocket",
    "smol",
    "tide",
    "tiny_http",
    "tokio",
    "tonic",
    "tower",
    "warp",
];

#[test]
fn only_server_is_async() {
    let mut problems = Vec::new();
    for name in crates().iter().filter(|name| *name != "server") {
        let manifest = format!("crates/{name}/Cargo.toml");
        for (line, dependency) in dependencies(&tree::read(&manifest)) {
            if ASYNC_CRATES.contains(&dependency.as_str()) {
                problems.push(format!("{manifest}:{line}: `{dependency}`; only server may (S1)"));
            }
        }
    }
    let outside = |path: &str| path.starts_with("crates/") && !path.starts_with("crates/server/");
    for source in sources().iter().filter(|source| outside(&source.path)) {
        for (line, code) in source.production(&source.code) {
            if has_word(code, "async") || has_word(code, ".await") {
                problems.push(format!("{}:{line}: async; only server may (S1)", source.path));
            }
        }
    }
    report(problems);
}

/// Folders of crates/.
pub(crate) fn crates() -> Vec<String> {
    let entries = tree::entries("crates");
    entries.iter().filter_map(|name| name.strip_suffix('/')).map(str::to_owned).collect()
}

/// Names in the `[dependencies]` sections with their lines; development and build are free.
fn dependencies(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_section = false;
    for (line, text) in numbered(manifest) {
        let text = text.trim();
        if let Some(section) = text.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            in_section = section == "dependencies" || section.ends_with(".dependencies");
            if let Some(name) = section.strip_prefix("dependencies.") {
                found.push((line, name.to_owned()));
            }
        } else if in_section && !text.is_empty() && !text.starts_with('#') {
            let name = text.split(['.', '=', ' ']).next().unwrap_or(text);
            found.push((line, name.trim_matches('"').to_owned()));
        }
    }
    found
}

/// `a -> b, c -> d` in backticks: from a to b and c, from b and c to d.
fn edges(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let paragraph = page.split(EDGES).nth(1).unwrap_or_default();
    let paragraph = paragraph.split("\n\n").next().unwrap_or_default();
    for chain in paragraph.split('`').skip(1).step_by(2) {
        let steps: Vec<Vec<&str>> =
            chain.split("->").map(|step| step.split(',').map(str::trim).collect()).collect();
        for pair in steps.windows(2) {
            for from in &pair[0] {
                let below = pair[1].iter().map(|to| to.to_string());
                edges.entry(from.to_string()).or_default().extend(below);
            }
        }
    }
    edges
}

fn reachable(edges: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut waiting = vec![from];
    while let Some(name) = waiting.pop() {
        for next in edges.get(name).into_iter().flatten() {
            if found.insert(next.clone()) {
                waiting.push(next);
            }
        }
    }
    found
}

#[test]
fn arrows_are_followed() {
    #[track_caller]
    fn check(line: &str, from: &str, expected: &[&str]) {
        let page = format!("x\n{EDGES} {line}.\n\n`z -> y`");
        let found: Vec<String> = reachable(&edges(&page), from).into_iter().collect();
        assert_eq!(found, expected);
    }
    check("`a -> b -> c, d`; `c -> e`", "a", &["b", "c", "d", "e"]);
    check("`a -> b, c -> d`", "b", &["d"]);
    check("`a -> b`", "z", &[]);
}

#[test]
fn sections_of_a_manifest_are_told_apart() {
    let manifest = "[dependencies]\na.workspace = true\nb = \"1\"\n[dev-dependencies]\nc = \"1\"\n\
                    [target.'cfg(unix)'.dependencies]\nd = { version = \"1\" }\n[dependencies.e]\n";
    let names: Vec<String> = dependencies(manifest).into_iter().map(|(_, name)| name).collect();
    assert_eq!(names, ["a", "b", "d", "e"]);
}
