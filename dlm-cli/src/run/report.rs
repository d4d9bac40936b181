//! What the user is told while a command runs under a lock: on standard error, or on another
//! descriptor. Standard output is the command's.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Write};

use dlm_client::ReleaseRequest;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde_json::{Value, json};

use crate::arguments::{GlobalOptions, RunArguments};
use crate::failure::Failure;
use crate::output::{Output, failure_object, printable};

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News<'a> {
    /// The lock is held by others.
    Waiting { position: Option<u64>, queue_len: u64, holder: Option<&'a str>, held_for: Option<String> },
    /// The lock was granted, after a wait if that was reported.
    Acquired { token: u64, after_wait: bool },
    /// The command gets SIGTERM, since the lock could not be renewed.
    Terminating,
    /// The command is killed, since the lock is lost.
    Killing { reason: &'a str },
    /// The lock is lost, and the command goes on.
    LostIgnored { reason: &'a str },
    /// An operator asks for the lock; the command may get SIGTERM.
    ReleaseRequested { request: &'a ReleaseRequest, terminates: bool },
    /// The command has left processes behind, which are waited for.
    Leftover { count: usize },
    /// The lock could not be released.
    NotReleased { why: &'a str },
    /// The lock was released.
    Released,
}

/// Where reports go.
pub(super) struct Reporter {
    target: Target,
    name: String,
    json: bool,
    quiet: bool,
    output: Output,
}

enum Target {
    StandardError,
    Descriptor(RefCell<File>),
    /// The descriptor is a pipe that nobody reads.
    Nobody,
}

impl Reporter {
    pub(super) fn new(arguments: &RunArguments, options: &GlobalOptions) -> Result<Self, Failure> {
        Ok(Self {
            target: arguments.report_fd.map_or(Ok(Target::StandardError), open)?,
            name: printable(&arguments.name),
            json: options.json,
            quiet: arguments.quiet,
            output: Output::new(options),
        })
    }

    pub(super) fn tell(&self, news: &News<'_>) {
        if self.quiet && !news.is_failure() {
            return;
        }
        if self.json {
            let mut object = news.object();
            object["resource"] = json!(self.name);
            self.write(&object.to_string());
        } else if let Some(text) = news.text(&self.name) {
            self.write(&format!("dlm: {text}"));
        }
    }

    pub(super) fn failure(&self, failure: &Failure, exit_code: u8) {
        // It is no failure to whom it has the code of success.
        if self.quiet && exit_code == 0 {
            return;
        }
        if matches!(self.target, Target::StandardError) && !self.json {
            return self.output.failure(failure);
        }
        if self.json {
            let mut object = failure_object(failure);
            object["exit_code"] = json!(exit_code);
            self.write(&object.to_string());
        } else {
            self.write(&format!("dlm: {failure}"));
        }
    }

    fn write(&self, line: &str) {
        // A lock is no less held because nobody reads about it.
        match &self.target {
            Target::StandardError => writeln!(io::stderr(), "{line}").ok(),
            // In one piece: a pipe that is full takes all of it or nothing.
            Target::Descriptor(file) => file.borrow_mut().write_all(format!("{line}\n").as_bytes()).ok(),
            Target::Nobody => None,
        };
    }
}

/// Opens a descriptor that this process was started with. It is reopened, so that it does not block
/// here, and still does where others use it: a lock must not wait for a reader of reports.
fn open(number: u32) -> Result<Target, Failure> {
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(format!("/proc/self/fd/{number}"), flags, Mode::empty()) {
        Ok(opened) => Ok(Target::Descriptor(RefCell::new(opened.into()))),
        Err(Errno::NXIO) => Ok(Target::Nobody),
        Err(error) => Err(Failure::usage(format!("can't write reports to descriptor {number}: {error}"))
            .hint(format!("open it for writing, as in {number}>FILE. It must not be a socket"))),
    }
}

impl News<'_> {
    fn is_failure(&self) -> bool {
        !matches!(self, Self::Waiting { .. } | Self::Acquired { .. } | Self::Leftover { .. } | Self::Released)
    }

    /// None if it is of no interest to people.
    fn text(&self, name: &str) -> Option<String> {
        Some(match self {
            Self::Waiting { position, queue_len, holder, held_for } => {
                let place = match position {
                    Some(position) => format!("position {position}"),
                    None => format!("queue of {queue_len}"),
                };
                let held_for = held_for.as_ref().map(|time| format!(" for {time}")).unwrap_or_default();
                let holder = holder.map(|holder| format!(", held by {}{held_for}", printable(holder)));
                format!("waiting: {place} for `{name}`{}", holder.unwrap_or_default())
            }
            Self::Acquired { token, after_wait: true } => format!("acquired `{name}`, token {token}"),
            Self::Acquired { .. } | Self::Released => return None,
            Self::Terminating => {
                format!("`{name}` could not be renewed in time: ending the command by SIGTERM")
            }
            Self::Killing { reason } => format!("lost `{name}`: {reason}; killing the command"),
            Self::LostIgnored { reason } => {
                format!("lost `{name}`: {reason}; the command goes on without it")
            }
            Self::ReleaseRequested { request, terminates } => {
                let by = request.requested_by.as_deref();
                let by = by.map(|by| format!(" by {}", printable(by))).unwrap_or_default();
                let end = if request.force { ", when it is taken away" } else { "" };
                let action = if *terminates { "; ending the command by SIGTERM" } else { "" };
                let (deadline, reason) = (request.deadline, printable(&request.reason));
                format!("asked{by} to let go of `{name}` until {deadline}{end}: {reason}{action}")
            }
            Self::Leftover { count } => {
                format!(
                    "the command has ended; `{name}` is held until what it left behind ends (processes: {count})"
                )
            }
            Self::NotReleased { why } => format!("`{name}` is not released, but expires: {why}"),
        })
    }

    fn object(&self) -> Value {
        match self {
            Self::Waiting { position, queue_len, holder, .. } => {
                json!({"type": "waiting", "position": position, "queue_len": queue_len, "holder": holder})
            }
            Self::Acquired { token, .. } => json!({"type": "acquired", "fencing_token": token}),
            Self::Terminating => json!({"type": "terminating"}),
            Self::Killing { reason } => json!({"type": "lost", "reason": reason, "action": "kill"}),
            Self::LostIgnored { reason } => json!({"type": "lost", "reason": reason, "action": "ignore"}),
            Self::ReleaseRequested { request, terminates } => json!({
                "type": "release_requested",
                "reason": request.reason,
                "requested_by": request.requested_by,
                "deadline": request.deadline,
                "force": request.force,
                "action": if *terminates { "term" } else { "ignore" },
            }),
            Self::Leftover { count } => json!({"type": "leftover", "count": count}),
            Self::NotReleased { why } => json!({"type": "not_released", "reason": why}),
            Self::Released => json!({"type": "released"}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_in_the_queue_is_told_with_the_holder() {
        let mut news = News::Waiting {
            position: Some(2),
            queue_len: 3,
            holder: Some("me@host:1"),
            held_for: Some("5s".into()),
        };
        assert_eq!(news.text("a").unwrap(), "waiting: position 2 for `a`, held by me@host:1 for 5s");
        assert_eq!(news.object()["position"], 2);
        if let News::Waiting { position, holder, .. } = &mut news {
            (*position, *holder) = (None, None);
        }
        assert_eq!(news.text("a").unwrap(), "waiting: queue of 3 for `a`");
    }
}
