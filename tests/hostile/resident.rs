//! How much memory a process and its children hold.

use std::fs;

/// MiB of the process and all that descend from it, shared parts counted once for each.
pub fn mebibytes(pid: u32) -> f64 {
    kibibytes(pid) as f64 / 1_024.0
}

fn kibibytes(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).map_or("0", str::trim);
    let own: u64 = own.trim_end_matches(" kB").trim().parse().unwrap_or_default();
    own + children(pid).into_iter().map(kibibytes).sum::<u64>()
}

/// Children of all threads.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let read = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("children")).unwrap_or_default();
    let lists = threads.flatten().map(read);
    lists.flat_map(|list| list.split_whitespace().filter_map(|id| id.parse().ok()).collect::<Vec<_>>()).collect()
}
