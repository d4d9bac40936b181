//! The descendants of this process. It must be their reaper: then each of them becomes its child
//! when its parent ends, and none is missed.

use std::collections::HashMap;
use std::io;

use procfs::process::{Stat, all_processes};
use rustix::io::Errno;
use rustix::process::{
    Pid, Signal, WaitOptions, WaitStatus, getpid, kill_process, set_child_subreaper, wait,
};

/// Makes this process the reaper of its descendants.
pub(super) fn become_reaper() -> io::Result<()> {
    Ok(set_child_subreaper(Some(getpid()))?)
}

/// A process that runs or is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descendant {
    pub(super) pid: Pid,
    pub(super) group: Option<Pid>,
}

/// The descendants of this process, without those that have ended and wait to be reaped.
pub(super) fn descendants() -> io::Result<Vec<Descendant>> {
    // A process that ends while the list is read is left out.
    let processes =
        all_processes().map_err(|error| io::Error::other(format!("/proc is not readable: {error}")))?;
    let stats = processes.filter_map(|process| process.ok()?.stat().ok());
    Ok(descendants_of(getpid().as_raw_pid(), stats))
}

fn descendants_of(root: i32, stats: impl Iterator<Item = Stat>) -> Vec<Descendant> {
    let mut children: HashMap<i32, Vec<Stat>> = HashMap::new();
    for stat in stats {
        children.entry(stat.ppid).or_default().push(stat);
    }
    let mut found = Vec::new();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for stat in children.remove(&parent).unwrap_or_default() {
            parents.push(stat.pid);
            let ended = matches!(stat.state, 'Z' | 'X' | 'x');
            if let Some(pid) = Pid::from_raw(stat.pid).filter(|_| !ended) {
                found.push(Descendant { pid, group: Pid::from_raw(stat.pgrp) });
            }
        }
    }
    found
}

/// Sends a signal to all descendants. Returns how many there were.
pub(super) fn signal_descendants(signal: Signal) -> io::Result<usize> {
    let descendants = descendants()?;
    for descendant in &descendants {
        // It may have ended since, or belong to another user, as below `sudo`.
        kill_process(descendant.pid, signal).ok();
    }
    Ok(descendants.len())
}

/// Sends a signal to the descendants in a process group.
pub(super) fn signal_in_group(group: Pid, signal: Signal) -> io::Result<()> {
    for descendant in descendants()?.iter().filter(|descendant| descendant.group == Some(group)) {
        kill_process(descendant.pid, signal).ok();
    }
    Ok(())
}

/// A change of a child.
#[derive(Debug, Clone, Copy)]
pub(super) enum Change {
    Of(Pid, WaitStatus),
    /// There are children, and none has changed.
    Nothing,
    /// There are no children, so no descendants either.
    NoChildren,
}

/// Reaps a child that has ended, or reports one that was stopped or continued.
pub(super) fn next_change() -> io::Result<Change> {
    match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
        Ok(Some((pid, status))) => Ok(Change::Of(pid, status)),
        Ok(None) => Ok(Change::Nothing),
        Err(Errno::CHILD) => Ok(Change::NoChildren),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(pid: i32, parent: i32, group: i32, state: char) -> Stat {
        let zeros = vec!["0"; 46].join(" ");
        let line = format!("{pid} (a) b) {state} {parent} {group} {zeros}");
        procfs::FromRead::from_read(line.as_bytes()).unwrap()
    }

    #[test]
    fn descendants_are_found_at_any_depth_and_the_dead_are_left_out() {
        let stats = [
            stat(2, 1, 2, 'S'),
            stat(3, 2, 2, 'T'),
            stat(4, 3, 4, 'R'),
            stat(5, 2, 2, 'Z'),
            stat(6, 1, 6, 'S'),
        ];
        let mut found: Vec<i32> =
            descendants_of(2, stats.into_iter()).iter().map(|found| found.pid.as_raw_pid()).collect();
        found.sort_unstable();
        assert_eq!(found, [3, 4]);
    }
}
