//! The defaults that a client applies to each lock request.

use std::path::Path;

use dlm_protocol::{Owner, Ttl};

/// The longest part of a default owner, in bytes, so that all fit.
const MAX_PART: usize = 100;

/// Applied to a lock request unless the request overrides them.
#[derive(Debug)]
pub(crate) struct LockDefaults {
    pub(crate) owner: Owner,
    pub(crate) ttl: Ttl,
}

impl Default for LockDefaults {
    fn default() -> Self {
        Self { owner: default_owner(), ttl: Ttl::default() }
    }
}

/// The program, the host and the process id: where an operator has to look.
fn default_owner() -> Owner {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default().to_string_lossy();
    owner(&program, &host(), std::process::id())
}

fn owner(program: &str, host: &str, process: u32) -> Owner {
    let text = format!("{}@{}:{process}", part(program), part(host));
    // An owner is for people to read, so a missing one is no error.
    Owner::try_from(&*text).unwrap_or_default()
}

/// As much of a name as has place, without what an owner must not contain.
fn part(name: &str) -> String {
    let printable = name.chars().filter(|char| !char.is_control());
    let mut bytes = 0;
    printable
        .take_while(|char| {
            bytes += char.len_utf8();
            bytes <= MAX_PART
        })
        .collect()
}

#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn host() -> String {
    let set = ["COMPUTERNAME", "HOSTNAME"].iter().find_map(|name| std::env::var(name).ok());
    set.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn default_owner_names_program_host_and_process() {
        let owner = default_owner();
        let (program, place) = owner.as_str().split_once('@').unwrap();
        assert!(program.starts_with("dlm_client"), "{owner:?}");
        let (host, process) = place.rsplit_once(':').unwrap();
        assert_eq!(process, std::process::id().to_string());
        assert_eq!(host, std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim());
    }

    #[test]
    fn long_and_unprintable_names_are_cut_to_what_an_owner_may_be() {
        let long = owner(&"ä".repeat(300), &"h".repeat(300), u32::MAX);
        assert!(long.as_str().starts_with("ää") && long.as_str().ends_with(":4294967295"), "{long:?}");
        assert_eq!(owner("a\nb", "c\u{7f}d", 7).as_str(), "ab@cd:7");
    }
}
