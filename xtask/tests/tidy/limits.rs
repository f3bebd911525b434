//! Lengths of files, functions and lines. Old excess stands in ratchet.txt and may only shrink.

use std::collections::BTreeMap;

use crate::report;
use crate::source::{Source, numbered, sources};
use crate::tree;

const FILE_LINES_MAX: usize = 499;
const FUNCTION_LINES_MAX: usize = 69;
const COLUMNS_MAX: usize = 100;

const RATCHET: &str = "xtask/ratchet.txt";

#[test]
fn nothing_grows_beyond_the_limits() {
    let mut found = BTreeMap::new();
    for source in sources() {
        measure(&source, &mut found);
    }
    let tolerated = parse(&tree::read(RATCHET));
    report(compare(&found, &tolerated));
}

/// An entry of the ratchet (`file path`, `function path name`, `columns path`) and its measure.
type Excess = BTreeMap<String, Measure>;

#[derive(Clone, Debug)]
struct Measure {
    n: usize,
    /// Where, and what to do about it.
    message: String,
}

fn measure(source: &Source, found: &mut Excess) {
    let path = &source.path;
    let mut add = |entry: String, n: usize, line: usize, advice: String| {
        let message = format!("{path}:{line}: {advice}");
        let old = found.insert(entry.clone(), Measure { n, message });
        // Two functions of one name in one file share the larger number.
        if let Some(old) = old.filter(|old| old.n > n) {
            found.insert(entry, old);
        }
    };
    let n_lines = source.text.lines().count();
    if n_lines > FILE_LINES_MAX {
        let advice =
            format!("{n_lines} lines, at most {FILE_LINES_MAX}; split it, one idea a file");
        add(format!("file {path}"), n_lines, n_lines, advice);
    }
    for function in source.functions() {
        let (name, n_lines) = (&function.name, function.n_lines);
        if n_lines > FUNCTION_LINES_MAX {
            let advice =
                format!("fn {name} has {n_lines} lines, at most {FUNCTION_LINES_MAX}; split it");
            add(format!("function {path} {name}"), n_lines, function.line, advice);
        }
    }
    let is_long = |(_, line): &(usize, &str)| line.chars().count() > COLUMNS_MAX;
    let long: Vec<usize> = numbered(&source.text).filter(is_long).map(|(line, _)| line).collect();
    if let Some(first) = long.first() {
        let n = long.len();
        let advice =
            format!("{n} lines of more than {COLUMNS_MAX} columns, the first here; wrap them");
        add(format!("columns {path}"), n, *first, advice);
    }
}

/// `#` starts a comment; an entry ends in its tolerated measure.
fn parse(text: &str) -> BTreeMap<String, usize> {
    let lines = numbered(text).map(|(n, line)| (n, line.trim()));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(n, line)| {
            let (entry, number) = line.rsplit_once(' ').unwrap_or((line, ""));
            let number = number.parse();
            let number = number.unwrap_or_else(|_| panic!("{RATCHET}:{n}: ends in no number"));
            (entry.to_owned(), number)
        })
        .collect()
}

fn compare(found: &Excess, tolerated: &BTreeMap<String, usize>) -> Vec<String> {
    let mut problems = Vec::new();
    for (entry, measure) in found {
        let limit = tolerated.get(entry).copied().unwrap_or(0);
        if measure.n > limit {
            problems.push(measure.message.clone());
        }
    }
    for (entry, limit) in tolerated {
        match found.get(entry) {
            None => {
                problems.push(format!("{RATCHET}: {entry}: no longer needed; delete the entry"))
            }
            Some(measure) if measure.n < *limit => {
                problems.push(format!("{RATCHET}: {entry}: lower {limit} to {}", measure.n));
            }
            Some(_) => {}
        }
    }
    problems
}

#[test]
fn the_ratchet_only_turns_one_way() {
    #[track_caller]
    fn check(n_found: Option<usize>, n_tolerated: Option<usize>, n_problems: usize) {
        let measure = |n| ("file a.rs".to_owned(), Measure { n, message: String::new() });
        let found = n_found.map(measure).into_iter().collect();
        let tolerated = n_tolerated.map(|n| parse(&format!("# why\nfile a.rs {n}\n")));
        assert_eq!(compare(&found, &tolerated.unwrap_or_default()).len(), n_problems);
    }
    check(None, None, 0);
    check(Some(600), None, 1);
    check(Some(600), Some(600), 0);
    check(Some(601), Some(600), 1);
    check(Some(599), Some(600), 1);
    check(None, Some(600), 1);
}
