//! The call that writes an optimistic batch, and its outcome.

use diesel::result::{DatabaseErrorKind, Error as DieselError, QueryResult};
use dlm_engine::Micros;

use super::{COMMIT_TIMEOUT, PostgresStore, or_exists};
use crate::clock::since_boot;
use crate::store::optimistic::{Applied, OptimisticBatch};
use crate::store::postgres::bulk;
use crate::store::postgres::columns::Rows;
use crate::store::postgres::connection::REPLY_TIMEOUT;
use crate::store::postgres::optimistic::{self, Caller, CommitBatch, MAX_LAG_WITHOUT_EXPIRY};
use crate::store::{StoreError, event, is_conflict};

impl PostgresStore {
    /// See [`Store::commit_optimistic`](crate::store::Store::commit_optimistic).
    pub(super) fn call(&mut self, batch: &OptimisticBatch<'_>) -> Result<Option<Applied>, StoreError> {
        self.places.make_room();
        let (rows, events) =
            (Rows::of(batch.writes, &self.places), event::to_json(batch.events, batch.writes)?);
        let Some(expected) = self.marked.take() else { return Ok(None) };
        self.expected_mark = Some(expected);
        // Known again if the call writes the row.
        let marker_place = std::mem::take(&mut self.marker_place);
        let caller = Caller {
            writer: self.id,
            last_batch: expected,
            marker_place: &marker_place,
            places: &self.places,
            all_or_nothing: self.peers.are_absent() || !self.contention.is_likely(since_boot()),
        };
        let params = optimistic::params(batch, &rows, &events, &caller);
        self.connection.take_notices();
        self.connection.set_deadline(Some(COMMIT_TIMEOUT));
        let replied: QueryResult<Vec<optimistic::Reply>> =
            bulk::load::<CommitBatch, _>(&mut self.connection, params);
        self.connection.set_deadline(Some(REPLY_TIMEOUT));
        let mut reply = match replied.map(|replies| replies.into_iter().next()) {
            Ok(Some(reply)) => reply,
            Err(error) if was_refused(&error) => {
                self.marked = Some(expected);
                if dlm_pq::sqlstate(&error).is_some_and(is_conflict) {
                    self.contention.conflict(since_boot());
                }
                // Perhaps because it was estimated wrong.
                self.clock.reset();
                self.lateness.late(since_boot());
                return or_exists(Err(error));
            }
            Err(error) => {
                tracing::error!(%error, "call failed");
                return Err(StoreError::CommitOutcomeUnknown);
            }
            Ok(None) => return Err(StoreError::CommitOutcomeUnknown),
        };
        self.require_replicated()?;
        if reply.omitted.as_ref().is_some_and(|omitted| !omitted.is_empty()) {
            self.contention.conflict(since_boot());
        }
        reply.update(&mut self.places, batch.resources, &rows);
        let optimistic::Reply { clock, number, is_valid, is_replicated, ref marked_place, .. } = reply;
        self.marker_place = match (number, marked_place) {
            (Some(_), Some(place)) => place.clone(),
            _ => marker_place,
        };
        if clock < batch.decided_at.0 {
            self.clock.reset();
        }
        self.clock.observe(Micros(clock), since_boot());
        let was_in_time = optimistic::is_in_time(batch, clock);
        match was_in_time {
            true => self.lateness.in_time(),
            false => self.lateness.late(since_boot()),
        }
        // Otherwise the marker row is not as expected, and the next transaction tells why.
        self.marked = number.or(Some(expected).filter(|_| is_valid || !was_in_time));
        // What was only read may not be on the standby, and nobody knew that it has to be.
        let is_confirmed = number.is_some() || self.replicated || !is_replicated;
        self.replicated = is_replicated;
        Ok(reply.applied().filter(|_| is_confirmed))
    }

    /// See [`Store::resolve_optimistic`](crate::store::Store::resolve_optimistic).
    pub(super) fn resolve_call(&mut self, decided_at: Micros) -> Result<Option<Applied>, StoreError> {
        let expected = self.expected_mark.take();
        let Some(marker) = self.take_marker()? else { return Ok(None) };
        // A lower number is not from the call: the database has lost commits, or the row was
        // deleted and inserted again.
        let is_applied = expected.is_some_and(|expected| marker.batch > expected);
        Ok(is_applied.then(|| Applied {
            number: Some(marker.batch),
            clock: Micros(decided_at.0 + MAX_LAG_WITHOUT_EXPIRY),
            omitted: optimistic::indexes(marker.left_out),
        }))
    }
}

/// Whether a call was refused as a whole, or never sent. After any other error its outcome is
/// unknown: a backend that was ended may have committed before.
fn was_refused(error: &DieselError) -> bool {
    // admin_shutdown, crash_shutdown, cannot_connect_now, idle_session_timeout.
    let was_ended = dlm_pq::sqlstate(error).is_some_and(|code| code.starts_with("57P"));
    match error {
        DieselError::DatabaseError(kind, _) => {
            !was_ended && !matches!(kind, DatabaseErrorKind::ClosedConnection)
        }
        error => matches!(error, DieselError::SerializationError(_) | DieselError::QueryBuilderError(_)),
    }
}
