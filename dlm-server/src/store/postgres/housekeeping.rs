//! Housekeeping on a connection of its own, whose commits are not synced, so that no batch waits
//! for it.

use dlm_pq::PqConnection;

use super::connection::{CommitDurability, ConnectOptions, Reconnecting};
use super::{bulk, log};
use crate::store::statement::statements;
use crate::store::{ClaimRowKey, Housekeeping, KeyDeletion, LogTrim, StoreError};

statements! {
    DeleteKeys -> () = "DELETE FROM claims WHERE (key, resource, principal) > (?, ?, ?) \
        AND (key, resource, principal) <= (?, ?, ?) AND ended_at < ?";
}

pub(super) struct PostgresHousekeeping(Reconnecting);

impl PostgresHousekeeping {
    pub(super) fn new(options: &ConnectOptions) -> Self {
        Self(Reconnecting::new(options.clone(), CommitDurability::MayBeLost))
    }
}

impl Housekeeping for PostgresHousekeeping {
    fn delete_keys(&mut self, deletion: &KeyDeletion) -> Result<usize, StoreError> {
        self.0.with(|connection| delete_keys(connection, deletion))
    }

    fn trim_log(&mut self, trim: &LogTrim) -> Result<usize, StoreError> {
        self.0.with(|connection| log::trim(connection, trim))
    }
}

/// See [`Housekeeping::delete_keys`].
pub(super) fn delete_keys(
    connection: &mut PqConnection,
    deletion: &KeyDeletion,
) -> Result<usize, StoreError> {
    let start = ClaimRowKey::or_first(deletion.after.as_ref());
    let last = &deletion.last;
    let params = vec![
        (&*start.key).into(),
        (&*start.resource).into(),
        (&*start.principal).into(),
        (&*last.key).into(),
        (&*last.resource).into(),
        (&*last.principal).into(),
        deletion.cutoff.0.into(),
    ];
    Ok(bulk::run::<DeleteKeys>(connection, params)?)
}
