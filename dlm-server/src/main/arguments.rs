//! The arguments of the program.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use dlm_server::{AuditOptions, LogFormat, TroubleThresholds, WebhookOptions};

/// A distributed lock manager: locks with leases, fencing tokens and a fair
/// queue, over HTTP.
#[derive(Debug, Parser)]
#[command(name = "dlm-server", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// The address to listen on, `host:port`; port 0 picks a free port. May be
    /// repeated, or a comma-separated list. With `--tls-cert` it is TLS; `http://` or
    /// `https://` before an address chooses. `unix:/path` is a Unix socket.
    #[arg(
        long,
        env = "DLM_LISTEN",
        default_value = "127.0.0.1:7420",
        value_delimiter = ',',
        value_name = "ADDRESS"
    )]
    pub(crate) listen: Vec<String>,

    /// An address that serves only `/livez`, `/readyz` and `/metrics`, over plain HTTP.
    #[arg(long, env = "DLM_PROBE_LISTEN", value_name = "ADDRESS")]
    pub(crate) probe_listen: Option<String>,

    /// The certificate of the server, with the chain to its authority; PEM. It is read
    /// again when it changes, and on SIGHUP.
    #[arg(long, env = "DLM_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,

    /// The private key of the certificate; PEM.
    #[arg(long, env = "DLM_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,

    /// The authorities of client certificates; PEM. A certificate that a client presents
    /// must be from one of them; it may present none.
    #[arg(long, env = "DLM_TLS_CLIENT_CA", value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_client_ca: Option<PathBuf>,

    /// The database: `sqlite://path`, or `postgres://…` for several servers.
    #[arg(
        long,
        env = "DLM_DATABASE_URL",
        default_value = "sqlite://dlm.db",
        hide_env_values = true,
        global = true
    )]
    pub(crate) database_url: String,

    /// The number of Postgres connections that write, each for a share of the
    /// resource names.
    #[arg(long, env = "DLM_WRITERS", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub(crate) writers: u16,

    /// How long an idle resource is kept, for example `24h`. Its fencing tokens
    /// keep growing after it was deleted.
    #[arg(long, env = "DLM_IDLE_RETENTION", default_value = "24h", value_parser = humantime::parse_duration)]
    pub(crate) idle_retention: Duration,

    /// The maximum age of events in the log, for example `7d`.
    #[arg(long, env = "DLM_EVENT_RETENTION", default_value = "7d", value_parser = humantime::parse_duration)]
    pub(crate) event_retention: Duration,

    /// The maximum number of events in the log.
    #[arg(long, env = "DLM_EVENT_LIMIT", default_value_t = 10_000_000)]
    pub(crate) event_limit: u64,

    /// A file with the secret that signs lease ids, at least 32 bytes; by default
    /// a random secret is generated and stored in the database.
    #[arg(long, env = "DLM_SECRET_FILE")]
    pub(crate) secret_file: Option<PathBuf>,

    /// A TOML file that says who may do what. It is read again on SIGHUP and when it
    /// has changed. Without it everyone who can reach the server may do everything.
    #[arg(long, env = "DLM_AUTH_FILE", value_name = "FILE")]
    pub(crate) auth_file: Option<PathBuf>,

    /// Where to record denials, force-releases and reloads, one JSON object per line: a
    /// file, or `-` for standard output. SIGHUP opens the file again.
    #[arg(long, env = "DLM_AUDIT_LOG", value_name = "FILE", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) audit_log: Option<String>,

    /// Record grants in the audit log too. Needs `--audit-log`.
    #[arg(long, env = "DLM_AUDIT_GRANTS")]
    pub(crate) audit_grants: bool,

    /// Refuse a force-release that can't be recorded in the audit log. Needs `--audit-log`.
    #[arg(long, env = "DLM_AUDIT_STRICT")]
    pub(crate) audit_strict: bool,

    /// Where to report troubles, by POST: locks that are waited for or held too long, and
    /// possible deadlocks. Needs `--webhook-secret-file`.
    #[arg(
        long,
        env = "DLM_WEBHOOK",
        value_name = "URL",
        hide_env_values = true,
        requires = "webhook_secret_file"
    )]
    pub(crate) webhook: Option<String>,

    /// A file with the secret, at least 16 bytes, that reports to the webhook are signed with.
    #[arg(long, env = "DLM_WEBHOOK_SECRET_FILE", value_name = "FILE")]
    pub(crate) webhook_secret_file: Option<PathBuf>,

    /// How long a wait is before it is a trouble, for example `60s`.
    #[arg(long, env = "DLM_TROUBLE_WAIT", default_value = "60s", value_parser = humantime::parse_duration)]
    pub(crate) trouble_wait: Duration,

    /// How long a lock that others wait for is held before that is a trouble, for example
    /// `10m`; by default it is none.
    #[arg(long, env = "DLM_TROUBLE_HOLD", value_parser = humantime::parse_duration)]
    pub(crate) trouble_hold: Option<Duration>,

    /// Allow a listen address that is reachable from other machines, without
    /// authentication.
    #[arg(long, env = "DLM_INSECURE_NO_AUTH")]
    pub(crate) insecure_no_auth: bool,

    /// Allow `http://` on an address that is reachable from other machines although
    /// there is a certificate.
    #[arg(long, env = "DLM_INSECURE_PLAINTEXT")]
    pub(crate) insecure_plaintext: bool,

    /// The network of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are
    /// believed, for example `10.1.0.0/16`; may be repeated, or a comma-separated list.
    #[arg(long = "trusted-proxy", env = "DLM_TRUSTED_PROXY", value_delimiter = ',', value_name = "CIDR")]
    pub(crate) trusted_proxies: Vec<String>,

    /// A host name, without a port, that requests may use besides loopback names
    /// and the listen address; may be repeated, or a comma-separated list.
    #[arg(long = "allowed-host", env = "DLM_ALLOWED_HOST", value_delimiter = ',', value_name = "NAME")]
    pub(crate) allowed_hosts: Vec<String>,

    /// Maximum open connections, WebSockets included. The limit of open files may
    /// allow fewer.
    #[arg(long, env = "DLM_MAX_CONNECTIONS", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections: u32,

    /// Maximum open connections from one IP address, or from one IPv6 network of 64
    /// bits; by default four fifths of all connections. A `--trusted-proxy` may have all.
    #[arg(long, env = "DLM_MAX_CONNECTIONS_PER_ADDRESS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_connections_per_address: Option<u32>,

    /// Maximum open sessions of one principal; without `--auth-file` there is no limit.
    #[arg(long, env = "DLM_MAX_SESSIONS_PER_PRINCIPAL", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_sessions_per_principal: u32,

    /// Maximum open event streams of one principal; without `--auth-file` there is no
    /// limit.
    #[arg(long, env = "DLM_MAX_SUBSCRIBERS_PER_PRINCIPAL", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_subscribers_per_principal: u32,

    /// How long an HTTP/1 connection may be idle between two requests, for example
    /// `75s`. With `0s`, each connection is closed after one response.
    #[arg(long, env = "DLM_KEEP_ALIVE", default_value = "75s", value_parser = humantime::parse_duration)]
    pub(crate) keep_alive: Duration,

    /// The format of log lines.
    #[arg(long, env = "DLM_LOG_FORMAT", default_value = "text")]
    pub(crate) log_format: LogFormat,

    /// What to log to standard error, for example `info` or `dlm_server=debug`.
    #[arg(long = "log", env = "DLM_LOG", default_value = "info")]
    pub(crate) log: String,
}

impl Arguments {
    /// The options of the webhook, if there is one.
    pub(crate) fn webhook(&self) -> Option<WebhookOptions> {
        Some(WebhookOptions { url: self.webhook.clone()?, secret_file: self.webhook_secret_file.clone()? })
    }

    /// From when on a wait or a hold is a trouble.
    pub(crate) fn troubles(&self) -> TroubleThresholds {
        TroubleThresholds { wait: self.trouble_wait, hold: self.trouble_hold }
    }

    /// The options of the audit log, if there is one.
    pub(crate) fn audit(&self) -> Result<Option<AuditOptions>, &'static str> {
        let (strict, grants) = (self.audit_strict, self.audit_grants);
        match self.audit_log.as_deref() {
            Some(log) => Ok(Some(AuditOptions { destination: log.into(), strict, grants })),
            // Not checked by clap, for which a variable that is `false` is an argument.
            None if strict || grants => Err("--audit-strict and --audit-grants need --audit-log"),
            None => Ok(None),
        }
    }
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
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
    /// Print what a SQLite database contains, one JSON object a line. A server may be
    /// running on it. Needs the right to write the file too, but changes nothing in it.
    Show {
        /// The live leases, the waiters, or the event log.
        #[arg(value_parser = ["holders", "waiters", "events"])]
        what: String,
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
pub(crate) enum TokenCommand {
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
pub(crate) enum AuthCommand {
    /// Check an auth file: exit with 0 if a server would accept it, otherwise print the
    /// line and the reason, and exit with 1.
    Check {
        /// The auth file.
        file: PathBuf,
    },
}
