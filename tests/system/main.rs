//! dlm from outside: the real server binary on a database of its own, over
//! HTTP and through the client; each story on both databases.
//!
//! - `harness`: servers, an HTTP client, a proxy that fails, conditions
//! - `behaviours`: the cases that must hold, each named after its number
//! - `contract`: the wire, field by field
//! - `crash`: the server killed again and again under load
//! - `absence`: databases and servers that are away for a moment
//! - `memory`: what servers keep in memory, held against what others stored
//! - `replicas`: several servers on one Postgres
//! - `chaos`: servers and databases that die under busy clients
//! - `transports`: many operations at once, peers that do not answer, the end
//! - `sockets`: upgrades, pings, silence, the end of a socket
//! - `programs`: the examples, and the README's lines
//! - `watching`: the overview, the pages, and who may reach them
//! - `embedded`: what only a database that belongs to one server does

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]
#![expect(clippy::duplicate_mod, reason = "each story is told on both databases")]

mod absence;
mod chaos;
mod embedded;
mod harness;
mod memory;
mod programs;
mod replicas;
mod sockets;
mod transports;
mod watching;

/// What is told of every database.
macro_rules! stories {
    ($module:ident, $backend:ty) => {
        #[path = "."]
        mod $module {
            pub(crate) type Database = $backend;
            pub(crate) type TestServer = crate::harness::Server<Database>;

            mod behaviours;
            mod contract;
            mod crash;
        }
    };
}

stories!(sqlite, crate::harness::Sqlite);
stories!(postgres, crate::harness::Postgres);

/// What applies to both transports, over the session.
macro_rules! stories_over_sessions {
    ($module:ident, $backend:ty) => {
        #[path = "."]
        mod $module {
            pub(crate) type TestServer = crate::harness::Server<$backend, crate::harness::OverSessions>;

            #[path = "behaviours"]
            mod behaviours {
                mod holder;
                mod idempotency;
                mod locks;
                mod persistence;
                mod queue;
                mod renewal;
                mod tokens;
            }
        }
    };
}

stories_over_sessions!(sqlite_over_sessions, crate::harness::Sqlite);
stories_over_sessions!(postgres_over_sessions, crate::harness::Postgres);
