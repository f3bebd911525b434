//! Records the commit that the binary was built from, for `lookback bench`.

use std::path::Path;
use std::process::Command;

/// What the binary is made of, seen from this crate. A change elsewhere makes no other binary.
const SOURCES: [&str; 3] = ["../../crates", "../../Cargo.toml", "../../Cargo.lock"];
/// What changes with a commit.
const HEADS: [&str; 2] = ["../../.git/HEAD", "../../.git/logs/HEAD"];

fn main() {
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).map_or("unknown".into(), |commit| {
        let changes = git(&[&["status", "--porcelain", "--"][..], &SOURCES].concat());
        let dirty = changes.is_some_and(|changes| !changes.is_empty());
        commit + if dirty { "-dirty" } else { "" }
    });
    println!("cargo:rustc-env=LOOKBACK_COMMIT={commit}");
    // Naming a path that does not exist would build the crate anew each time.
    for path in SOURCES.iter().chain(&HEADS).filter(|path| Path::new(path).exists()) {
        println!("cargo:rerun-if-changed={path}");
    }
}

/// What git says; `None` where there is no git, or no repository.
fn git(args: &[&str]) -> Option<String> {
    // Reading only: a commit may be under way.
    let output = Command::new("git").arg("--no-optional-locks").args(args).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
