//! Memory that this process may use: the machine's, or less where its control groups grant less.

use std::fs;
use std::path::Path;

use crate::machine::kib_of;

/// What the whole process may take, in bytes; `None` where the system does not say.
pub(crate) fn granted_bytes() -> Option<u64> {
    let total = kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?;
    Some(grants().iter().map(|grant| grant.limit).fold(total, u64::min))
}

/// What is left of it: what the system could give without swapping, and the groups allow.
pub(crate) fn available_bytes() -> Option<u64> {
    let available = kib_of(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")?;
    let left = |grant: &Grant| grant.limit.saturating_sub(grant.used);
    Some(grants().iter().map(left).fold(available, u64::min))
}

/// A group's limit and what of it cannot be taken back, in bytes.
#[derive(Debug, PartialEq)]
struct Grant {
    limit: u64,
    used: u64,
}

/// The files of one version of control groups.
struct Files {
    limit: &'static str,
    usage: &'static str,
    /// Pages of files in `memory.stat`: they give way.
    pages: [&'static str; 2],
}

const V1: Files = Files {
    limit: "memory.limit_in_bytes",
    usage: "memory.usage_in_bytes",
    pages: ["total_inactive_file ", "total_active_file "],
};
const V2: Files = Files {
    limit: "memory.max",
    usage: "memory.current",
    pages: ["inactive_file ", "active_file "],
};

fn grants() -> Vec<Grant> {
    let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    grants_in(Path::new("/sys/fs/cgroup"), &groups)
}

/// `groups`: lines such as `0::/user.slice` or `4:memory:/user.slice`. A group is bound by the
/// limits of those above it too; inside a container its own path may be missing.
fn grants_in(root: &Path, groups: &str) -> Vec<Grant> {
    let mut grants = Vec::new();
    for line in groups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        let (files, root) = match controllers.split(',').find(|name| *name == "memory") {
            Some(_) => (&V1, root.join("memory")),
            None if controllers.is_empty() => (&V2, root.to_owned()),
            None => continue,
        };
        let path = Path::new(path.trim_start_matches('/'));
        grants.extend(path.ancestors().filter_map(|path| grant(&root.join(path), files)));
    }
    grants
}

/// `None` where there is no limit, in words or as no file.
fn grant(folder: &Path, files: &Files) -> Option<Grant> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let limit = read(files.limit)?.trim().parse().ok()?;
    let usage: u64 = read(files.usage)?.trim().parse().ok()?;
    let stat = read("memory.stat").unwrap_or_default();
    let pages = |name: &&str| -> Option<u64> {
        stat.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
    };
    let pages: u64 = files.pages.iter().filter_map(pages).sum();
    Some(Grant { limit, used: usage.saturating_sub(pages) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(files: &[(&str, &str)], groups: &str, expected: &[(u64, u64)]) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
            fs::write(path, text).expect("writable");
        }
        let expected: Vec<_> =
            expected.iter().map(|&(limit, used)| Grant { limit, used }).collect();
        assert_eq!(grants_in(folder.path(), groups), expected);
    }

    #[test]
    fn groups_and_those_above_them_grant_memory() {
        let v2 = [
            ("a/memory.max", "1000\n"),
            ("a/memory.current", "500\n"),
            ("a/b/memory.max", "max\n"),
            ("a/b/memory.current", "400\n"),
            ("a/b/c/memory.max", "700\n"),
            ("a/b/c/memory.current", "300\n"),
            ("a/b/c/memory.stat", "anon 100\ninactive_file 120\nactive_file 30\n"),
        ];
        check(&v2, "0::/a/b/c\n", &[(700, 150), (1000, 500)]);
        check(&v2, "0::/\n", &[]);
        check(&v2, "0::/gone\n", &[]);
        let v1 = [
            ("memory/x/memory.limit_in_bytes", "64\n"),
            ("memory/x/memory.usage_in_bytes", "32\n"),
            ("memory/x/memory.stat", "inactive_file 1\ntotal_inactive_file 8\n"),
        ];
        check(&v1, "9:cpu:/x\n4:memory:/x\n0::/\n", &[(64, 24)]);
        // In a container the root is the group.
        let own = [("memory.max", "64\n"), ("memory.current", "16\n")];
        check(&own, "0::/\n", &[(64, 16)]);
        check(&own, "", &[]);
    }
}
