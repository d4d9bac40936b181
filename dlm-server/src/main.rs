//! The server as a program.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use dlm_server::{LogFormat, Server, StartError, start_logging};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A batch makes and drops thousands of small things, at which the system's
/// allocator took a tenth of the server's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A distributed lock manager: locks with leases, fencing tokens and a fair
/// queue, over HTTP.
#[derive(Debug, Parser)]
#[command(name = "dlm-server", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Where to listen; port 0 picks a free one.
    #[arg(long, env = "DLM_LISTEN", default_value = "127.0.0.1:7420")]
    listen: String,

    /// The database: `sqlite://path`, or `postgres://…` for several servers.
    #[arg(
        long,
        env = "DLM_DATABASE_URL",
        default_value = "sqlite://dlm.db",
        hide_env_values = true,
        global = true
    )]
    database_url: String,

    /// How many connections to Postgres write, each for its share of the names.
    #[arg(long, env = "DLM_WRITERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    writers: u16,

    /// How long a resource that nobody uses is remembered, such as `24h`. Its
    /// fencing tokens go on growing all the same.
    #[arg(long, env = "DLM_IDLE_RETENTION", default_value = "24h", value_parser = humantime::parse_duration)]
    idle_retention: Duration,

    /// How old events of the log get, such as `7d`.
    #[arg(long, env = "DLM_EVENT_RETENTION", default_value = "7d", value_parser = humantime::parse_duration)]
    event_retention: Duration,

    /// How many events the log keeps.
    #[arg(long, env = "DLM_EVENT_LIMIT", default_value_t = 10_000_000)]
    event_limit: u64,

    /// A file with at least 32 bytes to sign lease ids with; by default the
    /// database keeps a secret of its own.
    #[arg(long, env = "DLM_SECRET_FILE")]
    secret_file: Option<PathBuf>,

    /// Listen on an address that other machines reach, although nobody is
    /// asked who they are.
    #[arg(long, env = "DLM_INSECURE_NO_AUTH")]
    insecure_no_auth: bool,

    /// A name, without a port, that the server answers to besides loopback names
    /// and the address it listens on; may be given several times, or with
    /// commas between them.
    #[arg(long = "allowed-host", env = "DLM_ALLOWED_HOST", value_delimiter = ',', value_name = "NAME")]
    allowed_hosts: Vec<String>,

    /// How a line of the log is written.
    #[arg(long, env = "DLM_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// What is logged, to standard error: `info`, `dlm_server=debug`, …
    #[arg(long = "log", env = "DLM_LOG", default_value = "info")]
    log: String,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Prints the description of the API, OpenAPI 3.1, which a server has at
    /// `/openapi.json`.
    Openapi,
    /// Makes a database that comes from a backup, or from a failover that lost
    /// commits, safe to serve: tokens never repeat, old lease ids and cursors
    /// hold no more, and leases that were live in it are ended. No server may be
    /// at work on it.
    Restore {
        /// How far above the highest token of the backup all counters go on: more
        /// than all grants, expiries and force-releases since.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        raise_tokens: u32,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Command::Openapi) = arguments.command {
        announce(&dlm_server::openapi());
        return ExitCode::SUCCESS;
    }
    if let Err(error) = start_logging(arguments.log_format, &arguments.log) {
        return refuse(&format!("the log filter {:?} can't be read: {error}", arguments.log));
    }
    raise_open_files();
    // The writer has a thread of its own; these only translate.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let ran = runtime.block_on(run(arguments));
            // What still asks a database that does not answer is not waited for.
            runtime.shutdown_background();
            match ran {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => refuse("not all commits were finished"),
                Err(error) => refuse(&error.to_string()),
            }
        }
        Err(error) => refuse(&format!("no runtime: {error}")),
    }
}

/// Tells whether everything was finished.
async fn run(arguments: Arguments) -> Result<bool, StartError> {
    let server = Server::builder()
        .listen(arguments.listen)
        .database_url(arguments.database_url)
        .writers(usize::from(arguments.writers))
        .idle_retention(arguments.idle_retention)
        .event_retention(arguments.event_retention)
        .event_limit(arguments.event_limit)
        .secret_file(arguments.secret_file)
        .insecure_no_auth(arguments.insecure_no_auth)
        .allowed_hosts(arguments.allowed_hosts);
    if let Some(Command::Restore { raise_tokens }) = arguments.command {
        let restored = server.restore(raise_tokens).await?;
        announce(&format!(
            "all tokens go on {raise_tokens} above the highest of the backup, of which {} leases are ended",
            restored.leases_ended
        ));
        return Ok(true);
    }
    let server = server.bind().await?;
    let stop = CancellationToken::new();
    let asked = stop.clone();
    let failed = |source| StartError::Listen { address: "signals".into(), source };
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    announce(&format!("listening on http://{}", server.local_addr()));
    let serving = server.run(stop);
    tokio::pin!(serving);
    tokio::select! {
        finished = serving.as_mut() => return Ok(finished),
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("draining");
    asked.cancel();
    let finished = serving.await;
    tracing::info!("stopped");
    Ok(finished)
}

/// Each connection is a file, and systems start programs with a limit that is
/// far below what they may have.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, allowed = limit.current, "the limit of open files could not be raised");
    }
}

/// Whoever started the server may wait for this line.
fn announce(line: &str) {
    let mut output = std::io::stdout();
    if writeln!(output, "{line}").and_then(|()| output.flush()).is_err() {
        tracing::info!("{line}");
    }
}

fn refuse(why: &str) -> ExitCode {
    let mut output = std::io::stderr();
    writeln!(output, "dlm-server: {why}").ok();
    ExitCode::FAILURE
}
