//! System tests: the real server binary on a new database per test, over HTTP,
//! over session sockets, and through the client library.
//!
//! On both databases:
//!
//! - `behaviors`: the behaviors that must hold, each test named after its number
//! - `contract`: the wire contract, field by field
//! - `crash`: a server killed repeatedly under load
//!
//! On SQLite or Postgres, whichever the test needs:
//!
//! - `authentication`: auth files, tokens, JWTs, and what callers without them get
//! - `audit`: the audit log
//! - `command_line`: `dlm`, the command
//! - `connections`: their number, their deadlines, requests that can't be parsed
//! - `chaos`: servers and databases that fail repeatedly under load
//! - `crash_points`: a server on SQLite that ends at a random write or sync
//! - `database_outage`: an unavailable database, connections broken at a COMMIT
//! - `disk_faults`: a disk that hangs, fails to sync, or is full
//! - `examples`: the example programs, and the README's commands
//! - `foreign_clients`: requests as other libraries, proxies and probes send them
//! - `full_disk`: a database that can't be written
//! - `idle`: what a server costs that has nothing to do
//! - `load_generator`: `dlm-load` on servers with and without protection
//! - `memory`: what peers that do not read cost
//! - `monitoring`: the overview, the UI's pages, the checks of Host and Origin
//! - `postgres_connections`: what a connection must support, hanging and canceled
//!   commits, newer schemas
//! - `postgres_history`: the events of one lock
//! - `postgres_names`: the rows of names
//! - `postgres_only`: row locks, late commits, concurrent startup, TLS
//! - `proxies`: nginx and HAProxy in front of a server
//! - `replicas`: several servers on one Postgres database
//! - `sockets`: upgrade, pings, silent peers, bookmarks, drain
//! - `sqlite_locked`: a database file that another program has locked
//! - `sqlite_only`: the exclusive lock on the database file
//! - `sqlite_show`: what `dlm-server show` prints
//! - `stale_cache`: cached state that another server has changed
//! - `tls`: TLS, its certificates, several listeners, trusted proxies
//! - `transports`: many pending operations, unresponsive peers, shutdown
//! - `unix_socket`: a server that listens on a Unix socket
//! - `unwritable_log`: log lines that can't be written
//! - `webhook`: troubles that are reported to a URL
//!
//! `harness` has the servers, databases, clients and fault injection for them.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::duplicate_mod, reason = "the same tests run on both databases")]

mod audit;
mod authentication;
mod chaos;
mod command_line;
mod connections;
mod crash_points;
mod database_outage;
mod disk_faults;
mod example_jobs;
mod examples;
mod foreign_clients;
mod full_disk;
mod harness;
mod idle;
mod load_generator;
mod memory;
mod monitoring;
mod optimistic_batches;
mod postgres_connections;
mod postgres_history;
mod postgres_names;
mod postgres_only;
mod proxies;
mod replicas;
mod sockets;
mod sqlite_locked;
mod sqlite_only;
mod sqlite_show;
mod stale_cache;
mod tls;
mod transports;
mod unix_socket;
mod unwritable_log;
mod webhook;

/// Declares the tests that run on every database.
macro_rules! database_tests {
    ($module:ident, $backend:ty) => {
        #[path = "."]
        mod $module {
            pub(crate) type Database = $backend;
            pub(crate) type TestServer = crate::harness::ServerProcess<Database>;

            mod behaviors;
            mod contract;
            mod crash;
        }
    };
}

database_tests!(sqlite, crate::harness::Sqlite);
database_tests!(postgres, crate::harness::Postgres);

/// Declares the behavior tests that also run over session sockets.
macro_rules! session_tests {
    ($module:ident, $backend:ty) => {
        #[path = "."]
        mod $module {
            pub(crate) type TestServer =
                crate::harness::ServerProcess<$backend, crate::harness::OverSessions>;

            #[path = "behaviors"]
            mod behaviors {
                mod idempotency;
                mod locks;
                mod ownership;
                mod persistence;
                mod queue;
                mod renewal;
                mod tokens;
            }
        }
    };
}

session_tests!(sqlite_over_sessions, crate::harness::Sqlite);
session_tests!(postgres_over_sessions, crate::harness::Postgres);
