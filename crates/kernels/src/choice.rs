//! Which table runs: the best that can be trusted, or the one that is asked for by name.

use std::fmt;
use std::sync::OnceLock;

use crate::self_check::agrees_with_scalar;
use crate::table::{Evidence, Kernels, NEEDS, has, scalar, tables};

/// The best table for this CPU. One that never ran on hardware is compared with scalar first, a
/// few milliseconds once a process, and passed over if it differs: see [`left_out`].
pub fn detect() -> &'static Kernels {
    choice().table
}

/// Tables that would have been better than [`detect`]'s but do not agree with scalar here.
pub fn left_out() -> &'static [&'static Kernels] {
    &choice().left_out
}

/// The table of that name, unchecked.
pub fn find(name: &str) -> Result<&'static Kernels, UnknownTable> {
    let unknown = || UnknownTable {
        name: name.to_owned(),
        needs: NEEDS.iter().find(|needs| needs.table == name).map(|needs| {
            let missing = needs.features.iter().filter(|feature| !has(feature));
            (needs.arch, missing.copied().collect())
        }),
        runs: tables().map(|table| table.name).collect(),
    };
    tables().find(|table| table.name == name).ok_or_else(unknown)
}

/// Names of all tables, also of those that run on other CPUs only.
pub fn names() -> impl Iterator<Item = &'static str> {
    NEEDS.iter().map(|needs| needs.table).chain([scalar().name])
}

/// No table of that name runs on this CPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownTable {
    pub name: String,
    /// Where there is such a table: its architecture, and the features that are missing here.
    pub needs: Option<(&'static str, Vec<&'static str>)>,
    /// What this CPU runs, the best first.
    pub runs: Vec<&'static str>,
}

impl fmt::Display for UnknownTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, needs, runs } = self;
        let here = runs.join(", ");
        if let Some((arch, missing)) = needs {
            let missing = missing.join(", ");
            return write!(
                f,
                "kernels {name:?} need an {arch} CPU with {missing}; this one runs: {here}"
            );
        }
        write!(f, "no kernels are named {name:?}; this CPU runs: {here}")?;
        let others: Vec<_> = names().filter(|name| !runs.contains(name)).collect();
        if others.is_empty() { Ok(()) } else { write!(f, "; others: {}", others.join(", ")) }
    }
}

impl std::error::Error for UnknownTable {}

struct Choice {
    table: &'static Kernels,
    left_out: Vec<&'static Kernels>,
}

fn choice() -> &'static Choice {
    static CHOICE: OnceLock<Choice> = OnceLock::new();
    CHOICE.get_or_init(|| choose(tables()))
}

/// The first of `tables`, best first, that is trusted.
fn choose(tables: impl Iterator<Item = &'static Kernels>) -> Choice {
    let mut left_out = Vec::new();
    for table in tables {
        if table.evidence == Evidence::Hardware || agrees_with_scalar(table) {
            return Choice { table, left_out };
        }
        left_out.push(table);
    }
    unreachable!("scalar is the last table, and trusted")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The best table with a wrong `add`.
    fn broken(evidence: Evidence) -> Kernels {
        Kernels { name: "broken", evidence, add: |acc, _| acc.fill(7.0), ..*scalar() }
    }

    #[test]
    fn a_table_that_differs_is_left_out() {
        static BROKEN: OnceLock<[Kernels; 3]> = OnceLock::new();
        let [compiled, emulated, hardware] = BROKEN.get_or_init(|| {
            [Evidence::Compiled, Evidence::Emulated, Evidence::Hardware].map(broken)
        });
        let chosen = choose([compiled, emulated, scalar()].into_iter());
        assert_eq!((chosen.table.name, chosen.left_out.len()), ("scalar", 2));
        // No time is spent on what was tested.
        let chosen = choose([hardware, scalar()].into_iter());
        assert_eq!((chosen.table.name, chosen.left_out.len()), ("broken", 0));
    }

    #[test]
    fn messages_name_what_is_missing() {
        let check = |needs, expected: &str| {
            let error = UnknownTable { name: "wide".to_owned(), needs, runs: vec!["a", "scalar"] };
            assert!(error.to_string().starts_with(expected), "{error}");
        };
        check(
            Some(("x86-64", vec!["avx512f", "avx512bw"])),
            "kernels \"wide\" need an x86-64 CPU with avx512f, avx512bw; this one runs: a, scalar",
        );
        check(None, "no kernels are named \"wide\"; this CPU runs: a, scalar; others: ");
    }
}
