//! How the writer has the tables follow the journal.

use std::time::Duration;

use super::SqliteStore;
use super::connection::Commits;
use crate::clock::since_boot;
use crate::store::sqlite::journal::apply::{self, Budget};
use crate::store::{Store, StoreError};

impl SqliteStore {
    /// Applies a part of the tail, if that is due. Returns when to do it again.
    pub(super) fn apply_what_is_due(&mut self) -> Result<Option<Duration>, StoreError> {
        match self.pace.due_in(&self.tail, since_boot()) {
            Some(Duration::ZERO) => {}
            later => return Ok(later),
        }
        match self.apply_oldest(self.pace.part(&self.tail)) {
            Ok(()) => {}
            Err(error @ (StoreError::Unavailable(_) | StoreError::Locked(_))) => {
                if self.pace.failed(since_boot()) {
                    tracing::warn!(%error, "tables not brought up to date; retrying");
                }
            }
            Err(error) => return Err(error),
        }
        Ok(self.pace.due_in(&self.tail, since_boot()))
    }

    pub(super) fn apply_all(&mut self) -> Result<(), StoreError> {
        match self.tail.is_empty() {
            true => Ok(()),
            false => self.apply_oldest(Budget::ALL),
        }
    }

    /// Applies the oldest changes of the tail, in a transaction of its own that is not
    /// synced: if the machine fails, the tail is longer, and nothing else.
    pub(super) fn apply_oldest(&mut self, budget: Budget) -> Result<(), StoreError> {
        if self.outcome_unknown {
            self.reconnect()?;
        }
        self.connection.configure(Commits::Unsynced, Duration::ZERO)?;
        self.begin_immediate()?;
        let applied = match apply::oldest(&mut self.connection, &self.tail, budget) {
            Ok(applied) => applied,
            Err(error) => {
                self.connection.rollback();
                return Err(error);
            }
        };
        if let Err(error) = self.connection.commit() {
            self.connection.rollback();
            self.tail.doubt(&applied);
            return Err(error);
        }
        self.tail.forget(&applied);
        self.pace.applied(&self.tail, since_boot());
        Ok(())
    }
}
