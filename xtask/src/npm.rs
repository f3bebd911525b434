//! Packages for Node.js with pinned versions.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Context;

use crate::venv;

const LOCK: &str = "package-lock.json";
/// npm empties the folder of packages first, so that a copy of the lock in it is never too old.
const INSTALLED: &str = "node_modules/installed.json";

/// Fills `folder` with the packages that `source` names and locks, unless this was done before.
/// npm runs in `folder`; where that is another one, it writes nothing into `source`.
///
/// # Errors
/// Node.js, npm or a package is missing, or Node.js is older than `source` allows.
pub(crate) fn install(source: &Path, folder: &Path) -> anyhow::Result<()> {
    venv::output("node", ["--version"]).context("Node.js is missing")?;
    let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
    venv::output(npm, ["--version"]).context("npm is missing")?;
    let lock = source.join(LOCK);
    let wanted = fs::read(&lock).with_context(|| lock.display().to_string())?;
    let installed = folder.join(INSTALLED);
    if fs::read(&installed).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    let copied: &[&str] = if source == folder { &[] } else { &["package.json", LOCK] };
    for name in copied {
        fs::copy(source.join(name), folder.join(name)).with_context(|| (*name).to_owned())?;
    }
    let flags = ["--engine-strict", "--ignore-scripts", "--no-audit", "--no-fund"];
    let mut command = Command::new(npm);
    command.args(["ci", "--loglevel", "error"]).args(flags).current_dir(folder);
    let status = command.status().with_context(|| format!("starting {command:?}"))?;
    anyhow::ensure!(status.success(), "npm ci: {status}");
    fs::write(&installed, wanted).with_context(|| installed.display().to_string())
}
