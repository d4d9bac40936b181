//! How a batch locks its resources and loads those that changed.

use std::collections::{HashMap, HashSet};

use diesel::prelude::*;
use dlm_engine::{Claim, ClaimKey, Floor, Resource};
use dlm_pq::PqConnection;

use super::batch_sql::{LoadClaims, LockPlaced, LockSkipping, LockWaiting, ReadAllFloors, ReadFloors};
use super::bulk::{self, Param};
use super::places::Places;
use crate::store::error::LOCK_NOT_AVAILABLE;
use crate::store::rows::{ClaimRow, ResourceRow, claims_in_order};
use crate::store::schema::claims;
use crate::store::{
    CachedVersion, LoadedResource, LockResult, LockTarget, LockWait, Name, StoreError, StoredFloor,
    floor_bucket,
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
pub(super) type Floors = HashMap<Name, StoredFloor>;

/// All floors, by bucket.
pub(super) fn all_floors(connection: &mut PqConnection) -> Result<HashMap<i64, StoredFloor>, StoreError> {
    let rows: Vec<(i64, i64, i64, i64)> = bulk::load::<ReadAllFloors, _>(connection, Vec::new())?;
    let floor = |(bucket, token, version, last_events)| (bucket, stored_floor(token, version, last_events));
    Ok(rows.into_iter().map(floor).collect())
}

fn stored_floor(token: i64, version: i64, last_events: i64) -> StoredFloor {
    StoredFloor { floor: Floor { token: token as u64, version: version as u64 }, last_events }
}

/// The row of a resource that was locked.
struct LockedRow {
    revision: i64,
    row: ResourceRow,
    last_events: i64,
    place: String,
}

/// Locks these resources, and loads those of which the writer has no current
/// copy. Returns one result per target, or `None` if the locks were not
/// available in time; the transaction has failed then.
pub(super) fn lock(
    connection: &mut PqConnection,
    targets: &[LockTarget<'_>],
    lock_wait: LockWait,
    floors: &mut Floors,
    places: &mut Places,
) -> Result<Option<Vec<LockResult>>, StoreError> {
    let Some(mut locked) = lock_rows(connection, targets, lock_wait, places)? else { return Ok(None) };
    let missing: Vec<&Name> =
        targets.iter().map(|target| target.name).filter(|name| !locked.contains_key(&***name)).collect();
    if !missing.is_empty() {
        read_floors(connection, &missing, floors)?;
    }
    let stale = targets.iter().filter_map(|target| {
        let row = locked.get(&**target.name)?;
        (!is_current(target, row)).then_some(&row.row)
    });
    let mut live = live_claims(connection, stale)?;
    let mut results = Vec::with_capacity(targets.len());
    for target in targets {
        match locked.get_mut(&**target.name) {
            Some(row) if is_current(target, row) => places.moved(target.name, std::mem::take(&mut row.place)),
            Some(row) => places.found(target.name, std::mem::take(&mut row.place)),
            None => places.forget(target.name),
        }
        results.push(match locked.remove(&**target.name) {
            Some(row) if is_current(target, &row) => LockResult::Unchanged,
            Some(LockedRow { revision, row, last_events, .. }) => {
                let live = live.remove(&*row.name).unwrap_or_default();
                let revision = revision as u64;
                let loaded = LoadedResource { revision, last_events, ..row.into_loaded(live)? };
                LockResult::Loaded(Box::new(loaded))
            }
            None => match floors.get(target.name) {
                Some(StoredFloor { floor, last_events }) => LockResult::Loaded(Box::new(LoadedResource {
                    resource: Resource::absent(*floor),
                    stored_check_at: None,
                    last_events: *last_events,
                    revision: 0,
                })),
                None => LockResult::LockedElsewhere,
            },
        });
    }
    Ok(Some(results))
}

fn is_current(target: &LockTarget<'_>, LockedRow { revision, row, .. }: &LockedRow) -> bool {
    target.cached == Some(CachedVersion { revision: *revision as u64, version: row.version as u64 })
}

type LockedColumns = (String, i64, i64, i64, i64, i64, i64, i64, Option<String>, Option<String>, i64, String);

fn lock_rows(
    connection: &mut PqConnection,
    targets: &[LockTarget<'_>],
    lock_wait: LockWait,
    places: &Places,
) -> Result<Option<HashMap<String, LockedRow>>, StoreError> {
    let names = vec![Param::texts(targets.iter().map(|target| &**target.name))];
    let rows: Vec<LockedColumns> = match lock_wait {
        LockWait::Skip => lock_placed(connection, targets, places)?,
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
        last_events,
        place,
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
        locked.insert(name, LockedRow { revision, row, last_events, place });
    }
    Ok(Some(locked))
}

/// Locks the rows that nobody else has locked, by their places, and those that have moved by
/// their names.
fn lock_placed(
    connection: &mut PqConnection,
    targets: &[LockTarget<'_>],
    places: &Places,
) -> Result<Vec<LockedColumns>, StoreError> {
    let place = |target: &LockTarget<'_>| places.get(target.name);
    let names = || targets.iter().map(|target| &**target.name);
    let params = vec![
        Param::texts(names()),
        Param::Texts(targets.iter().map(place).collect()),
        Param::ints(places.crowded(names())),
    ];
    let mut rows: Vec<LockedColumns> = bulk::load::<LockPlaced, _>(connection, params)?;
    let found: HashSet<&str> = rows.iter().map(|row| row.0.as_str()).collect();
    let moved = targets.iter().filter(|target| place(target).is_some() && !found.contains(&**target.name));
    let moved: Vec<&str> = moved.map(|target| &**target.name).collect();
    if !moved.is_empty() {
        let moved: Vec<LockedColumns> = bulk::load::<LockSkipping, _>(connection, vec![Param::texts(moved)])?;
        rows.extend(moved);
    }
    Ok(rows)
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
    let rows: Vec<(String, bool, i64, i64, i64)> = bulk::load::<ReadFloors, _>(connection, params)?;
    for (name, has_row, token, version, last_events) in rows {
        if !has_row {
            floors.insert(Name::from(name), stored_floor(token, version, last_events));
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
