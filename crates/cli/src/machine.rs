//! What this machine grants the process: cores, kernels, names; what it holds of the memory.

use std::collections::HashSet;

use anyhow::{Context, Result, bail};

use crate::{env, output};

/// Threads to use: the flag, `LOOKBACK_THREADS`, or the physical cores granted.
pub(crate) fn n_threads(flag: Option<u16>) -> Result<usize> {
    if let Some(n) = flag {
        return Ok(n.into());
    }
    let Some(text) = env::threads() else { return Ok(n_physical_cores()) };
    let n: u16 = text
        .parse()
        .with_context(|| format!("LOOKBACK_THREADS: expected 1 to 1024, found {text:?}"))?;
    if !(1..=1024).contains(&n) {
        bail!("LOOKBACK_THREADS: expected 1 to 1024, found {n}");
    }
    Ok(n.into())
}

/// Cores that affinity and cgroup grant, the hyper-threads of one counted once.
fn n_physical_cores() -> usize {
    let n_granted = std::thread::available_parallelism().map_or(1, Into::into);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let siblings = |cpu| {
        let path = format!("/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list");
        std::fs::read_to_string(path).ok()
    };
    match field(&status, "Cpus_allowed_list:").map(|list| n_cores(list, siblings)) {
        // A quota of processor time is no affinity: it may grant less than the cores allowed.
        Some(n @ 1..) => n.min(n_granted),
        _ => n_granted,
    }
}

/// Cores behind the CPUs of a list such as `0-3,8`. `siblings` names the CPUs that share a core
/// with one; a CPU without is a core.
fn n_cores(list: &str, siblings: impl Fn(usize) -> Option<String>) -> usize {
    let cpus = list.split(',').filter_map(|range| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        Some(first.trim().parse::<usize>().ok()?..=last.trim().parse().ok()?)
    });
    let core = |cpu: usize| siblings(cpu).unwrap_or_else(|| cpu.to_string()).trim().to_owned();
    cpus.flatten().map(core).collect::<HashSet<_>>().len()
}

/// The kernel table: the one that `LOOKBACK_KERNELS` names, or the best. Warns of tables that do
/// not compute here what they should.
///
/// # Errors
/// A name of no table, or of one that this processor cannot run.
pub(crate) fn kernels() -> Result<&'static kernels::Kernels> {
    let Some(name) = env::kernels() else {
        for table in kernels::left_out() {
            warn_of(table.name, "they are left out");
        }
        return Ok(kernels::detect());
    };
    let table = kernels::find(&name).context("LOOKBACK_KERNELS")?;
    if table.evidence != kernels::Evidence::Hardware && !kernels::agrees_with_scalar(table) {
        warn_of(table.name, "answers may be wrong");
    }
    Ok(table)
}

fn warn_of(kernels: &str, consequence: &str) {
    output::note(format_args!(
        "warning: kernels {kernels:?} failed their check on this processor, {}: {consequence}",
        cpu_name()
    ));
}

/// Most memory that the process ever held, in bytes; `None` where the system does not say.
pub(crate) fn peak_rss_bytes() -> Option<u64> {
    kib_of(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// Lets [`peak_rss_bytes`] begin again with what the process holds now. Where the system cannot,
/// the peak stays that of the whole process.
pub(crate) fn reset_peak_rss() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// The bytes of a line such as `MemTotal: 16384 kB`.
pub(crate) fn kib_of(table: &str, name: &str) -> Option<u64> {
    let kib: u64 = field(table, name)?.strip_suffix("kB")?.trim_end().parse().ok()?;
    kib.checked_mul(1024)
}

/// What follows `name` in its line of one of the system's tables.
fn field<'a>(table: &'a str, name: &str) -> Option<&'a str> {
    table.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// The processor's name, as the system gives it.
pub(crate) fn cpu_name() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let name = line.and_then(|line| line.split_once(':')).map(|(_, name)| name.trim());
    name.unwrap_or(std::env::consts::ARCH).to_owned()
}

/// Bytes for people: `94.4 MB`.
pub(crate) fn human_bytes(n: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KB", "MB", "GB"];
    let mut value = n as f64;
    let mut unit_idx = 0;
    while value >= 999.5 && unit_idx + 1 < UNITS.len() {
        value /= 1000.0;
        unit_idx += 1;
    }
    match unit_idx {
        0 => format!("{n} B"),
        _ => format!("{value:.1} {}", UNITS[unit_idx]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_readable() {
        assert_eq!(human_bytes(0), "0 B");
        assert_eq!(human_bytes(999), "999 B");
        assert_eq!(human_bytes(94_400_000), "94.4 MB");
        assert_eq!(human_bytes(1_000_000_000), "1.0 GB");
    }

    #[test]
    fn tables_of_the_system_are_read() {
        let table = "Name:\tlookback\nVmHWM:\t  2048 kB\nVmRSS:\t 1 kB\n";
        assert_eq!(kib_of(table, "VmHWM:"), Some(2 << 20));
        assert_eq!(kib_of(table, "VmSwap:"), None);
        assert_eq!(kib_of(table, "Name:"), None);
    }

    #[test]
    fn hyper_threads_of_a_core_are_counted_once() {
        let check = |list: &str, siblings: &[&str], expected| {
            let siblings = |cpu: usize| siblings.get(cpu).map(|list| format!("{list}\n"));
            assert_eq!(n_cores(list, siblings), expected, "{list:?}");
        };
        check("0-1", &["0", "1"], 2);
        check("0-1", &["0-1", "0-1"], 1);
        check("0-3", &["0,2", "1,3", "0,2", "1,3"], 2);
        // Half of each core is granted.
        check("0,2", &["0-1", "0-1", "2-3", "2-3"], 2);
        // Two wide cores and two that are not.
        check("0-3,4-5", &["0-1", "0-1", "2-3", "2-3", "4", "5"], 4);
        // A system that says nothing of cores, or nothing at all.
        check("0-2,7", &[], 4);
        check("", &[], 0);
    }
}
