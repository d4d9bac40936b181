//! The engine's claims as the wire has them.

use dlm_engine::{Claim, Micros, Mode, Snapshot};
use dlm_protocol::{
    FencingToken, Holder, Lease, LockState, LockStatus, Metadata, Owner, ResourceName, Timestamp, Ttl, Waiter,
};

use super::Error;
use super::lease_id::LeaseIds;
use crate::store::ResourceView;

pub(super) const fn mode(mode: Mode) -> dlm_protocol::Mode {
    match mode {
        Mode::Exclusive => dlm_protocol::Mode::Exclusive,
        Mode::Shared => dlm_protocol::Mode::Shared,
    }
}

pub(super) const fn engine_mode(mode: dlm_protocol::Mode) -> Mode {
    match mode {
        dlm_protocol::Mode::Exclusive => Mode::Exclusive,
        dlm_protocol::Mode::Shared => Mode::Shared,
    }
}

pub(super) const fn time(at: Micros) -> Timestamp {
    Timestamp::from_micros(at.0)
}

/// What was checked when it came in does not fit what is stored: the store was
/// changed by other hands.
pub(super) fn damaged(what: &str) -> Error {
    tracing::error!(what, "a stored claim is damaged");
    Error::Internal
}

pub(super) fn owner(claim: &Claim) -> Result<Owner, Error> {
    match &claim.request {
        Some(request) => Owner::try_from(&*request.owner).map_err(|_| damaged("owner")),
        None => Ok(Owner::default()),
    }
}

fn metadata(claim: &Claim) -> Result<Metadata, Error> {
    match claim.request.as_deref().map(|request| &*request.metadata) {
        None | Some("{}") => Ok(Metadata::default()),
        Some(text) => serde_json::from_str(text).map_err(|_| damaged("metadata")),
    }
}

pub(super) fn ttl(ttl_ms: u64) -> Result<Ttl, Error> {
    Ttl::from_millis(ttl_ms).map_err(|_| damaged("ttl"))
}

/// A live claim for its holder.
pub(super) fn lease(
    name: &ResourceName,
    claim: &Claim,
    ids: &LeaseIds,
    elapsed_ms: i64,
) -> Result<Lease, Error> {
    let term = claim.lease().ok_or_else(|| damaged("lease"))?;
    Ok(Lease {
        resource: name.clone(),
        lease_id: ids.make(name.as_str(), &claim.key, term),
        mode: mode(claim.mode()),
        fencing_token: FencingToken::new(term.token),
        ttl_ms: ttl(term.ttl_ms)?,
        acquired_at: time(term.granted_at),
        expires_at: time(term.expires_at),
        elapsed_ms,
        owner: owner(claim)?,
        metadata: metadata(claim)?,
    })
}

/// A claim that was granted, for everyone else.
pub(super) fn holder(claim: &Claim) -> Result<Holder, Error> {
    let term = claim.lease().ok_or_else(|| damaged("lease"))?;
    Ok(Holder {
        mode: mode(claim.mode()),
        owner: owner(claim)?,
        fencing_token: FencingToken::new(term.token),
        ttl_ms: ttl(term.ttl_ms)?,
        acquired_at: time(term.granted_at),
        expires_at: time(term.expires_at),
        metadata: metadata(claim)?,
    })
}

/// Those who hold the lock, for one who is refused, and how long it is worth
/// waiting before the next try.
pub(super) fn refused(snapshot: &Snapshot, now: Micros) -> Result<(Vec<Holder>, u64), Error> {
    let holders = snapshot.holders.iter().map(|claim| holder(claim)).collect::<Result<_, _>>()?;
    let first_expiry = snapshot.holders.iter().filter_map(|claim| Some(claim.lease()?.expires_at)).min();
    let left_ms = first_expiry.map_or(0, |at| at.0.saturating_sub(now.0).max(0) as u64 / 1000 + 1);
    Ok((holders, left_ms))
}

pub(super) fn waiter_id(ticket: u64) -> String {
    format!("w{ticket}")
}

/// A resource for whoever asks; with its waiters where `away` can tell who of
/// them is away.
pub(super) fn status(
    view: &ResourceView,
    away: Option<&dyn Fn(&dlm_engine::QueueEntry) -> bool>,
    cursor: Option<String>,
) -> Result<LockStatus, Error> {
    let holders = view.holders.iter().map(holder).collect::<Result<Vec<_>, _>>()?;
    let waiters = away.map(|away| {
        let waiters = view.waiters.iter().zip(1..).filter_map(|(claim, position)| {
            let entry = claim.queue_entry()?;
            Some(owner(claim).map(|owner| Waiter {
                waiter_id: waiter_id(entry.ticket),
                position,
                mode: mode(claim.mode()),
                owner,
                away: away(entry),
                enqueued_at: time(entry.enqueued_at),
                deadline: time(entry.deadline),
            }))
        });
        waiters.collect::<Result<Vec<_>, _>>()
    });
    Ok(LockStatus {
        resource: ResourceName::try_from(&*view.name).map_err(|_| damaged("name"))?,
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

/// Since when the first of the queue waits.
pub(super) fn oldest_wait(view: &ResourceView) -> Option<Timestamp> {
    view.waiters.first()?.queue_entry().map(|entry| time(entry.enqueued_at))
}
