//! A naive model of the rules, written from the wire contract. It scans lists
//! and keeps every tombstone.

mod ops;

use super::comparable::{ComparableEvent, ComparableReply as Reply};
use crate::{CancelOutcome, ClaimKey, EndReason, EventKind, Mode, Op, Request};

/// In microseconds, as all times here.
const AWAY_GRACE: i64 = 10_000_000;
/// How many leases and waits end or are granted between two commits, besides
/// those that an operation itself ends or grants.
pub(super) const MAX_TRANSITIONS: usize = 3;

#[derive(Debug, Clone)]
struct ModelLease {
    key: ClaimKey,
    request: Request,
    token: u64,
    ttl_ms: u64,
    expires_at: i64,
}

#[derive(Debug, Clone)]
struct ModelWaiter {
    key: ClaimKey,
    request: Request,
    ticket: u64,
    deadline: i64,
    away_since: Option<i64>,
    /// Whether its server died while it was parked. It is away since the last
    /// restart.
    orphan: bool,
}

#[derive(Debug, Clone)]
struct ModelTombstone {
    key: ClaimKey,
    request: Option<Request>,
    reason: EndReason,
    token: Option<u64>,
    counter: u64,
    cancel: Option<CancelOutcome>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Model {
    now: i64,
    token: u64,
    version: u64,
    leases: Vec<ModelLease>,
    queue: Vec<ModelWaiter>,
    tombstones: Vec<ModelTombstone>,
    events: Vec<ComparableEvent>,
    wakes: Vec<(ClaimKey, Reply)>,
    /// Since the last commit.
    transitions: usize,
    /// Whether a promotion stopped at the limit since the last commit.
    promotion_stopped: bool,
}

impl Model {
    /// Executes one operation. Returns the reply, the events and the wakes. There
    /// is no reply if the limit of transitions was reached before its turn.
    pub(super) fn step(
        &mut self,
        op: &Op,
        now: i64,
    ) -> (Option<Reply>, Vec<ComparableEvent>, Vec<(ClaimKey, Reply)>) {
        self.now = now;
        let reply = self.execute(op);
        (reply, std::mem::take(&mut self.events), std::mem::take(&mut self.wakes))
    }

    pub(super) fn commit(&mut self) {
        self.transitions = 0;
        self.promotion_stopped = false;
    }

    fn execute(&mut self, op: &Op) -> Option<Reply> {
        let mut promotes =
            self.promotion_stopped || matches!(op, Op::Acquire { .. }) && self.leases.is_empty();
        while let Some(index) = self.leases.iter().position(|lease| lease.expires_at <= self.now) {
            if self.transitions == MAX_TRANSITIONS {
                return matches!(op, Op::Sweep { .. }).then_some(Reply::Swept);
            }
            self.transitions += 1;
            let lease = self.leases.remove(index);
            self.token += 1;
            self.end_lease(lease, EndReason::Expired, None);
            promotes = true;
        }
        // A waiter that gives up now is not granted first.
        if promotes && !matches!(op, Op::Leave { .. } | Op::Cancel { .. }) {
            self.promote();
        }
        let reply = self.apply(op)?;
        self.promote();
        Some(reply)
    }

    pub(super) fn restart(&mut self, now: i64) {
        for waiter in &mut self.queue {
            waiter.orphan |= waiter.away_since.is_none();
            // Its grace starts again.
            waiter.away_since = Some(now);
        }
    }

    /// The token counter, the leases (token, expiry) and the waiters (ticket),
    /// in order.
    pub(super) fn state(&self) -> (u64, Vec<(u64, i64)>, Vec<u64>) {
        let leases = self.leases.iter().map(|lease| (lease.token, lease.expires_at)).collect();
        (self.token, leases, self.queue.iter().map(|waiter| waiter.ticket).collect())
    }

    fn emit(&mut self, kind: EventKind, token: Option<u64>, ticket: Option<u64>) {
        self.version += 1;
        self.events.push((kind, token, self.token, self.version, ticket, self.queue.len() as u64));
    }

    fn end_lease(&mut self, lease: ModelLease, reason: EndReason, cancel: Option<CancelOutcome>) {
        let kind = match reason {
            EndReason::Released => EventKind::Released,
            EndReason::Expired => EventKind::Expired,
            _ => EventKind::ForceReleased,
        };
        self.emit(kind, Some(lease.token), None);
        self.tombstones.push(ModelTombstone {
            key: lease.key,
            request: Some(lease.request),
            reason,
            token: Some(lease.token),
            counter: self.token,
            cancel,
        });
    }

    fn promote(&mut self) {
        self.promotion_stopped = false;
        while !self.leases.iter().any(|lease| lease.request.mode == Mode::Exclusive) {
            let Some(index) = self.queue.iter().position(|w| w.away_since.is_none() || self.due(w)) else {
                return;
            };
            let due = self.due(&self.queue[index]);
            if !due && self.queue[index].request.mode == Mode::Exclusive && !self.leases.is_empty() {
                return;
            }
            if self.transitions == MAX_TRANSITIONS {
                self.promotion_stopped = true;
                return;
            }
            self.transitions += 1;
            if due {
                self.end_overdue_waiter(index);
                continue;
            }
            let waiter = self.queue.remove(index);
            let reply = self.grant(waiter.key.clone(), waiter.request, Some(waiter.ticket));
            self.wakes.push((waiter.key, reply));
        }
    }

    fn due(&self, waiter: &ModelWaiter) -> bool {
        waiter.deadline <= self.now || waiter.away_since.is_some_and(|since| since + AWAY_GRACE <= self.now)
    }

    fn end_overdue_waiter(&mut self, index: usize) -> Reply {
        let reason =
            if self.queue[index].deadline <= self.now { EndReason::TimedOut } else { EndReason::Away };
        self.end_waiter(index, reason, None)
    }

    fn end_waiter(&mut self, index: usize, reason: EndReason, cancel: Option<CancelOutcome>) -> Reply {
        let waiter = self.queue.remove(index);
        let kind = if reason == EndReason::TimedOut { EventKind::WaitTimedOut } else { EventKind::Cancelled };
        self.emit(kind, None, Some(waiter.ticket));
        let reply = if reason == EndReason::TimedOut { self.timed_out() } else { Reply::Ended(Some(reason)) };
        self.wakes.push((waiter.key.clone(), reply.clone()));
        let (key, request, counter) = (waiter.key, Some(waiter.request), self.token);
        self.tombstones.push(ModelTombstone { key, request, reason, token: None, counter, cancel });
        reply
    }

    fn grant(&mut self, key: ClaimKey, request: Request, ticket: Option<u64>) -> Reply {
        self.token += 1;
        let (token, ttl_ms) = (self.token, request.ttl_ms);
        let expires_at = self.now + ttl_ms as i64 * 1000;
        self.leases.push(ModelLease { key, request, token, ttl_ms, expires_at });
        self.emit(EventKind::Granted, Some(token), ticket);
        Reply::Lease { token, expires_at, ttl_ms }
    }

    fn tokens(&self) -> Vec<u64> {
        self.leases.iter().map(|lease| lease.token).collect()
    }

    fn timed_out(&self) -> Reply {
        Reply::TimedOut(self.tokens(), self.queue.len() as u64)
    }
}
