//! Which table runs.

use kernels::{Evidence, find, left_out, names, tables};

#[test]
fn every_table_is_found_by_its_name() {
    for table in tables() {
        assert!(names().any(|name| name == table.name), "{}", table.name);
        assert_eq!(find(table.name).map(|found| found.name), Ok(table.name));
    }
}

#[test]
fn names_of_no_table_are_refused() {
    let runs: Vec<_> = tables().map(|table| table.name).collect();
    for name in ["", "fastest", "AVX2", "scalar "] {
        let error = find(name).err().expect("no table of that name");
        assert_eq!((&*error.name, &error.needs, &error.runs), (name, &None, &runs));
    }
}

/// What other CPUs have is refused with what this one lacks.
#[test]
fn tables_of_other_cpus_are_refused() {
    let unknown = find("none").err().expect("no table of that name").to_string();
    for name in names() {
        assert!(unknown.contains(name), "{name}: {unknown}");
        let Err(error) = find(name) else { continue };
        let (arch, missing) = error.needs.expect("a table of some CPU");
        assert!(["x86-64", "aarch64"].contains(&arch) && !missing.is_empty(), "{name}");
    }
}

#[test]
fn the_best_table_that_agrees_is_chosen() {
    let first_is_left = left_out().first().map(|table| table.name);
    let best = tables().find(|table| left_out().iter().all(|left| left.name != table.name));
    assert_eq!(Some(kernels::detect().name), best.map(|table| table.name));
    assert_eq!(first_is_left, None, "a table that this CPU can run is wrong");
}

#[test]
fn scalar_is_always_there_and_trusted() {
    let last = tables().last().expect("a table");
    assert_eq!((last.name, last.evidence), ("scalar", Evidence::Hardware));
}
