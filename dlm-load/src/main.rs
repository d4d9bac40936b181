//! A load generator for dlm servers. It runs workers on the client library and
//! reports throughput, latency and resource usage.
//!
//! - `run`: one run, from warm-up to report
//! - `worker`: what the workers do: cycles, handoff, renewals, event subscriptions
//! - `world`: a busy world to look at, which measures nothing
//! - `sessions`: sessions that only exist
//! - `watchers`: event subscriptions that only count
//! - `sockets`: their connections
//! - `compare`: the same load on servers with and without protection
//! - `servers`: the servers under load, given or started
//! - `protection`: the auth file and the certificate of started servers
//! - `access`: the token and the trusted authorities of the clients
//! - `metrics`: the servers' metrics, and CPU time
//! - `report`: the results, as text and as JSON

mod access;
mod compare;
mod metrics;
mod protection;
mod report;
mod run;
mod servers;
mod sessions;
mod sockets;
mod watchers;
mod worker;
mod world;

use std::fmt::Display;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use dlm_client::TransportKind;
use serde::Serialize;

use crate::access::Access;
use crate::protection::Protection;
use crate::run::RunConfig;
use crate::servers::{ServerOptions, Servers};
use crate::world::WorldOptions;

type BoxError = Box<dyn std::error::Error>;

/// Generate load on dlm servers and report throughput and latency.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    options: RunOptions,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Command {
    #[command(flatten)]
    Measure(Workload),
    /// A busy world to look at: a hot lock, a long queue, many readers, a deadlock, leases that
    /// expire. Prints `ready`, and runs until it is stopped.
    World(WorldOptions),
}

/// The options of a measurement.
const MEASUREMENT_ONLY: [&str; 7] =
    ["workers", "clients", "seconds", "warm_up", "windows", "json", "compare"];

/// What each worker does.
#[derive(Debug, Clone, Copy, Subcommand)]
enum Workload {
    /// Each worker acquires and releases its own locks.
    Cycle {
        /// Number of locks per worker.
        #[arg(long, default_value_t = 1)]
        keys: usize,
        /// Use a new lock name for every cycle.
        #[arg(long)]
        new_names: bool,
    },
    /// All workers contend for one lock.
    Handoff,
    /// Each worker holds one lease, which the client renews.
    Hold {
        /// TTL of the leases, in milliseconds.
        #[arg(long, default_value_t = 3000)]
        ttl_ms: u64,
    },
    /// Each worker subscribes to all events; the report shows their lag.
    Follow {
        /// Events per second.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
        /// Subscribe without the client library, which needs more of a processor for an
        /// event than the server. Needs as many open files as workers.
        #[arg(long)]
        raw: bool,
    },
    /// Each worker opens a session and does nothing in it; the report shows the memory
    /// that they take. Needs as many open files as workers.
    Sessions,
}

/// The values of `--transport`.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum TransportArg {
    /// A session, or HTTP while there is none.
    Auto,
    /// HTTP only.
    Http,
    /// Sessions only.
    Session,
}

impl From<TransportArg> for TransportKind {
    fn from(transport: TransportArg) -> Self {
        match transport {
            TransportArg::Auto => Self::Auto,
            TransportArg::Http => Self::Http,
            TransportArg::Session => Self::Session,
        }
    }
}

#[derive(Clone, Args)]
struct RunOptions {
    /// Comma-separated URLs of running servers; by default, servers are started.
    #[arg(long, global = true)]
    server: Option<String>,
    /// Token for the servers of `--server`. Prefer the variable: others can see the
    /// arguments of a process.
    #[arg(long, global = true, env = "DLM_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// File with the token for the servers of `--server`; it may be replaced.
    #[arg(long, global = true, env = "DLM_TOKEN_FILE", conflicts_with = "token")]
    token_file: Option<PathBuf>,
    /// Authorities of the servers of `--server`, in PEM format; by default, those of the
    /// platform.
    #[arg(long, global = true, env = "DLM_CA")]
    ca: Option<PathBuf>,
    /// Start servers with an auth file, and authenticate with a token.
    #[arg(long, global = true, conflicts_with = "server")]
    auth: bool,
    /// Start servers with TLS; requires the program `openssl`.
    #[arg(long, global = true, conflicts_with = "server")]
    tls: bool,
    /// Compare servers without authentication, with it, and with it over TLS, in this many
    /// rounds.
    #[arg(long, global = true, value_name = "ROUNDS", conflicts_with_all = ["server", "auth", "tls"])]
    compare: Option<usize>,
    /// Database of the started servers, a `postgres://` URL; by default, a new
    /// SQLite file.
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// Number of servers to start; more than one requires Postgres.
    #[arg(long, global = true, default_value_t = 1)]
    servers: usize,
    /// Transport of the clients.
    #[arg(long, global = true, value_enum, default_value_t = TransportArg::Auto)]
    transport: TransportArg,
    /// Directory for the SQLite file; must be on a real disk.
    #[arg(long, global = true, default_value = "target")]
    database_dir: PathBuf,
    /// Number of workers.
    #[arg(long, global = true, default_value_t = 64)]
    workers: usize,
    /// Number of clients that the workers share. They are spread over the servers: a client
    /// uses one server at a time.
    #[arg(long, global = true, default_value_t = 1)]
    clients: usize,
    /// Duration of the measurement, in seconds.
    #[arg(long, global = true, default_value_t = 10)]
    seconds: u64,
    /// Duration of the warm-up before it, in seconds.
    #[arg(long, global = true, default_value_t = 2)]
    warm_up: u64,
    /// Report so many equal parts of the measurement each by itself, with the memory of the
    /// servers and the size of a SQLite database at its end.
    #[arg(long, global = true, default_value_t = 1)]
    windows: u32,
    /// Write the report to this file, as JSON.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let matches = Arguments::command().get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    match runtime.map_err(BoxError::from).and_then(|runtime| runtime.block_on(run(&arguments, &matches))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dlm-load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments, matches: &ArgMatches) -> Result<(), BoxError> {
    let options = &arguments.options;
    if options.servers > 1 && options.database_url.is_none() {
        return Err("several servers require Postgres: set --database-url".into());
    }
    if options.compare == Some(0) {
        return Err("--compare requires at least 1 round".into());
    }
    if options.workers == 0 || options.clients == 0 || options.seconds == 0 || options.servers == 0 {
        return Err("workers, clients, servers and seconds must be at least 1".into());
    }
    let started = ServerOptions {
        directory: &options.database_dir,
        postgres: options.database_url.as_deref(),
        count: options.servers,
        protection: Protection { auth: options.auth, tls: options.tls },
    };
    let servers = || match &options.server {
        Some(urls) => Ok(Servers::running(urls, options.access()?)),
        None => Servers::start(&started),
    };
    let workload = match &arguments.command {
        Command::Measure(workload) => *workload,
        Command::World(world) => {
            reject_measurement_options(matches)?;
            return world::run(world, &servers()?, options.transport.into()).await;
        }
    };
    let config = RunConfig {
        workload,
        workers: options.workers,
        clients: options.clients,
        transport: options.transport.into(),
        warm_up: Duration::from_secs(options.warm_up),
        measurement: Duration::from_secs(options.seconds),
        windows: options.windows,
    };
    if let Some(rounds) = options.compare {
        return publish(options, &compare::compare(&config, &started, rounds).await?);
    }
    publish(options, &run::run(&config, &servers()?).await?)
}

/// Fails if an option was given that has no effect on `world`.
fn reject_measurement_options(matches: &ArgMatches) -> Result<(), BoxError> {
    let given = |option: &&str| matches.value_source(option) == Some(ValueSource::CommandLine);
    match MEASUREMENT_ONLY.iter().find(|option| given(option)) {
        None => Ok(()),
        Some(option) => {
            Err(format!("--{} is for measurements, and `world` measures nothing", option.replace('_', "-"))
                .into())
        }
    }
}

impl RunOptions {
    /// The access to the servers of `--server`.
    fn access(&self) -> Result<Access, BoxError> {
        let mut access = Access::default();
        if let Some(token) = &self.token {
            access = access.with_token(token.clone());
        }
        if let Some(file) = &self.token_file {
            access = access.with_token_file(file.clone());
        }
        match &self.ca {
            Some(file) => access.trusting(file),
            None => Ok(access),
        }
    }
}

/// Prints a report, and writes it as JSON if that was asked for.
fn publish(options: &RunOptions, report: &(impl Display + Serialize)) -> Result<(), BoxError> {
    print!("{report}");
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(report)?)?;
    }
    Ok(())
}
