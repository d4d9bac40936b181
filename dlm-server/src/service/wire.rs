//! Claims and resources of the engine in wire terms.

use dlm_engine::{Claim, Micros, Mode, QueueEntry, Snapshot};
use dlm_protocol::{
    FencingToken, Holder, Lease, LockState, LockStatus, Metadata, Owner, ResourceName, Timestamp, Waiter,
};

use super::lease_id::LeaseIds;
use crate::log::wire::{damaged, resource_name, ttl, waiter_id};
use crate::store::{ResourceView, StoreError, holders_shown};

pub(super) use crate::log::wire::{mode, time};

pub(super) const fn engine_mode(mode: dlm_protocol::Mode) -> Mode {
    match mode {
        dlm_protocol::Mode::Shared => Mode::Shared,
        // A request with an unknown mode is refused when it is parsed.
        _ => Mode::Exclusive,
    }
}

pub(super) fn owner(claim: &Claim) -> Result<Owner, StoreError> {
    match &claim.request {
        Some(request) => crate::log::wire::owner(&request.owner),
        None => Ok(Owner::default()),
    }
}

/// The principal of a claim; `None` for the anonymous one.
pub(super) fn principal(claim: &Claim) -> Option<String> {
    Some(&claim.key.principal).filter(|name| !name.is_empty()).map(ToString::to_string)
}

fn metadata(claim: &Claim) -> Result<Metadata, StoreError> {
    match claim.request.as_deref().map(|request| &*request.metadata) {
        None | Some("{}") => Ok(Metadata::default()),
        Some(text) => serde_json::from_str(text).map_err(|_| damaged("metadata")),
    }
}

/// A granted claim for its holder.
pub(super) fn lease(
    name: &ResourceName,
    claim: &Claim,
    ids: &LeaseIds,
    elapsed_ms: i64,
) -> Result<Lease, StoreError> {
    let term = claim.lease().ok_or_else(|| damaged("lease"))?;
    Ok(Lease {
        resource: name.clone(),
        lease_id: ids.issue(name.as_str(), &claim.key, term),
        mode: mode(claim.mode()),
        fencing_token: FencingToken::new(term.token),
        ttl_ms: ttl(term.ttl_ms)?,
        acquired_at: time(term.granted_at),
        expires_at: time(term.expires_at),
        elapsed_ms,
        owner: owner(claim)?,
        metadata: metadata(claim)?,
        release_requested: None,
    })
}

/// A granted claim for everyone but its holder.
pub(super) fn holder(claim: &Claim) -> Result<Holder, StoreError> {
    let term = claim.lease().ok_or_else(|| damaged("lease"))?;
    Ok(Holder {
        mode: mode(claim.mode()),
        owner: owner(claim)?,
        fencing_token: FencingToken::new(term.token),
        ttl_ms: ttl(term.ttl_ms)?,
        acquired_at: time(term.granted_at),
        expires_at: time(term.expires_at),
        metadata: metadata(claim)?,
        principal: principal(claim),
        release_requested: None,
    })
}

/// The holders that a refusal reports, and the milliseconds until a retry can
/// succeed: until the first expiry.
pub(super) fn refused(snapshot: &Snapshot, now: Micros) -> Result<(Vec<Holder>, u64), StoreError> {
    let shown = holders_shown(snapshot.holders.iter().map(|claim| &**claim));
    let holders = snapshot.holders[..shown].iter().map(|claim| holder(claim)).collect::<Result<_, _>>()?;
    let first_expiry = snapshot.holders.iter().filter_map(|claim| Some(claim.lease()?.expires_at)).min();
    let retry_after_ms = first_expiry.map_or(0, |at| at.0.saturating_sub(now.0).max(0) as u64 / 1000 + 1);
    Ok((holders, retry_after_ms))
}

/// A waiter at this place of its queue; `None` if the claim is none.
pub(super) fn waiter(
    claim: &Claim,
    position: u64,
    is_away: &dyn Fn(&QueueEntry) -> bool,
) -> Result<Option<Waiter>, StoreError> {
    let Some(entry) = claim.queue_entry() else { return Ok(None) };
    Ok(Some(Waiter {
        waiter_id: waiter_id(entry.ticket),
        position,
        mode: mode(claim.mode()),
        owner: owner(claim)?,
        principal: principal(claim),
        away: is_away(entry),
        enqueued_at: time(entry.enqueued_at),
        deadline: time(entry.deadline),
    }))
}

/// The status of a resource. It includes the waiters when `is_away` is given,
/// which decides whether a waiter is away.
pub(super) fn status(
    view: &ResourceView,
    is_away: Option<&dyn Fn(&QueueEntry) -> bool>,
    cursor: Option<String>,
) -> Result<LockStatus, StoreError> {
    let holders = view.holders.iter().map(holder).collect::<Result<Vec<_>, _>>()?;
    let waiters = is_away.map(|is_away| {
        let waiters = view.waiters.iter().zip(1..);
        let waiters = waiters.filter_map(|(claim, position)| waiter(claim, position, is_away).transpose());
        waiters.collect::<Result<Vec<_>, _>>()
    });
    Ok(LockStatus {
        resource: resource_name(&view.name)?,
        state: if view.row.holder_count == 0 { LockState::Free } else { LockState::Held },
        mode: holders.first().map(|holder| holder.mode),
        current_token: FencingToken::new(view.row.token),
        queue_len: view.row.queue_len,
        oldest_enqueued_at: oldest_wait(view),
        holders,
        waiters: waiters.transpose()?,
        holder_count: view.row.holder_count,
        version: view.row.version,
        cursor,
    })
}

/// When the first waiter joined the queue.
pub(super) fn oldest_wait(view: &ResourceView) -> Option<Timestamp> {
    view.waiters.first()?.queue_entry().map(|entry| time(entry.enqueued_at))
}
