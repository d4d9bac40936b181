//! Shows what a SQLite database contains, as lines of JSON.

use std::io;

use dlm_protocol::Waiter;
use serde::Serialize;

use super::OpenError;
use super::wire::{holder, waiter};
use crate::log::LogDecoder;
use crate::metrics::Metrics;
use crate::store::{Inspection, LogPage, StoreError, inspect};

/// What to show of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// The live leases, in the order of their resources.
    Holders,
    /// The waiters, in the order of their resources and queues.
    Waiters,
    /// The event log, oldest first.
    Events,
}

/// Why [`show`] failed.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("could not read the database: {0}")]
    Read(String),
    #[error("could not write: {0}")]
    Write(#[from] io::Error),
}

impl From<StoreError> for ShowError {
    fn from(error: StoreError) -> Self {
        Self::Read(error.to_string())
    }
}

#[derive(Serialize)]
struct OfResource<'a, T> {
    resource: &'a str,
    #[serde(flatten)]
    value: T,
}

/// Shows a part of a SQLite database, also while a server runs on it, or after one was
/// killed: each lease, waiter or event as a JSON object, which `line` gets. The database is not
/// changed.
///
/// # Errors
///
/// Returns an error that tells the operator what is wrong with the database, or what `line`
/// failed with.
pub fn show(
    database_url: &str,
    shown: Shown,
    line: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), ShowError> {
    let mut database = inspect(database_url)?;
    match shown {
        Shown::Holders => database.for_each_holder(|name, claim| {
            print(line, &OfResource { resource: name, value: holder(claim)? })
        }),
        Shown::Waiters => database.for_each_waiter(|name, position, claim| {
            // Only a server knows whether others are still parked at it.
            let waiter: Option<Waiter> = waiter(claim, position, &|_| false)?;
            waiter.map_or(Ok(()), |value| print(line, &OfResource { resource: name, value }))
        }),
        Shown::Events => show_events(&mut database, line),
    }
}

fn show_events(
    database: &mut Inspection,
    line: &mut dyn FnMut(&str) -> io::Result<()>,
) -> Result<(), ShowError> {
    let decoder = LogDecoder::new(database.log_id(), Metrics::new());
    let mut from = 0;
    loop {
        let LogPage { rows, more, .. } = database.log(from)?;
        for row in &rows {
            for (at, event) in decoder.events(row) {
                if let Some(event) = decoder.wire(at, &event) {
                    print(line, &event)?;
                }
            }
        }
        match rows.last() {
            Some(last) if more => from = last.position + 1,
            _ => return Ok(()),
        }
    }
}

fn print(line: &mut dyn FnMut(&str) -> io::Result<()>, value: &impl Serialize) -> Result<(), ShowError> {
    let text = serde_json::to_string(value).map_err(|error| ShowError::Read(error.to_string()))?;
    Ok(line(&text)?)
}
