//! The kernels of aarch64 on x86-64 Linux: linted, cross-compiled, and tested in an emulator.

use std::path::Path;
use std::process::Command;

/// Processors to imitate, one for each set of instructions that chooses a table: with products of
/// int8 matrices, with dot products alone, with neither. What a processor lacks is a fault there.
pub(crate) const CPUS: &[&str] = &["max", "cortex-a76", "cortex-a53"];

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// The C library to link with and to run on.
const SYSROOT: &str = "/usr/aarch64-linux-gnu";

/// Lints of what only aarch64 compiles, where Rust's target is there and not this machine's own.
pub(crate) fn kernel_lints(root: &Path) -> Option<Command> {
    if cfg!(target_arch = "aarch64") || !has_target() {
        return None;
    }
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .args(["clippy", "--package", "lookback-kernels", "--lib", "--target", TARGET])
        .args(["--", "--deny", "warnings"]);
    Some(cargo)
}

/// Why the tests cannot or need not run on this machine.
pub(crate) fn obstacle() -> Option<String> {
    if cfg!(target_arch = "aarch64") {
        return Some("this machine is one: its tests ran above".to_owned());
    }
    let answers = |program| Command::new(program).arg("--version").output().is_ok();
    let parts = [
        (LINKER, answers(LINKER)),
        (EMULATOR, answers(EMULATOR)),
        (SYSROOT, Path::new(SYSROOT).join("lib/libc.so").exists()),
        (TARGET, has_target()),
    ];
    let (missing, _) = parts.into_iter().find(|(_, is_there)| !is_there)?;
    Some(format!("{missing} is missing; tests/setup_aarch64.sh installs it on Debian"))
}

/// Tests of the kernels, without what only their benches need.
pub(crate) fn kernel_tests(root: &Path, cpu: &str) -> Command {
    const CARGO_TARGET: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU";
    let mut cargo = Command::new("cargo");
    cargo
        .current_dir(root)
        .env(format!("{CARGO_TARGET}_LINKER"), LINKER)
        .env(format!("{CARGO_TARGET}_RUNNER"), format!("{EMULATOR} -cpu {cpu} -L {SYSROOT}"))
        .env(format!("{CARGO_TARGET}_RUSTFLAGS"), "--cfg without_benches")
        .args(["test", "--target", TARGET, "--package", "lookback-kernels", "--lib", "--tests"])
        .args(["--", "--quiet"]);
    cargo
}

fn has_target() -> bool {
    let rustc =
        Command::new("rustc").args(["--print", "target-libdir", "--target", TARGET]).output();
    rustc.is_ok_and(|answer| {
        let folder = String::from_utf8_lossy(&answer.stdout);
        answer.status.success() && Path::new(folder.trim()).exists()
    })
}
