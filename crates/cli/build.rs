//! Records the commit that the binary was built from, for `lookback bench`.

use std::process::Command;

fn main() {
    let output = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output();
    let commit = output.ok().filter(|output| output.status.success());
    let commit = commit.and_then(|output| String::from_utf8(output.stdout).ok());
    let commit = commit.unwrap_or_else(|| "unknown".into());
    println!("cargo:rustc-env=LOOKBACK_COMMIT={}", commit.trim());
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    println!("cargo:rerun-if-changed=../../.git/logs/HEAD");
}
