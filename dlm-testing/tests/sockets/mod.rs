//! The sockets of this process.

use std::fs;

/// The sockets of this process that belong to the network: lines of the kernel's tables.
pub(crate) fn of_the_network() -> Vec<String> {
    let descriptors = fs::read_dir("/proc/self/fd").expect("the descriptors").map_while(Result::ok);
    let targets =
        descriptors.filter_map(|entry| fs::read_link(entry.path()).ok()?.into_os_string().into_string().ok());
    let inodes: Vec<String> = targets
        .filter_map(|target| Some(target.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    assert!(!inodes.is_empty(), "the test server has sockets");
    let tables = ["tcp", "tcp6", "udp", "udp6"];
    let lines: Vec<String> = tables
        .iter()
        .flat_map(|table| {
            let text = fs::read_to_string(format!("/proc/self/net/{table}")).expect("a table of the kernel");
            text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        })
        .collect();
    let inode_of = |line: &String| line.split_whitespace().nth(9).unwrap_or_default().to_owned();
    lines.into_iter().filter(|line| inodes.contains(&inode_of(line))).collect()
}
