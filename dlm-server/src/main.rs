//! The `dlm-server` binary.

#[path = "main/arguments.rs"]
mod arguments;

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use arguments::{Arguments, AuthCommand, Command, TokenCommand};
use clap::Parser;
use dlm_server::{
    Logging, Server, Shown, StartError, TokenRequest, check_auth_file, new_token, show, start_logging,
};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A batch makes thousands of small allocations. With the system's allocator they
/// took a tenth of the server's time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    if let Some(Command::Show { what }) = &arguments.command {
        return match show_lines(&arguments.database_url, what) {
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
        Command::Restore { .. } | Command::Show { .. } => None,
    }
}

/// Prints a part of a database.
fn show_lines(database_url: &str, what: &str) -> Result<(), String> {
    let shown = match what {
        "holders" => Shown::Holders,
        "waiters" => Shown::Waiters,
        _ => Shown::Events,
    };
    let mut output = BufWriter::new(std::io::stdout().lock());
    show(database_url, shown, &mut |line| writeln!(output, "{line}"))
        .and_then(|()| Ok(output.flush()?))
        .map_err(|error| error.to_string())
}

async fn run(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let audit = arguments.audit()?;
    let (webhook, troubles) = (arguments.webhook(), arguments.troubles());
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
        .max_sessions_per_principal(arguments.max_sessions_per_principal as usize)
        .max_subscribers_per_principal(arguments.max_subscribers_per_principal as usize)
        .keep_alive(arguments.keep_alive)
        .audit(audit)
        .troubles(troubles)
        .webhook(webhook);
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
