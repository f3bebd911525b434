//! `cargo xtask goldens`: writes the tiny models of tests/goldens with pinned Python packages.

use std::path::Path;

use crate::venv;

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("tests/goldens");
    let requirements = folder.join("requirements.txt");
    let python = venv::python(&root.join("target/goldens-venv"), &requirements)?;
    venv::call(python, [folder.join("make_tiny.py")])
}
