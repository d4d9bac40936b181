//! Drives a lock server with load through the client, and reports what it did.
//!
//! - `load`: what the workers do: cycles, hand-over of one lock, renewals
//! - `server`: the server under load: one given, or one that is started
//! - `scrape`: what the server says of itself, and processor time
//! - `report`: the numbers, as text and as JSON

mod load;
mod report;
mod scrape;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use dlm_client::TransportKind;

type Failed = Box<dyn std::error::Error>;

/// Drives a dlm server with load through the client.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    load: Load,
    #[command(flatten)]
    options: Options,
}

#[derive(Debug, Clone, Copy, Subcommand)]
enum Load {
    /// Workers acquire and release, each its own locks.
    Cycle {
        /// How many locks each worker goes round.
        #[arg(long, default_value_t = 1)]
        keys: usize,
        /// Each lock has a name that was never used.
        #[arg(long)]
        new_names: bool,
    },
    /// Workers hand one lock to each other.
    Handoff,
    /// Each worker holds a lease, which is renewed.
    Hold {
        /// How long a lease lives without a renewal, in milliseconds.
        #[arg(long, default_value_t = 3000)]
        ttl_ms: u64,
    },
    /// Each worker follows all events; the report has their lag.
    Follow {
        /// How many events there are a second.
        #[arg(long, default_value_t = 1000)]
        rate: u64,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    /// Over a session, or HTTP where there is none.
    Auto,
    /// Over HTTP alone.
    Http,
    /// Over a session alone.
    Session,
}

impl Way {
    fn kind(self) -> TransportKind {
        match self {
            Self::Auto => TransportKind::Auto,
            Self::Http => TransportKind::Http,
            Self::Session => TransportKind::Session,
        }
    }
}

#[derive(Debug, Clone, Args)]
struct Options {
    /// A server that runs already, or several with commas between them; they
    /// are started when absent.
    #[arg(long, global = true)]
    server: Option<String>,
    /// The database of the servers that are started: `postgres://…`; a new
    /// SQLite file when absent.
    #[arg(long, global = true)]
    database_url: Option<String>,
    /// How many servers are started, on Postgres.
    #[arg(long, global = true, default_value_t = 1)]
    servers: usize,
    /// How the clients speak to them.
    #[arg(long, global = true, value_enum, default_value_t = Way::Auto)]
    transport: Way,
    /// Where the started server keeps its database: a folder on a real disk.
    #[arg(long, global = true, default_value = "target")]
    database_dir: PathBuf,
    /// How many workers.
    #[arg(long, global = true, default_value_t = 64)]
    workers: usize,
    /// How many clients they share.
    #[arg(long, global = true, default_value_t = 1)]
    clients: usize,
    /// How long is measured, in seconds.
    #[arg(long, global = true, default_value_t = 10)]
    seconds: u64,
    /// How long goes before that, in seconds.
    #[arg(long, global = true, default_value_t = 2)]
    warm_up: u64,
    /// Write the report to this file, as JSON.
    #[arg(long, global = true)]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    match runtime.map_err(Failed::from).and_then(|runtime| runtime.block_on(run(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("dlm-load: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Failed> {
    let options = &arguments.options;
    if options.servers > 1 && options.database_url.is_none() {
        return Err("several servers need a Postgres: --database-url".into());
    }
    if options.workers == 0 || options.clients == 0 || options.seconds == 0 || options.servers == 0 {
        return Err("workers, clients, servers and seconds must be at least 1".into());
    }
    let server = match &options.server {
        Some(url) => server::Server::given(url),
        None => {
            server::Server::start(&options.database_dir, options.database_url.as_deref(), options.servers)?
        }
    };
    let plan = load::Plan {
        load: arguments.load,
        workers: options.workers,
        clients: options.clients,
        transport: options.transport.kind(),
        warm_up: Duration::from_secs(options.warm_up),
        measured: Duration::from_secs(options.seconds),
    };
    let report = load::run(&plan, &server).await?;
    print!("{report}");
    if let Some(path) = &options.json {
        std::fs::write(path, serde_json::to_vec_pretty(&report)?)?;
    }
    Ok(())
}
