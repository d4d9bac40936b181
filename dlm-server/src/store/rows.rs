//! Rows as diesel reads them, and their conversion into the engine's types.

use std::collections::HashMap;
use std::sync::Arc;

use diesel::dsl::{AsSelect, SqlTypeOf};
use diesel::prelude::*;
use dlm_engine::{
    CancelOutcome, Claim, ClaimKey, EndReason, Lease, Micros, Mode, Phase, Presence, QueueEntry, ReplicaId,
    Request, Resource, ResourceRecord, Tombstone,
};

use super::schema::{claims, resources};
use super::{LoadedResource, Name, StoreError};

/// A resource.
#[derive(Queryable, Selectable)]
#[diesel(table_name = resources)]
pub(super) struct ResourceRow {
    pub(super) name: String,
    pub(super) version: i64,
    pub(super) token: i64,
    pub(super) touched_at: i64,
    pub(super) check_at: i64,
    pub(super) queue_len: i64,
    pub(super) holder_count: i64,
    pub(super) holder_principal: Option<String>,
    pub(super) holder_key: Option<String>,
}

/// The SQL types of a [`ResourceRow`].
pub(super) type ResourceRowTypes<DB> = SqlTypeOf<AsSelect<ResourceRow, DB>>;

/// The columns of a [`ResourceRow`], in its order.
pub(super) const RESOURCE_ROW: &str = "resources.name, resources.version, resources.token, resources.touched_at, \
    resources.check_at, resources.queue_len, resources.holder_count, resources.holder_principal, \
    resources.holder_key";

impl ResourceRow {
    /// The key of the exclusive holder, if any.
    pub(super) fn holder(&self) -> Option<ClaimKey> {
        self.exclusive_holder().map(|(principal, key)| ClaimKey::new(principal, key))
    }

    /// The principal and the idempotency key of the exclusive holder, if any.
    pub(super) fn exclusive_holder(&self) -> Option<(&str, &str)> {
        Some((self.holder_principal.as_deref()?, self.holder_key.as_deref()?))
    }

    /// The resource with its live claims. The caller sets the revision and the last events.
    pub(super) fn into_loaded(self, live: Vec<Claim>) -> Result<LoadedResource, StoreError> {
        if live.len() as i64 != self.holder_count {
            let (found, expected, name) = (live.len(), self.holder_count, &self.name);
            return Err(StoreError::Corrupt(format!(
                "{name:?} has {found} live claims instead of {expected}"
            )));
        }
        Ok(LoadedResource {
            stored_check_at: Some(Micros(self.check_at)),
            last_events: 0,
            resource: Resource::load(self.to_record(), live),
            revision: 0,
        })
    }

    pub(super) fn to_record(&self) -> ResourceRecord {
        ResourceRecord {
            version: self.version as u64,
            token: self.token as u64,
            touched_at: Micros(self.touched_at),
            check_at: Micros(self.check_at),
            queue_len: self.queue_len as u64,
            holder_count: self.holder_count as u64,
        }
    }
}

/// The SQL types of a [`ClaimRow`].
pub(super) type ClaimRowTypes<DB> = SqlTypeOf<AsSelect<ClaimRow, DB>>;

/// The columns of a [`ClaimRow`], in its order.
pub(super) const CLAIM_ROW: &str = "claims.principal, claims.key, claims.shared, claims.ttl_asked_ms, claims.wait_ms, \
    claims.owner, claims.metadata, claims.ticket, claims.enqueued_at, claims.deadline, claims.replica, \
    claims.away_since, claims.token, claims.waited_ticket, claims.granted_at, claims.term_at, claims.ttl_ms, \
    claims.expires_at, claims.ended_at, claims.end_reason, claims.current_token, claims.cancel";

/// A claim.
#[derive(Queryable, Selectable)]
#[diesel(table_name = claims)]
pub(super) struct ClaimRow {
    principal: String,
    key: String,
    shared: Option<bool>,
    ttl_asked_ms: Option<i64>,
    wait_ms: Option<i64>,
    owner: Option<String>,
    metadata: Option<String>,
    ticket: Option<i64>,
    enqueued_at: Option<i64>,
    deadline: Option<i64>,
    replica: Option<i64>,
    away_since: Option<i64>,
    token: Option<i64>,
    waited_ticket: Option<i64>,
    granted_at: Option<i64>,
    term_at: Option<i64>,
    ttl_ms: Option<i64>,
    expires_at: Option<i64>,
    ended_at: Option<i64>,
    end_reason: Option<i16>,
    current_token: Option<i64>,
    cancel: Option<i16>,
}

impl ClaimRow {
    pub(super) fn key(&self) -> ClaimKey {
        ClaimKey::new(self.principal.as_str(), self.key.as_str())
    }

    /// When a waiter was enqueued.
    pub(super) fn enqueued_at(&self) -> Option<i64> {
        self.enqueued_at
    }

    pub(super) fn into_claim(self) -> Result<Claim, StoreError> {
        self.read().ok_or_else(|| StoreError::Corrupt("a claim is neither waiting, live nor ended".into()))
    }

    fn read(self) -> Option<Claim> {
        let lease = match self.token {
            Some(token) => Some(Lease {
                token: token as u64,
                granted_at: Micros(self.granted_at?),
                term_at: Micros(self.term_at?),
                ttl_ms: self.ttl_ms? as u64,
                expires_at: Micros(self.expires_at?),
                ticket: self.waited_ticket.map(|ticket| ticket as u64),
            }),
            None => None,
        };
        let phase = match (self.ended_at, lease, self.ticket) {
            (Some(ended_at), lease, _) => Phase::Ended(Tombstone {
                ended_at: Micros(ended_at),
                reason: end_of(self.end_reason?)?,
                lease,
                current_token: self.current_token? as u64,
                cancel: match self.cancel {
                    Some(code) => Some(cancel_of(code)?),
                    None => None,
                },
            }),
            (None, Some(lease), _) => Phase::Live(lease),
            (None, None, Some(ticket)) => Phase::Waiting(QueueEntry {
                ticket: ticket as u64,
                enqueued_at: Micros(self.enqueued_at?),
                deadline: Micros(self.deadline?),
                presence: match self.away_since {
                    Some(since) => Presence::Away(Micros(since)),
                    None => Presence::Parked(ReplicaId(self.replica?)),
                },
            }),
            (None, None, None) => return None,
        };
        let request = match self.shared {
            Some(shared) => Some(Arc::new(Request {
                mode: if shared { Mode::Shared } else { Mode::Exclusive },
                ttl_ms: self.ttl_asked_ms? as u64,
                wait_ms: self.wait_ms? as u64,
                owner: self.owner?.into(),
                metadata: self.metadata?.into(),
            })),
            None => None,
        };
        Some(Claim { key: ClaimKey::new(self.principal, self.key), request, phase })
    }
}

/// The claims with these keys, in order, from rows with the names of their resources.
pub(super) fn claims_in_order(
    rows: Vec<(String, ClaimRow)>,
    keys: &[(&Name, &ClaimKey)],
) -> Result<Vec<Option<Claim>>, StoreError> {
    let mut claims = HashMap::with_capacity(rows.len());
    for (name, row) in rows {
        claims.insert((Name::from(name), row.key()), row.into_claim()?);
    }
    Ok(keys.iter().map(|&(name, key)| claims.get(&(Name::clone(name), key.clone())).cloned()).collect())
}

pub(super) const fn end_code(reason: EndReason) -> i16 {
    match reason {
        EndReason::Released => 1,
        EndReason::Expired => 2,
        EndReason::ForceReleased => 3,
        EndReason::Cancelled => 4,
        EndReason::Away => 5,
        EndReason::TimedOut => 6,
    }
}

pub(super) const fn end_of(code: i16) -> Option<EndReason> {
    Some(match code {
        1 => EndReason::Released,
        2 => EndReason::Expired,
        3 => EndReason::ForceReleased,
        4 => EndReason::Cancelled,
        5 => EndReason::Away,
        6 => EndReason::TimedOut,
        _ => return None,
    })
}

pub(super) const fn cancel_code(cancel: CancelOutcome) -> i16 {
    match cancel {
        CancelOutcome::Cancelled => 1,
        CancelOutcome::Released => 2,
        CancelOutcome::None => 3,
    }
}

pub(super) const fn cancel_of(code: i16) -> Option<CancelOutcome> {
    Some(match code {
        1 => CancelOutcome::Cancelled,
        2 => CancelOutcome::Released,
        3 => CancelOutcome::None,
        _ => return None,
    })
}
