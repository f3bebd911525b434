//! Project tasks: `cargo xtask check`, `goldens`, `bench`, `new-arch`. One file a task.

#![forbid(unsafe_code)]

mod aarch64;
mod bench;
mod check;
mod clients;
mod goldens;
mod new_arch;
mod npm;
mod page;
mod venv;

use std::path::Path;
use std::process::ExitCode;

use crate::bench::Scope;

const USAGE: &str = "usage: cargo xtask <task>

  check      format, tidy, clippy, tests; stops at the first failure
  goldens    [CASE...]: writes the tiny models of tests/goldens anew; needs Python 3.11 or later
  bench      speed beside llama.cpp's, written to docs/performance.md; builds llama.cpp once;
             --short prints it for empty caches only
  new-arch   NAME CLASS, as `qwen3 Qwen3ForCausalLM`: the files of a new architecture";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let result = match arguments[..] {
        ["check"] => check::run(root()),
        ["goldens", ref cases @ ..] => goldens::run(root(), cases),
        ["bench"] | ["bench", "--compare"] => bench::compare(root(), Scope::Page),
        ["bench", "--short"] => bench::compare(root(), Scope::Short),
        ["new-arch", name, class] => new_arch::run(root(), name, class),
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The root of the repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root")
}
