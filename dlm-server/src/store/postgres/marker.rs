//! The marker row of a writer, which says whether a batch of unknown outcome was applied.

use diesel::connection::Connection;
use diesel::sql_types::{Array, BigInt, Nullable};
use dlm_pq::PqConnection;

use super::bulk;
use crate::clock::since_boot;
use crate::store::StoreError;
use crate::store::error::LOCK_NOT_AVAILABLE;
use crate::store::statement::statements;

/// How long to wait for the outcome of a commit.
const OUTCOME_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(3);

statements! {
    /// Batches of an earlier run of this writer have their positions already.
    AddPlaced -> () = "INSERT INTO placed (writer, batch) VALUES (?, nextval('batches')) ON CONFLICT DO NOTHING";
    AddMarker -> () = "INSERT INTO writers (id, replica, batch, at) VALUES (?, ?, 0, 0) ON CONFLICT DO NOTHING";
    /// Waits for a transaction that has written it and is still in progress.
    ReadMarker -> (BigInt, Nullable<Array<BigInt>>) = "SELECT batch, left_out FROM writers WHERE id = ? FOR UPDATE";
    RenumberMarker -> BigInt = "UPDATE writers SET batch = nextval('batches'), left_out = NULL WHERE id = ? \
        RETURNING batch";
}

/// What a marker row told, and the number that it has now.
pub(super) struct Marker {
    /// The last batch of the writer.
    pub(super) batch: i64,
    /// The resources that this batch left out, by their positions in it.
    pub(super) left_out: Option<Vec<i64>>,
    /// No call or transaction that was given up can be applied to a marker with this number.
    pub(super) number: i64,
}

/// Reads the marker and gives it another number, in one transaction.
///
/// A call that was given up may reach the database after this. It compares the marker with
/// the number that it had, so from here on it writes nothing. `None` if the marker was deleted.
pub(super) fn take(connection: &mut PqConnection, id: i64) -> Result<Option<Marker>, StoreError> {
    let deadline = since_boot() + OUTCOME_TIMEOUT;
    loop {
        let taken = connection.transaction(|connection| {
            let read: Vec<(i64, Option<Vec<i64>>)> =
                bulk::load::<ReadMarker, _>(connection, vec![id.into()])?;
            let Some((batch, left_out)) = read.into_iter().next() else { return Ok(None) };
            let numbers: Vec<i64> = bulk::load::<RenumberMarker, _>(connection, vec![id.into()])?;
            let number = numbers.first().copied().unwrap_or_default();
            Ok(Some(Marker { batch, left_out, number }))
        });
        match taken {
            Err(error) if dlm_pq::sqlstate(&error) == Some(LOCK_NOT_AVAILABLE) && since_boot() < deadline => {
            }
            taken => return Ok(taken?),
        }
    }
}
