//! Several servers on one Postgres database.

mod authentication_turned_on;
mod failures;
mod grants;
mod joined_writers;
mod quotas;
mod release_requests;

use std::sync::Arc;

use crate::harness::{Backend, Postgres, ServerProcess};

/// Starts this many servers on a new database.
fn start_replicas(count: usize) -> Vec<ServerProcess<Postgres>> {
    let database = Arc::new(Postgres::new());
    (0..count).map(|_| ServerProcess::on(&database, &[])).collect()
}
