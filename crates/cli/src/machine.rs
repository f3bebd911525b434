//! What this machine grants the process: cores, memory, names.

use anyhow::{Context, Result, bail};

use crate::env;

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

/// Cores that affinity and cgroup grant, two hyper-threads counted as one core.
fn n_physical_cores() -> usize {
    let n_logical = std::thread::available_parallelism().map_or(1, Into::into);
    let smt = std::fs::read_to_string("/sys/devices/system/cpu/smt/active");
    match smt.as_deref().map(str::trim) {
        Ok("1") => (n_logical / 2).max(1),
        _ => n_logical,
    }
}

/// The kernel table: the one that `LOOKBACK_KERNELS` names, or the best.
pub(crate) fn kernels() -> Result<&'static kernels::Kernels> {
    let Some(name) = env::kernels() else { return Ok(kernels::detect()) };
    let names: Vec<_> = kernels::tables().map(|table| table.name).collect();
    kernels::tables().find(|table| table.name == name).with_context(|| {
        format!("LOOKBACK_KERNELS: this processor can run {}, not {name:?}", names.join(", "))
    })
}

/// Memory of the machine, or less where the process is granted less, in bytes; `None` where the
/// system does not say.
pub(crate) fn memory_bytes() -> Option<u64> {
    let total = kib_of(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    let granted = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    // Without a limit it says "max".
    let granted = granted.and_then(|text| text.trim().parse().ok());
    Some(granted.map_or(total, |granted: u64| granted.min(total)))
}

/// Most memory that the process ever held, in bytes; `None` where the system does not say.
pub(crate) fn peak_rss_bytes() -> Option<u64> {
    kib_of(&std::fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

/// The bytes of a line such as `MemTotal: 16384 kB`.
fn kib_of(table: &str, name: &str) -> Option<u64> {
    let line = table.lines().find(|line| line.starts_with(name))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    kib.checked_mul(1024)
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
    fn this_machine_grants_a_core() {
        assert!(n_physical_cores() >= 1);
    }
}
