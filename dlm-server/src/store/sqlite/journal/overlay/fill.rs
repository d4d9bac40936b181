//! Writes the temporary tables.

use diesel::connection::SimpleConnection;
use diesel::sqlite::SqliteConnection;
use dlm_engine::{ClaimKey, Phase};

use super::changes::{Changed, Changes, ClaimState, ResourceRow};
use crate::store::StoreError;
use crate::store::StoredFloor;
use crate::store::claim_columns::{ALL, ClaimColumn, ClaimRecord, KEY, STATE, concat};
use crate::store::sqlite::fixed::{self, Value, claim_statements, replace_into, update_of};
use crate::store::statement::statements;

const CLEAR: &str = "DELETE FROM tail_resources; DELETE FROM changed_resources; DELETE FROM tail_claims; \
    DELETE FROM changed_claims; DELETE FROM tail_floors; DELETE FROM changed_floors";

statements! {
    SetShown -> () = "UPDATE shown SET first = ?, last = ?";
    ForgetResources -> () = "DELETE FROM tail_resources WHERE name IN \
        (SELECT name FROM changed_resources WHERE position < ?)";
    ForgetResourceKeys -> () = "DELETE FROM changed_resources WHERE position < ?";
    ForgetClaims -> () = "DELETE FROM tail_claims WHERE (key, resource, principal) IN \
        (SELECT key, resource, principal FROM changed_claims WHERE position < ?)";
    ForgetClaimKeys -> () = "DELETE FROM changed_claims WHERE position < ?";
    ForgetFloors -> () = "DELETE FROM tail_floors WHERE bucket IN \
        (SELECT bucket FROM changed_floors WHERE position < ?)";
    ForgetFloorKeys -> () = "DELETE FROM changed_floors WHERE position < ?";

    HideResource -> () = "REPLACE INTO changed_resources (name, position) VALUES (?, ?)";
    PutResource -> () = "REPLACE INTO tail_resources (name, version, token, touched_at, check_at, queue_len, \
        holder_count, holder_principal, holder_key, last_events) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
    RemoveResource -> () = "DELETE FROM tail_resources WHERE name = ?";

    HideFloor -> () = "REPLACE INTO changed_floors (bucket, position) VALUES (?, ?)";
    /// A floor is only ever raised, also above the one in the table.
    RaiseFloor -> () = "INSERT INTO tail_floors (bucket, token, version, last_events) \
        SELECT ?, max(?, coalesce(max(token), 0)), max(?, coalesce(max(version), 0)), \
        max(?, coalesce(max(last_events), 0)) FROM main.floors WHERE bucket = ? \
        ON CONFLICT (bucket) DO UPDATE SET token = max(token, excluded.token), \
        version = max(version, excluded.version), last_events = max(last_events, excluded.last_events)";

    HideClaim -> () = "REPLACE INTO changed_claims (resource, principal, key, position) VALUES (?, ?, ?, ?)";
    CopyClaim -> () = "INSERT INTO tail_claims \
        SELECT * FROM main.claims WHERE resource = ? AND principal = ? AND key = ?";
    RemoveClaim -> () = "DELETE FROM tail_claims WHERE resource = ? AND principal = ? AND key = ?";
}

claim_statements! {
    PutClaim: 26 = put(ALL);
    UpdateClaim: 21 = update(concat(STATE, KEY));
}

fn put(columns: &[ClaimColumn]) -> String {
    replace_into("tail_claims", columns)
}

fn update(columns: &[ClaimColumn]) -> String {
    update_of("tail_claims", columns)
}

/// Shows nothing of the journal.
pub(super) fn clear(connection: &mut SqliteConnection) -> Result<(), StoreError> {
    Ok(connection.batch_execute(CLEAR)?)
}

/// Removes what was last changed by a batch before this one: the tables have it, and may have
/// a newer state.
pub(super) fn forget(connection: &mut SqliteConnection, first: i64) -> Result<(), StoreError> {
    let value = || [Value::from(first)];
    fixed::run::<ForgetResources, 1>(connection, value())?;
    fixed::run::<ForgetResourceKeys, 1>(connection, value())?;
    fixed::run::<ForgetClaims, 1>(connection, value())?;
    fixed::run::<ForgetClaimKeys, 1>(connection, value())?;
    fixed::run::<ForgetFloors, 1>(connection, value())?;
    fixed::run::<ForgetFloorKeys, 1>(connection, value())?;
    Ok(())
}

/// Records which batches of the journal are shown.
pub(super) fn set_shown(connection: &mut SqliteConnection, first: i64, last: i64) -> Result<(), StoreError> {
    fixed::run::<SetShown, 2>(connection, [first.into(), last.into()])?;
    Ok(())
}

/// Adds changes to what is shown.
pub(super) fn add(connection: &mut SqliteConnection, changes: &Changes) -> Result<(), StoreError> {
    for (name, changed) in &changes.resources {
        add_resource(connection, name, changed)?;
    }
    for (bucket, Changed { position, state: StoredFloor { floor, last_events } }) in &changes.floors {
        let bucket = || Value::from(*bucket);
        fixed::run::<HideFloor, 2>(connection, [bucket(), (*position).into()])?;
        let (token, version) = (floor.token.into(), floor.version.into());
        let values = [bucket(), token, version, (*last_events).into(), bucket()];
        fixed::run::<RaiseFloor, 5>(connection, values)?;
    }
    for (name, claims) in &changes.claims {
        for (key, changed) in claims {
            add_claim(connection, name, key, changed)?;
        }
    }
    Ok(())
}

fn add_resource(
    connection: &mut SqliteConnection,
    name: &str,
    changed: &Changed<Option<ResourceRow>>,
) -> Result<(), StoreError> {
    fixed::run::<HideResource, 2>(connection, [name.into(), changed.position.into()])?;
    match &changed.state {
        Some(ResourceRow { record: row, holder, last_events }) => {
            let values = [
                name.into(),
                row.version.into(),
                row.token.into(),
                row.touched_at.0.into(),
                row.check_at.0.into(),
                row.queue_len.into(),
                row.holder_count.into(),
                holder.as_ref().map(|key| &*key.principal).into(),
                holder.as_ref().map(|key| &*key.key).into(),
                (*last_events).into(),
            ];
            fixed::run::<PutResource, 10>(connection, values)?;
        }
        None => {
            fixed::run::<RemoveResource, 1>(connection, [name.into()])?;
        }
    }
    Ok(())
}

fn add_claim(
    connection: &mut SqliteConnection,
    name: &str,
    key: &ClaimKey,
    changed: &Changed<ClaimState>,
) -> Result<(), StoreError> {
    let (position, state) = (changed.position, &changed.state);
    let id = || [name.into(), (&*key.principal).into(), (&*key.key).into()];
    let [resource, principal, text] = id();
    if matches!(state.newest.claim.phase, Phase::Ended(_)) {
        // Readers show no tombstone. Most leases need not even be hidden: the table has them as
        // exclusive leases at most, and these are found by the row of their resource alone.
        if !state.is_new {
            fixed::run::<RemoveClaim, 3>(connection, id())?;
        }
        if state.is_listed {
            fixed::run::<HideClaim, 4>(connection, [resource, principal, text, position.into()])?;
        }
        return Ok(());
    }
    fixed::run::<HideClaim, 4>(connection, [resource, principal, text, position.into()])?;
    let claim = &state.newest;
    let record = ClaimRecord::of(name, &claim.claim, claim.mode, claim.check_at);
    if state.is_new {
        fixed::run_claim::<PutClaim, 26>(connection, &record)?;
        return Ok(());
    }
    // Its request is where it was before.
    if fixed::run_claim::<UpdateClaim, 21>(connection, &record)? == 0 {
        fixed::run::<CopyClaim, 3>(connection, id())?;
        if fixed::run_claim::<UpdateClaim, 21>(connection, &record)? == 0 {
            return Err(StoreError::Corrupt(format!("the journal changes an unknown claim on {name:?}")));
        }
    }
    Ok(())
}
