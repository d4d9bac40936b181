//! How the writer loads and writes claims.

use diesel::sqlite::SqliteConnection;
use dlm_engine::{Claim, ClaimKey, EndReason, Mode, Phase};

use super::fixed::{
    self, EndClaim, FindClaim, InsertClaim, InsertEnded, InsertLease, LoadClaims, RenewClaim, UpdateClaim,
    UpsertClaim,
};
use super::journal::tail::{DirtyClaim, StoredClaim};
use crate::store::claim_columns::ClaimRecord;
use crate::store::rows::{ClaimRow, claims_in_order};
use crate::store::{Name, StoreError};

/// Loads claims.
pub(super) fn load(
    connection: &mut SqliteConnection,
    keys: &[(&Name, &ClaimKey)],
) -> Result<Vec<Option<Claim>>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let asked = asked(keys)?;
    let rows: Vec<(String, ClaimRow)> = fixed::load::<LoadClaims, _, 1>(connection, [(&*asked).into()])?;
    claims_in_order(rows, keys)
}

/// Writes a claim of the tail. The most frequent changes have statements of their own.
pub(super) fn write(
    connection: &mut SqliteConnection,
    name: &str,
    dirty: &DirtyClaim,
) -> Result<(), StoreError> {
    let record = ClaimRecord::of(name, &dirty.claim, dirty.mode, dirty.check_at);
    one_row(match (dirty.stored, &dirty.claim.phase) {
        (StoredClaim::Absent, Phase::Live(lease)) if lease.ticket.is_none() => {
            fixed::run_claim::<InsertLease, _>(connection, &record)?
        }
        (StoredClaim::Absent, Phase::Ended(tombstone))
            if tombstone.reason != EndReason::ForceReleased
                && tombstone.lease.as_ref().is_some_and(|lease| lease.ticket.is_none()) =>
        {
            fixed::run_claim::<InsertEnded, _>(connection, &record)?
        }
        (StoredClaim::Absent, _) => fixed::run_claim::<InsertClaim, _>(connection, &record)?,
        (StoredClaim::Live, Phase::Live(_)) => fixed::run_claim::<RenewClaim, _>(connection, &record)?,
        (StoredClaim::Live, Phase::Ended(tombstone))
            if dirty.mode == Mode::Exclusive && tombstone.reason != EndReason::ForceReleased =>
        {
            fixed::run_claim::<EndClaim, _>(connection, &record)?
        }
        (StoredClaim::Unknown, _) => fixed::run_claim::<UpsertClaim, _>(connection, &record)?,
        (StoredClaim::Live | StoredClaim::Other, _) => {
            fixed::run_claim::<UpdateClaim, _>(connection, &record)?
        }
    })
}

/// Whether any of these claims is in the table.
pub(super) fn any_exists(
    connection: &mut SqliteConnection,
    keys: &[(&Name, &ClaimKey)],
) -> Result<bool, StoreError> {
    if keys.is_empty() {
        return Ok(false);
    }
    let asked = asked(keys)?;
    let found: Vec<i64> = fixed::load::<FindClaim, _, 1>(connection, [(&*asked).into()])?;
    Ok(!found.is_empty())
}

/// The keys as a parameter of a statement: a JSON array of `[key, resource, principal]`.
fn asked(keys: &[(&Name, &ClaimKey)]) -> Result<String, StoreError> {
    let asked: Vec<[&str; 3]> = keys.iter().map(|(name, key)| [&*key.key, name, &*key.principal]).collect();
    serde_json::to_string(&asked).map_err(|error| StoreError::Rejected(error.to_string()))
}

pub(super) fn one_row(written: usize) -> Result<(), StoreError> {
    match written {
        1 => Ok(()),
        _ => Err(StoreError::Corrupt(format!("a write changed {written} rows instead of one"))),
    }
}

#[cfg(test)]
mod tests;
