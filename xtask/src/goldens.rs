//! `cargo xtask goldens [CASE...]`: writes the tiny models of tests/goldens with pinned Python
//! packages; all of them, or some.

use std::path::Path;

use crate::venv::{self, Requirements};

pub(crate) fn run(root: &Path, cases: &[&str]) -> anyhow::Result<()> {
    let folder = root.join("tests/goldens");
    let requirements = folder.join("requirements.txt");
    let venv = root.join("target/goldens-venv");
    let python = venv::python(&venv, Requirements::Roots(&requirements))?;
    let script = folder.join("make_tiny.py");
    venv::call(python, [script.as_path()].into_iter().chain(cases.iter().map(Path::new)))
}
