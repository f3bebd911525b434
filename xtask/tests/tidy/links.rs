//! Pages: their links lead somewhere, and README.md knows the commands.

use std::collections::BTreeSet;

use crate::report;
use crate::source::{Source, is_word_char, numbered, sources};
use crate::tree;

#[test]
fn relative_links_resolve() {
    let mut problems = Vec::new();
    for file in tree::text_files().iter().filter(|file| file.path.ends_with(".md")) {
        let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (line, target) in links(&file.text) {
            let path = target.split('#').next().unwrap_or_default();
            let is_elsewhere = path.is_empty() || path.contains(':');
            if !is_elsewhere && !tree::root().join(folder).join(path).exists() {
                let advice = "correct the link";
                problems.push(format!("{}:{line}: {target} does not exist; {advice}", file.path));
            }
        }
    }
    report(problems);
}

/// Targets of `[text](target)` outside of code, with their lines.
fn links(page: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut in_block = false;
    for (line, text) in numbered(page) {
        in_block ^= text.trim_start().starts_with("```");
        if in_block {
            continue;
        }
        for prose in text.split('`').step_by(2) {
            let targets = prose.split("](").skip(1).filter_map(|rest| rest.split(')').next());
            found.extend(targets.map(|target| (line, target)));
        }
    }
    found
}

const README: &str = "README.md";
const ROW: &str = "| `lookback ";

#[test]
fn readme_lists_the_commands() {
    let sources = sources();
    let is_cli = |source: &&Source| source.path.starts_with("crates/cli/src/");
    let commands: BTreeSet<String> =
        sources.iter().filter(is_cli).find_map(subcommands).unwrap_or_default();
    if !tree::exists(README) || commands.is_empty() {
        return;
    }
    let readme = tree::read(README);
    let rows = numbered(&readme).filter_map(|(_, line)| line.strip_prefix(ROW));
    let words = rows.filter_map(|row| row.split(|c: char| !is_word_char(c) && c != '-').next());
    let listed: BTreeSet<String> = words.map(str::to_owned).collect();
    let missing = commands
        .difference(&listed)
        .map(|name| format!("{README}: no row \"{ROW}{name}\"; add the command to the table"));
    let foreign = listed.difference(&commands).map(|name| {
        format!("{README}: `lookback {name}` is no command; take the row out of the table")
    });
    report(missing.chain(foreign).collect());
}

/// Names in the first enum that derives `Subcommand`, as the command line spells them.
fn subcommands(source: &Source) -> Option<BTreeSet<String>> {
    let rest = source.code.split_once("Subcommand")?.1;
    let body = rest.split_once("enum ")?.1.split_once("{\n")?.1.split_once("\n}")?.0;
    let is_variant =
        |line: &&str| line.starts_with("    ") && line[4..].starts_with(char::is_uppercase);
    let name = |line: &str| -> String {
        line.trim_start().chars().take_while(|c| is_word_char(*c)).collect()
    };
    Some(body.lines().filter(is_variant).map(|line| kebab_case(&name(line))).collect())
}

fn kebab_case(variant: &str) -> String {
    let mut kebab = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(c.to_lowercase());
    }
    kebab
}

#[test]
fn links_are_found_outside_of_code() {
    let page = "[a](b.md) `[c](d)` [e](f#g)\n```\n[h](i)\n```\n[j](https://k)\n";
    assert_eq!(links(page), [(1, "b.md"), (1, "f#g"), (5, "https://k")]);
}
