//! Python environments with pinned packages, in `target/`.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

/// Files that name packages and their versions, one a line.
#[derive(Clone, Copy)]
pub(crate) enum Requirements<'a> {
    /// What they need themselves is added.
    Roots(&'a Path),
    /// Nothing is added: of what they say they need, it names what is used.
    All(&'a Path),
}

/// The Python of an environment that holds what `requirements` name, made if it is not there.
pub(crate) fn python(venv: &Path, requirements: Requirements<'_>) -> anyhow::Result<PathBuf> {
    let python = venv.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
    if !python.exists() {
        call("python3", ["-m".as_ref(), "venv".as_ref(), venv.as_os_str()])?;
    }
    install(&python, requirements, &venv.join("installed.txt"))?;
    Ok(python)
}

/// Installs the requirements unless a copy of them says that this was done before.
fn install(python: &Path, requirements: Requirements<'_>, installed: &Path) -> anyhow::Result<()> {
    let (file, flags): (_, &[&str]) = match requirements {
        Requirements::Roots(file) => (file, &[]),
        Requirements::All(file) => (file, &["--no-deps"]),
    };
    let wanted = fs::read(file).with_context(|| file.display().to_string())?;
    if fs::read(installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    let pip = ["-m", "pip", "install", "--quiet", "--requirement"].map(OsStr::new);
    let flags = flags.iter().map(OsStr::new);
    call(python, pip.into_iter().chain([file.as_os_str()]).chain(flags))?;
    fs::write(installed, wanted).with_context(|| installed.display().to_string())
}

/// Runs a program to its end.
pub(crate) fn call<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> anyhow::Result<()> {
    let mut command = command(program, arguments);
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    if !status.success() {
        bail!("{command:?}: {status}");
    }
    Ok(())
}

/// Runs a program to its end and returns what it printed.
pub(crate) fn output<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> anyhow::Result<String> {
    let mut command = command(program, arguments);
    let output = command.output().with_context(|| format!("starting {command:?}"))?;
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?}: {}: {}", output.status, stderr.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?}"))
}

fn command<S: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    arguments: impl IntoIterator<Item = S>,
) -> Command {
    let mut command = Command::new(program);
    // Leaves no __pycache__ in the tree.
    command.args(arguments).env("PYTHONDONTWRITEBYTECODE", "1");
    command
}
