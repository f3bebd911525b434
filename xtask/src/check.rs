//! `cargo xtask check`: everything that must hold before a commit, cheapest first.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

/// Name of a step, and what cargo is told.
const STEPS: &[(&str, &[&str])] = &[
    ("format", &["fmt", "--all", "--check"]),
    ("tidy", &["test", "--quiet", "--package", "xtask"]),
    ("clippy", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"]),
    ("tests", &["test", "--workspace", "--exclude", "xtask", "--", "--quiet"]),
];

pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let start = Instant::now();
    for (name, arguments) in STEPS {
        let step_start = Instant::now();
        println!("== {name}: cargo {}", arguments.join(" "));
        let status = Command::new("cargo")
            .args(*arguments)
            .current_dir(root)
            .status()
            .context("starting cargo")?;
        let elapsed_s = step_start.elapsed().as_secs_f64();
        if !status.success() {
            bail!("{name} failed after {elapsed_s:.1} s: cargo {}", arguments.join(" "));
        }
        println!("== {name}: passed in {elapsed_s:.1} s\n");
    }
    println!("== everything passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}
