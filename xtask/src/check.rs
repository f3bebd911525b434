//! `cargo xtask check`: everything that must hold before a commit, cheapest first.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, bail};

use crate::{aarch64, clients, page};

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
        step(name, Command::new("cargo").args(*arguments).current_dir(root))?;
    }
    page::run(root)?;
    clients::run(root)?;
    page::in_browser(root)?;
    if let Some(mut cargo) = aarch64::kernel_lints(root) {
        step("aarch64, clippy", &mut cargo)?;
    }
    match aarch64::obstacle() {
        None => {
            for cpu in aarch64::CPUS {
                step(&format!("aarch64, {cpu}"), &mut aarch64::kernel_tests(root, cpu))?;
            }
        }
        Some(reason) => println!("== aarch64: skipped, {reason}\n"),
    }
    println!("== everything passed in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

fn step(name: &str, cargo: &mut Command) -> anyhow::Result<()> {
    let start = Instant::now();
    let arguments: Vec<_> = cargo.get_args().map(|argument| argument.to_string_lossy()).collect();
    let arguments = arguments.join(" ");
    println!("== {name}: cargo {arguments}");
    let status = cargo.status().context("starting cargo")?;
    let elapsed_s = start.elapsed().as_secs_f64();
    if !status.success() {
        bail!("{name} failed after {elapsed_s:.1} s: cargo {arguments}");
    }
    println!("== {name}: passed in {elapsed_s:.1} s\n");
    Ok(())
}
