//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use dlm_client::FencingToken;

use crate::exit_code::{self, Setting};

/// Distributed locks for shell scripts, cron jobs and people at a terminal.
#[derive(Debug, Parser)]
#[command(name = "dlm", version, after_help = exit_code::HELP, max_term_width = 100)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: GlobalOptions,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command. Those for the server come before the environment, and that
/// before the login file.
#[derive(Debug, Clone, Args)]
pub(crate) struct GlobalOptions {
    /// URL of the server, or unix:/path; or several separated by commas (DLM_URL)
    #[arg(long, global = true, value_name = "URL", help_heading = "Server")]
    pub(crate) url: Option<String>,
    /// File with the bearer token. A token itself is no argument, since all users of a machine
    /// see the arguments of its processes (DLM_TOKEN_FILE, or DLM_TOKEN with the token itself)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub(crate) token_file: Option<PathBuf>,
    /// File with certificates to trust, in PEM format (DLM_CA)
    #[arg(long, global = true, value_name = "FILE", help_heading = "Server")]
    pub(crate) ca: Option<PathBuf>,
    /// Print JSON, one object a line
    #[arg(long, global = true, help_heading = "Output")]
    pub(crate) json: bool,
    /// When to use colors. `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: ColorChoice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command while holding a lock
    ///
    /// Runs CMD while holding the lock NAME, and exits with its exit code. The lock is released when
    /// the last process that CMD started has ended.
    ///
    /// If the lock can't be renewed, CMD gets SIGTERM 5 seconds, or a third of the TTL, before the
    /// lease can expire, and SIGKILL half a second before: no process of it is left when another holder
    /// may be granted the lock. If the lock is force-released, CMD is killed at once. If `dlm run`
    /// itself is killed, so are CMD and all processes that it started.
    ///
    /// CMD gets DLM_RESOURCE, the name, and DLM_FENCING_TOKEN, which grows with every grant: a storage
    /// that refuses smaller tokens than it has seen is safe from holders that are late. DLM_TOKEN is
    /// removed from its environment.
    Run(RunArguments),
    /// List locks
    Ls(ListArguments),
    /// Show the holders and waiters of a lock
    Status {
        /// Name of the lock
        name: String,
    },
    /// Show why a lock is not free: who holds it, who is next, and how long that may take
    Explain {
        /// Name of the lock
        name: String,
        /// Estimate the wait of the first waiter with this owner
        #[arg(long)]
        owner: Option<String>,
    },
    /// Show what owners hold, wait for and block
    Owners {
        /// Only this owner, with its locks
        owner: Option<String>,
        /// At most so many owners: those that block the most waiters
        #[arg(long, short = 'n', default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
    /// Show what a principal holds, waits for and blocks, whatever owners it gave
    Principal {
        /// Name of the principal
        name: String,
    },
    /// Print events as they happen
    Watch(WatchArguments),
    /// Print the latest events of a lock
    History {
        /// Name of the lock
        name: String,
        /// At most so many events, the latest
        #[arg(long, short = 'n', default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=1000))]
        limit: u64,
    },
    /// End the lease of a holder that is gone
    ForceRelease(ForceReleaseArguments),
    /// Ask the holder of a lock to let go of it, within a time
    RequestRelease(RequestReleaseArguments),
    /// Ask whether a fencing token is that of a live lease: exit code 0 if so, else 1
    Check {
        /// Name of the lock
        name: String,
        /// The fencing token
        #[arg(long, value_parser = fencing_token)]
        token: FencingToken,
    },
    /// Show who the server takes you for, and what you may do
    Whoami,
    /// Store the URL and the token of a server, for this user
    Login {
        /// URL of the server; by default the one of --url, DLM_URL or the login file
        server: Option<String>,
    },
    /// Show locks live: who holds, who waits, what is contended
    Top {
        /// Only locks whose name starts with this
        #[arg(default_value = "")]
        prefix: String,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Write the man pages
    Man {
        /// Directory to write them to
        directory: PathBuf,
    },
}

/// The arguments of `dlm run`.
#[derive(Debug, Args)]
#[command(after_help = exit_code::HELP)]
pub(crate) struct RunArguments {
    /// Name of the lock
    pub(crate) name: String,
    /// The command and its arguments. No shell interprets them
    #[arg(last = true, required = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
    /// Do not wait: exit with the code for "not acquired" if the lock is held
    #[arg(long = "try", conflicts_with = "wait")]
    pub(crate) no_wait: bool,
    /// Wait at most so long, such as 90s, 5m or 1h30m; by default without end
    #[arg(long, value_parser = humantime::parse_duration, value_name = "DURATION")]
    pub(crate) wait: Option<Duration>,
    /// Take the lock in shared mode
    #[arg(long)]
    pub(crate) shared: bool,
    /// TTL of the lease, which is renewed while the command runs: 1s to 24h
    #[arg(long, value_parser = ttl, default_value = "30s", value_name = "DURATION")]
    pub(crate) ttl: Duration,
    /// What to do to the command when the lock can't be renewed or is lost
    #[arg(long, value_enum, default_value = "term", value_name = "ACTION")]
    pub(crate) on_lost: OnLost,
    /// What to do to the command when an operator asks for the lock; the request is reported in
    /// any case
    #[arg(long, value_enum, default_value = "ignore", value_name = "ACTION")]
    pub(crate) on_release_request: OnReleaseRequest,
    /// What to do with processes that the command leaves behind when it ends
    #[arg(long, value_enum, default_value = "wait", value_name = "ACTION")]
    pub(crate) leftover: Leftover,
    /// Who holds the lock, for people to read; by default user@host:pid
    #[arg(long)]
    pub(crate) owner: Option<String>,
    /// Metadata of the lease, for people to read; repeatable
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    pub(crate) meta: Vec<(String, String)>,
    /// Exit with CODE in case of KIND: not-acquired, lost, unreachable, denied, usage; repeatable
    #[arg(long, value_name = "KIND=CODE")]
    pub(crate) exit_code: Vec<Setting>,
    /// Write reports to this open descriptor instead of standard error. Reports that a pipe does not
    /// take at once are dropped
    #[arg(long, value_name = "N")]
    pub(crate) report_fd: Option<u32>,
    /// Report only failures
    #[arg(long, short)]
    pub(crate) quiet: bool,
    /// Leave DLM_TOKEN in the environment of the command
    #[arg(long)]
    pub(crate) pass_token: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnLost {
    /// SIGTERM in time, then SIGKILL before the lease can expire
    Term,
    /// SIGKILL before the lease can expire
    Kill,
    /// Nothing: the command goes on without the lock
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OnReleaseRequest {
    /// SIGTERM, once; the lock is released when the command has ended
    Term,
    /// Nothing: the command goes on
    Ignore,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Leftover {
    /// Keep the lock until they have ended
    Wait,
    /// SIGTERM, and SIGKILL after 5 s
    Kill,
}

#[derive(Debug, Args)]
pub(crate) struct ListArguments {
    /// Only locks whose name starts with this
    #[arg(default_value = "")]
    pub(crate) prefix: String,
    /// Held locks; this is the default
    #[arg(long, group = "state")]
    pub(crate) held: bool,
    /// Locks with waiters
    #[arg(long, group = "state")]
    pub(crate) waiting: bool,
    /// All locks, also free ones
    #[arg(long, group = "state")]
    pub(crate) all: bool,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N")]
    pub(crate) limit: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct WatchArguments {
    /// Only locks whose name starts with this
    #[arg(default_value = "")]
    pub(crate) prefix: String,
    /// Only the lock with this name
    #[arg(long, conflicts_with = "prefix")]
    pub(crate) name: Option<String>,
    /// Continue after this cursor, as printed with --json; by default from now
    #[arg(long)]
    pub(crate) after: Option<String>,
    /// Also print renewals
    #[arg(long)]
    pub(crate) renewals: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RequestReleaseArguments {
    /// Name of the lock
    pub(crate) name: String,
    /// Fencing token of the lease, as `dlm status` shows it. A holder with another token is not
    /// asked
    #[arg(long, value_parser = fencing_token)]
    pub(crate) token: FencingToken,
    /// Why, for the holder
    #[arg(long)]
    pub(crate) reason: String,
    /// How long the holder has, for example `30s`: 1s to 1h
    #[arg(long, value_parser = humantime::parse_duration)]
    pub(crate) within: Duration,
    /// Force-release the lease after that time, if it is still held
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ForceReleaseArguments {
    /// Name of the lock
    pub(crate) name: String,
    /// Fencing token of the lease to end, as `dlm status` shows it. A lease with another token is
    /// left alone
    #[arg(long, value_parser = fencing_token)]
    pub(crate) token: FencingToken,
    /// Why, for the event log
    #[arg(long)]
    pub(crate) reason: String,
    /// Do not ask. Required if there is no terminal to ask at
    #[arg(long, short)]
    pub(crate) yes: bool,
}

fn fencing_token(text: &str) -> Result<FencingToken, String> {
    text.parse().map(FencingToken::new).map_err(|_| "a fencing token is a whole number".into())
}

/// Below a second, the time to end a command would be within what a busy machine delays.
fn ttl(text: &str) -> Result<Duration, String> {
    let ttl = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    let bounds = Duration::from_secs(1)..=Duration::from_secs(86_400);
    if bounds.contains(&ttl) { Ok(ttl) } else { Err("must be 1s to 24h".into()) }
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn ttl_below_a_second_is_refused() {
        assert_eq!(ttl("1s"), Ok(Duration::from_secs(1)));
        assert!(ttl("999ms").is_err() && ttl("25h").is_err() && ttl("soon").is_err());
    }

    #[test]
    fn options_of_the_command_are_its_own() {
        let line = ["dlm", "run", "a", "--try", "--", "ls", "--json", "-l"];
        let arguments = Arguments::try_parse_from(line).unwrap();
        assert!(!arguments.global.json);
        let Command::Run(run) = arguments.command else { panic!("another command") };
        assert_eq!(run.command, ["ls", "--json", "-l"]);
    }

    #[test]
    fn command_without_the_separator_is_refused() {
        assert!(Arguments::try_parse_from(["dlm", "run", "a", "ls"]).is_err());
        assert!(Arguments::try_parse_from(["dlm", "run", "a", "--try", "--wait", "1s", "--", "ls"]).is_err());
    }
}
