//! `cargo xtask goldens`: writes the tiny models of tests/goldens with pinned Python packages.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let folder = root.join("tests/goldens");
    let venv = root.join("target/goldens-venv");
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        call("python3", ["-m".as_ref(), "venv".as_ref(), venv.as_os_str()])?;
    }
    install(&python, &folder.join("requirements.txt"), &venv.join("installed.txt"))?;
    call(&python, [folder.join("make_tiny.py")])
}

/// Installs the requirements unless a copy of them says that this was done before.
fn install(python: &Path, requirements: &Path, installed: &Path) -> anyhow::Result<()> {
    let wanted = fs::read(requirements).with_context(|| requirements.display().to_string())?;
    if fs::read(installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let pip = ["-m", "pip", "install", "--quiet", "--requirement"].map(OsStr::new);
    call(python, pip.into_iter().chain([requirements.as_os_str()]))?;
    fs::write(installed, wanted).with_context(|| installed.display().to_string())
}

fn call<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> anyhow::Result<()> {
    let mut command = Command::new(program);
    // Leaves no __pycache__ beside the goldens.
    command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}
