//! The `dlm-server` binary.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use dlm_server::{
    LogFormat, Logging, Server, StartError, TokenRequest, check_auth_file, new_token, start_logging,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A batch makes thousands of small allocations. With the system's allocator they
/// took a tenth of the server's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A distributed lock manager: locks with leases, fencing tokens and a fair
/// queue, over HTTP.
#[derive(Debug, Parser)]
#[command(name = "dlm-server", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The address to listen on, `host:port`; port 0 picks a free port. May be
    /// repeated, or a comma-separated list. With `--tls-cert` it is TLS; `http://` or
    /// `https://` before an address chooses.
    #[arg(
        long,
        env = "DLM_LISTEN",
        default_value = "127.0.0.1:7420",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    listen: Vec<String>,

    /// An address that serves only `/livez`, `/readyz` and `/metrics`, over plain HTTP.
    #[arg(long, env = "DLM_PROBE_LISTEN", value_name = "ADDRESS")]
    probe_listen: Option<String>,

    /// The certificate of the server, with the chain to its authority; PEM. It is read
    /// again when it changes, and on SIGHUP.
    #[arg(long, env = "DLM_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,

    /// The private key of the certificate; PEM.
    #[arg(long, env = "DLM_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,

    /// The authorities of client certificates; PEM. A certificate that a client presents
    /// must be from one of them; it may present none.
    #[arg(long, env = "DLM_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    tls_client_ca: Option<PathBuf>,

    /// The database: `sqlite://path`, or `postgres://…` for several servers.
    #[arg(
        long,
        env = "DLM_DATABASE_URL",
        default_value = "sqlite://dlm.db",
        hide_env_values = true,
        global = true
    )]
    database_url: String,

    /// The number of Postgres connections that write, each for a share of the
    /// resource names.
    #[arg(long, env = "DLM_WRITERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    writers: u16,

    /// How long an idle resource is kept, for example `24h`. Its fencing tokens
    /// keep growing after it was deleted.
    #[arg(long, env = "DLM_IDLE_RETENTION", default_value = "24h", value_parser = humantime::parse_duration)]
    idle_retention: Duration,

    /// The maximum age of events in the log, for example `7d`.
    #[arg(long, env = "DLM_EVENT_RETENTION", default_value = "7d", value_parser = humantime::parse_duration)]
    event_retention: Duration,

    /// The maximum number of events in the log.
    #[arg(long, env = "DLM_EVENT_LIMIT", default_value_t = 10_000_000)]
    event_limit: u64,

    /// A file with the secret that signs lease ids, at least 32 bytes; by default
    /// a random secret is generated and stored in the database.
    #[arg(long, env = "DLM_SECRET_FILE")]
    secret_file: Option<PathBuf>,

    /// A TOML file that says who may do what. It is read again on SIGHUP and when it
    /// has changed. Without it everyone who can reach the server may do everything.
    #[arg(long, env = "DLM_AUTH_FILE", value_name = "FILE")]
    auth_file: Option<PathBuf>,

    /// Allow a listen address that is reachable from other machines, without
    /// authentication.
    #[arg(long, env = "DLM_INSECURE_NO_AUTH")]
    insecure_no_auth: bool,

    /// Allow `http://` on an address that is reachable from other machines although
    /// there is a certificate.
    #[arg(long, env = "DLM_INSECURE_PLAINTEXT")]
    insecure_plaintext: bool,

    /// The network of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are
    /// believed, for example `10.1.0.0/16`; may be repeated, or a comma-separated list.
    #[arg(long = "trusted-proxy", env = "DLM_TRUSTED_PROXY", value_delimiter = ',', value_name = "CIDR")]
    trusted_proxies: Vec<String>,

    /// A host name, without a port, that requests may use besides loopback names
    /// and the listen address; may be repeated, or a comma-separated list.
    #[arg(long = "allowed-host", env = "DLM_ALLOWED_HOST", value_delimiter = ',', value_name = "NAME")]
    allowed_hosts: Vec<String>,

    /// Maximum open connections, WebSockets included. The limit of open files may
    /// allow fewer.
    #[arg(long, env = "DLM_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,

    /// Maximum open connections from one IP address, or from one IPv6 network of 64
    /// bits; by default four fifths of all connections. A `--trusted-proxy` may have all.
    #[arg(long, env = "DLM_MAX_CONNECTIONS_PER_ADDRESS", value_parser = clap::value_parser!(u32).range(1..))]
    max_connections_per_address: Option<u32>,

    /// How long an HTTP/1 connection may be idle between two requests, for example
    /// `75s`. With `0s`, each connection is closed after one response.
    #[arg(long, env = "DLM_KEEP_ALIVE", default_value = "75s", value_parser = humantime::parse_duration)]
    keep_alive: Duration,

    /// The format of log lines.
    #[arg(long, env = "DLM_LOG_FORMAT", default_value = "text")]
    log_format: LogFormat,

    /// What to log to standard error, for example `info` or `dlm_server=debug`.
    #[arg(long = "log", env = "DLM_LOG", default_value = "info")]
    log: String,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the OpenAPI 3.1 description of the API, which a server publishes at
    /// `/openapi.json`.
    Openapi,
    /// Make a database from a backup, or from a failover that lost commits, safe
    /// to serve: fencing tokens never repeat, old lease ids and cursors become
    /// invalid, and leases that are live in the backup are ended. Stop all
    /// servers on the database first.
    Restore {
        /// How far above the highest token of the backup all counters continue:
        /// more than all grants, expiries and force-releases since the backup.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        raise_tokens: u32,
    },
    /// Make bearer tokens.
    Token {
        #[command(subcommand)]
        command: TokenCommand,
    },
    /// Work with auth files.
    Auth {
        #[command(subcommand)]
        command: AuthCommand,
    },
}

#[derive(Debug, clap::Subcommand)]
enum TokenCommand {
    /// Print a new token, and what belongs in the auth file for it. The token is not
    /// stored anywhere.
    New {
        /// The name of the principal: 1 to 128 visible ASCII characters.
        name: String,
        /// What the principal may do; each role includes those before it.
        #[arg(long, value_parser = ["observe", "lock", "admin"])]
        role: String,
        /// The resources: `orders/` covers `orders` and `orders/42`, and `""` all.
        #[arg(long)]
        prefix: String,
        /// For how long the token is valid, for example `90d`; by default for ever.
        #[arg(long, value_parser = humantime::parse_duration)]
        expires: Option<Duration>,
    },
}

#[derive(Debug, clap::Subcommand)]
enum AuthCommand {
    /// Check an auth file: exit with 0 if a server would accept it, otherwise print the
    /// line and the reason, and exit with 1.
    Check {
        /// The auth file.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let logging = match start_logging(arguments.log_format, &arguments.log) {
        Ok(logging) => logging,
        Err(error) => {
            // Without logging there is only standard error itself.
            writeln!(std::io::stderr(), "dlm-server: {error}").ok();
            return ExitCode::FAILURE;
        }
    };
    if let Some(printed) = arguments.command.as_ref().and_then(printed_by) {
        let printed = printed.and_then(|text| {
            print(&text).map_err(|error| format!("could not write to standard output: {error}"))
        });
        return match printed {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&logging, &error),
        };
    }
    raise_open_files();
    // Writers have their own threads; these two only run the transports.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let ran = runtime.block_on(run(arguments));
            // Do not wait for calls to a database that does not answer.
            runtime.shutdown_background();
            match ran {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => fail(&logging, &error.to_string()),
            }
        }
        Err(error) => fail(&logging, &format!("could not start the runtime: {error}")),
    }
}

/// What a command prints that needs no server; `None` for others.
fn printed_by(command: &Command) -> Option<Result<String, String>> {
    match command {
        Command::Openapi => Some(Ok(dlm_server::openapi())),
        Command::Token { command: TokenCommand::New { name, role, prefix, expires } } => {
            let request = TokenRequest {
                name: name.clone(),
                role: role.clone(),
                prefix: prefix.clone(),
                expires_in: *expires,
            };
            Some(new_token(&request).map(|text| text.trim_end().to_owned()))
        }
        Command::Auth { command: AuthCommand::Check { file } } => Some(check_auth_file(file)),
        Command::Restore { .. } => None,
    }
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let mut server = Server::builder()
        .probe_listen(arguments.probe_listen)
        .database_url(arguments.database_url)
        .writers(usize::from(arguments.writers))
        .idle_retention(arguments.idle_retention)
        .event_retention(arguments.event_retention)
        .event_limit(arguments.event_limit)
        .secret_file(arguments.secret_file)
        .auth_file(arguments.auth_file)
        .insecure_no_auth(arguments.insecure_no_auth)
        .insecure_plaintext(arguments.insecure_plaintext)
        .trusted_proxies(arguments.trusted_proxies)
        .allowed_hosts(arguments.allowed_hosts)
        .max_connections(arguments.max_connections as usize)
        .max_connections_per_address(
            arguments.max_connections_per_address.map(|connections| connections as usize),
        )
        .keep_alive(arguments.keep_alive);
    for address in arguments.listen {
        server = server.listen(address);
    }
    if let (Some(certificate), Some(key)) = (arguments.tls_cert, arguments.tls_key) {
        server = server.tls(certificate, key);
    }
    if let Some(client_ca) = arguments.tls_client_ca {
        server = server.tls_client_ca(client_ca);
    }
    if let Some(Command::Restore { raise_tokens }) = arguments.command {
        let restored = server.restore(raise_tokens).await?;
        announce(&format!(
            "all token counters continue {raise_tokens} above the highest in the backup; {} leases were ended",
            restored.leases_ended
        ));
        return Ok(());
    }
    // Before the store is opened, which may wait for another server's migration. A
    // process with the id 1 ignores signals without a handler.
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let server = tokio::select! {
        server = server.bind() => server?,
        _ = terminate.recv() => return stopped_while_starting(),
        _ = interrupt.recv() => return stopped_while_starting(),
    };
    // Without a handler the signal would end the process.
    let mut hang_up = signal(SignalKind::hangup()).map_err(StartError::Signals)?;
    let stop = CancellationToken::new();
    let mut lines: Vec<_> = server.urls().iter().map(|url| format!("listening on {url}")).collect();
    lines.extend(server.probe_url().map(|url| format!("serving probes on {url}")));
    // Not awaited: nobody may be reading standard output.
    tokio::task::spawn_blocking(move || lines.iter().for_each(|line| announce(line)));
    let reload = server.reload();
    let serving = server.run(stop.clone());
    tokio::pin!(serving);
    loop {
        tokio::select! {
            ended = serving.as_mut() => return Ok(ended?),
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => match reload.request() {
                true => tracing::info!("SIGHUP received: files are read again"),
                false => tracing::info!("SIGHUP ignored: there is nothing to reload"),
            },
        }
    }
    tracing::info!("draining");
    stop.cancel();
    serving.await?;
    tracing::info!("stopped");
    Ok(())
}

fn stopped_while_starting() -> Result<(), Box<dyn std::error::Error>> {
    tracing::info!("stopped while starting");
    Ok(())
}

/// Raises the limit of open files to its maximum. Every connection is a file, and
/// the default limit is far below what is allowed.
fn raise_open_files() {
    let limit = getrlimit(Resource::Nofile);
    if limit.current == limit.maximum {
        return;
    }
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, allowed = limit.current, "open file limit could not be raised");
    }
}

/// Prints a line to standard output, where a parent process may wait for it.
fn announce(line: &str) {
    if print(line).is_err() {
        tracing::info!("{line}");
    }
}

fn print(line: &str) -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{line}")?;
    output.flush()
}

/// Says why the process fails, without blocking on a standard error that nobody
/// reads.
fn fail(logging: &Logging, why: &str) -> ExitCode {
    logging.write_line(&format!("dlm-server: {why}"));
    ExitCode::FAILURE
}
