//! The page: its tests, and whether the build that is checked in is that of its sources.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::{clients, npm};

/// Name of a step, and what runs it, of the packages that were installed.
const STEPS: [(&str, &[&str]); 4] = [
    ("format", &["prettier/bin/prettier.cjs", "--check", "."]),
    ("types", &["svelte-check/bin/svelte-check", "--fail-on-warnings"]),
    ("tests", &["vitest/vitest.mjs", "run"]),
    ("build", &["vite/bin/vite.js", "build", "--logLevel", "warn", "--emptyOutDir", "--outDir"]),
];

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let web = root.join("web");
    if let Err(reason) = npm::install(&web, &web) {
        println!("== page: skipped, {reason:#}\n");
        return Ok(());
    }
    let built = root.join("target/page");
    for (name, arguments) in STEPS {
        let start = Instant::now();
        println!("== page, {name}: {}", arguments.join(" "));
        let mut command = Command::new("node");
        command.arg(web.join("node_modules").join(arguments[0])).args(&arguments[1..]);
        if name == "build" {
            command.arg(&built);
        }
        let status = command.current_dir(&web).status().context("starting node")?;
        if !status.success() {
            bail!("page, {name} failed");
        }
        println!("== page, {name}: passed in {:.1} s\n", start.elapsed().as_secs_f64());
    }
    compare(&web.join("dist"), &built)
}

/// What people do with the page, in a browser, against real servers.
///
/// # Errors
/// What fails.
pub(crate) fn in_browser(root: &Path) -> anyhow::Result<()> {
    let (web, start) = (root.join("web"), Instant::now());
    let (model, browser) = match found(&web) {
        Ok(found) => found,
        Err(reason) => {
            println!("== page in a browser: skipped, {reason:#}\n");
            return Ok(());
        }
    };
    clients::build_program()?;
    println!("== page in a browser: {}", browser.display());
    let mut command = Command::new("node");
    command.args(["node_modules/@playwright/test/cli.js", "test", "--project", "tests"]);
    command.env("LOOKBACK", root.join("target/debug/lookback"));
    command.env("LOOKBACK_MODEL", model).env("CHROMIUM", browser);
    let status = command.current_dir(&web).status().context("starting node")?;
    if !status.success() {
        bail!("the page fails in a browser");
    }
    println!("== page in a browser: passed in {:.1} s\n", start.elapsed().as_secs_f64());
    Ok(())
}

/// A model and a browser.
fn found(web: &Path) -> anyhow::Result<(PathBuf, PathBuf)> {
    let model = clients::model(clients::MODEL)?;
    npm::install(web, web)?;
    let named = std::env::var_os("CHROMIUM").map(PathBuf::from);
    let browser = named.unwrap_or_else(|| PathBuf::from("/usr/bin/chromium"));
    anyhow::ensure!(
        browser.exists(),
        "{} is missing; tests/setup_chromium.sh installs it, or CHROMIUM names another",
        browser.display()
    );
    Ok((model, browser))
}

/// # Errors
/// The first file that differs.
fn compare(kept: &Path, built: &Path) -> anyhow::Result<()> {
    let (mut of_kept, mut of_built) = (files(kept)?, files(built)?);
    of_kept.sort();
    of_built.sort();
    let differing = of_kept.iter().chain(&of_built).find(|name| {
        let read = |folder: &Path| fs::read(folder.join(name)).ok();
        read(kept) != read(built)
    });
    match differing {
        Some(name) => bail!(
            "web/dist/{} is not what web/ builds: run `npm run build` in web/",
            name.display()
        ),
        None => Ok(()),
    }
}

/// Names of all files in a folder and its folders.
fn files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(within) = folders.pop() {
        let path = folder.join(&within);
        for entry in fs::read_dir(&path).with_context(|| path.display().to_string())? {
            let entry = entry?;
            let name = within.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(name) } else { found.push(name) }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builds_are_compared_file_by_file() {
        let check = |kept: &[(&str, &str)], built: &[(&str, &str)], expected: Option<&str>| {
            let [a, b] = [kept, built].map(|files| {
                let folder = tempfile::tempdir().expect("a folder");
                for (name, text) in files {
                    let path = folder.path().join(name);
                    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                    fs::write(path, text).expect("a file");
                }
                folder
            });
            let found = compare(a.path(), b.path()).err().map(|error| error.to_string());
            let named = |found: &String| expected.is_some_and(|name| found.contains(name));
            assert_eq!(found.is_some(), expected.is_some(), "{found:?}");
            assert!(found.as_ref().is_none_or(named), "{found:?}");
        };
        check(&[("a", "1"), ("b/c", "2")], &[("b/c", "2"), ("a", "1")], None);
        check(&[("a", "1")], &[("a", "2")], Some("web/dist/a "));
        check(&[("a", "1")], &[("a", "1"), ("b/c", "2")], Some("web/dist/b/c "));
        check(&[("a", "1"), ("d", "2")], &[("a", "1")], Some("web/dist/d "));
    }
}
