//! How a batch locks its resources and loads those that changed.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use dlm_engine::{Claim, ClaimKey, Floor, Resource};
use dlm_pq::PqConnection;

use super::batch_sql::{LoadClaims, LockSkipping, LockWaiting, ReadAllFloors, ReadFloors};
use super::bulk::{self, Param};
use crate::store::error::LOCK_NOT_AVAILABLE;
use crate::store::rows::{ClaimRow, ResourceRow, claims_in_order};
use crate::store::schema::claims;
use crate::store::{
    CachedVersion, LoadedResource, LockResult, LockTarget, LockWait, Name, StoreError, floor_bucket,
};

/// Loads claims.
pub(super) fn claims(
    connection: &mut PqConnection,
    keys: &[(&Name, &ClaimKey)],
) -> Result<Vec<Option<Claim>>, StoreError> {
    let params = vec![
        Param::texts(keys.iter().map(|(_, key)| &*key.key)),
        Param::texts(keys.iter().map(|(name, _)| &***name)),
        Param::texts(keys.iter().map(|(_, key)| &*key.principal)),
    ];
    let rows: Vec<(String, ClaimRow)> = bulk::load::<LoadClaims, _>(connection, params)?;
    claims_in_order(rows, keys)
}

/// The floors of names without a row.
pub(super) type Floors = HashMap<Name, Floor>;

/// All floors, by bucket.
pub(super) fn all_floors(connection: &mut PqConnection) -> Result<HashMap<i64, Floor>, StoreError> {
    let rows: Vec<(i64, i64, i64)> = bulk::load::<ReadAllFloors, _>(connection, Vec::new())?;
    let floor = |token: i64, version: i64| Floor { token: token as u64, version: version as u64 };
    Ok(rows.into_iter().map(|(bucket, token, version)| (bucket, floor(token, version))).collect())
}

/// A resource's revision and row.
type Row = (i64, ResourceRow);

/// Locks these resources, and loads those of which the writer has no current
/// copy. Returns one result per target, or `None` if the locks were not
/// available in time; the transaction has failed then.
pub(super) fn lock(
    connection: &mut PqConnection,
    targets: &[LockTarget<'_>],
    lock_wait: LockWait,
    floors: &mut Floors,
) -> Result<Option<Vec<LockResult>>, StoreError> {
    let Some(mut locked) = lock_rows(connection, targets, lock_wait)? else { return Ok(None) };
    let missing: Vec<&Name> =
        targets.iter().map(|target| target.name).filter(|name| !locked.contains_key(&***name)).collect();
    if !missing.is_empty() {
        read_floors(connection, &missing, floors)?;
    }
    let stale = targets.iter().filter_map(|target| {
        let row = locked.get(&**target.name)?;
        (!is_current(target, row)).then_some(&row.1)
    });
    let mut live = live_claims(connection, stale)?;
    let mut results = Vec::with_capacity(targets.len());
    for target in targets {
        results.push(match locked.remove(&**target.name) {
            Some(row) if is_current(target, &row) => LockResult::Unchanged,
            Some((revision, row)) => {
                let live = live.remove(&*row.name).unwrap_or_default();
                let loaded = LoadedResource { revision: revision as u64, ..row.into_loaded(live)? };
                LockResult::Loaded(Box::new(loaded))
            }
            None => match floors.get(target.name) {
                Some(floor) => LockResult::Loaded(Box::new(LoadedResource {
                    resource: Resource::absent(*floor),
                    stored_check_at: None,
                    last_events: 0,
                    revision: 0,
                })),
                None => LockResult::LockedElsewhere,
            },
        });
    }
    Ok(Some(results))
}

fn is_current(target: &LockTarget<'_>, (revision, row): &Row) -> bool {
    target.cached == Some(CachedVersion { revision: *revision as u64, version: row.version as u64 })
}

fn lock_rows(
    connection: &mut PqConnection,
    targets: &[LockTarget<'_>],
    lock_wait: LockWait,
) -> Result<Option<HashMap<String, Row>>, StoreError> {
    type Columns = (String, i64, i64, i64, i64, i64, i64, i64, Option<String>, Option<String>);
    let names = vec![Param::texts(targets.iter().map(|target| &**target.name))];
    let rows: Vec<Columns> = match lock_wait {
        LockWait::Skip => bulk::load::<LockSkipping, _>(connection, names)?,
        LockWait::Wait => match bulk::load::<LockWaiting, _>(connection, names) {
            Ok(rows) => rows,
            Err(error) if dlm_pq::sqlstate(&error) == Some(LOCK_NOT_AVAILABLE) => return Ok(None),
            Err(error) => return Err(error.into()),
        },
    };
    let mut locked = HashMap::with_capacity(rows.len());
    for (
        name,
        revision,
        version,
        token,
        touched_at,
        check_at,
        queue_len,
        holder_count,
        holder_principal,
        holder_key,
    ) in rows
    {
        let row = ResourceRow {
            name: name.clone(),
            version,
            token,
            touched_at,
            check_at,
            queue_len,
            holder_count,
            holder_principal,
            holder_key,
        };
        locked.insert(name, (revision, row));
    }
    Ok(Some(locked))
}

/// Reads the floors of names that were not locked. A name has none if it has a
/// row, which is then locked by another replica.
fn read_floors(
    connection: &mut PqConnection,
    names: &[&Name],
    floors: &mut Floors,
) -> Result<(), StoreError> {
    let params = vec![
        Param::texts(names.iter().map(|name| &***name)),
        Param::ints(names.iter().map(|name| floor_bucket(name))),
    ];
    let rows: Vec<(String, bool, i64, i64)> = bulk::load::<ReadFloors, _>(connection, params)?;
    for (name, has_row, token, version) in rows {
        if !has_row {
            floors.insert(Name::from(name), Floor { token: token as u64, version: version as u64 });
        }
    }
    Ok(())
}

/// The live claims of these resources, by resource.
fn live_claims<'a>(
    connection: &mut PqConnection,
    rows: impl Iterator<Item = &'a ResourceRow>,
) -> Result<HashMap<Name, Vec<Claim>>, StoreError> {
    let mut exclusive = HashSet::new();
    let mut shared = Vec::new();
    for row in rows {
        match row.holder() {
            Some(key) => drop(exclusive.insert((row.name.clone(), key))),
            None if row.holder_count > 0 => shared.push(row.name.as_str()),
            None => {}
        }
    }
    let mut found: Vec<(String, ClaimRow)> = Vec::new();
    if !exclusive.is_empty() {
        let names: Vec<&str> = exclusive.iter().map(|(name, _)| name.as_str()).collect();
        let keys: Vec<&str> = exclusive.iter().map(|(_, key)| &*key.key).collect();
        let rows: Vec<(String, ClaimRow)> = claims::table
            .filter(claims::key.eq_any(keys))
            .filter(claims::resource.eq_any(names))
            .select((claims::resource, ClaimRow::as_select()))
            .load(connection)?;
        found.extend(rows.into_iter().filter(|(name, row)| exclusive.contains(&(name.clone(), row.key()))));
    }
    if !shared.is_empty() {
        let rows: Vec<(String, ClaimRow)> = claims::table
            .filter(claims::resource.eq_any(shared))
            .filter(claims::shared_token.gt(0))
            .select((claims::resource, ClaimRow::as_select()))
            .load(connection)?;
        found.extend(rows);
    }
    let mut live: HashMap<Name, Vec<Claim>> = HashMap::new();
    for (name, row) in found {
        live.entry(Name::from(name)).or_default().push(row.into_claim()?);
    }
    Ok(live)
}
