//! The rules once more: naive, written from the contract, nothing indexed,
//! nothing forgotten.

use super::answers::{Heard, Said};
use crate::{CancelOutcome, ClaimKey, EndReason, EventKind, Mode, Op, Request};

const AWAY_GRACE: i64 = 10_000_000;

#[derive(Debug, Clone)]
struct Holding {
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
    /// Its server died; it is away since the last start of a server.
    orphan: bool,
}

#[derive(Debug, Clone)]
struct Past {
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
    holding: Vec<Holding>,
    queue: Vec<ModelWaiter>,
    past: Vec<Past>,
    heard: Vec<Heard>,
    woken: Vec<(ClaimKey, Said)>,
}

impl Model {
    /// What one operation is answered, what the log hears, who is woken.
    pub(super) fn step(&mut self, op: &Op, now: i64) -> (Said, Vec<Heard>, Vec<(ClaimKey, Said)>) {
        self.now = now;
        self.expire(matches!(op, Op::Leave { .. } | Op::Cancel { .. }));
        if matches!(op, Op::Acquire { .. }) && self.holding.is_empty() {
            self.promote();
        }
        let said = self.apply(op);
        self.promote();
        (said, std::mem::take(&mut self.heard), std::mem::take(&mut self.woken))
    }

    pub(super) fn restart(&mut self, now: i64) {
        for waiting in &mut self.queue {
            if waiting.away_since.is_none() || waiting.orphan {
                waiting.away_since = Some(now);
                waiting.orphan = true;
            }
        }
    }

    /// Who holds (token, expiry) and who waits (ticket), in their order.
    pub(super) fn state(&self) -> (u64, Vec<(u64, i64)>, Vec<u64>) {
        let holding = self.holding.iter().map(|holding| (holding.token, holding.expires_at)).collect();
        (self.token, holding, self.queue.iter().map(|waiting| waiting.ticket).collect())
    }

    fn hear(&mut self, kind: EventKind, token: Option<u64>, ticket: Option<u64>) {
        self.version += 1;
        self.heard.push((kind, token, self.token, self.version, ticket, self.queue.len() as u64));
    }

    /// Who gives up now is not granted first.
    fn expire(&mut self, gives_up: bool) {
        let mut any = false;
        while let Some(index) = self.holding.iter().position(|holding| holding.expires_at <= self.now) {
            let holding = self.holding.remove(index);
            self.token += 1;
            self.bury(holding, EndReason::Expired, None);
            any = true;
        }
        if any && !gives_up {
            self.promote();
        }
    }

    fn bury(&mut self, holding: Holding, reason: EndReason, cancel: Option<CancelOutcome>) {
        let kind = match reason {
            EndReason::Released => EventKind::Released,
            EndReason::Expired => EventKind::Expired,
            _ => EventKind::ForceReleased,
        };
        self.hear(kind, Some(holding.token), None);
        self.past.push(Past {
            key: holding.key,
            request: Some(holding.request),
            reason,
            token: Some(holding.token),
            counter: self.token,
            cancel,
        });
    }

    fn promote(&mut self) {
        while !self.holding.iter().any(|holding| holding.request.mode == Mode::Exclusive) {
            let Some(index) = self.queue.iter().position(|w| w.away_since.is_none() || self.due(w)) else {
                return;
            };
            if self.due(&self.queue[index]) {
                self.give_up_overdue(index);
                continue;
            }
            if self.queue[index].request.mode == Mode::Exclusive && !self.holding.is_empty() {
                return;
            }
            let waiting = self.queue.remove(index);
            let said = self.grant(waiting.key.clone(), waiting.request, Some(waiting.ticket));
            self.woken.push((waiting.key, said));
        }
    }

    fn due(&self, waiting: &ModelWaiter) -> bool {
        waiting.deadline <= self.now || waiting.away_since.is_some_and(|since| since + AWAY_GRACE <= self.now)
    }

    fn give_up_overdue(&mut self, index: usize) -> Said {
        let reason =
            if self.queue[index].deadline <= self.now { EndReason::TimedOut } else { EndReason::Away };
        self.give_up(index, reason, None)
    }

    fn give_up(&mut self, index: usize, reason: EndReason, cancel: Option<CancelOutcome>) -> Said {
        let waiting = self.queue.remove(index);
        let kind = if reason == EndReason::TimedOut { EventKind::WaitTimedOut } else { EventKind::Cancelled };
        self.hear(kind, None, Some(waiting.ticket));
        let said = if reason == EndReason::TimedOut { self.timed_out() } else { Said::Ended(Some(reason)) };
        self.woken.push((waiting.key.clone(), said.clone()));
        let (key, request, counter) = (waiting.key, Some(waiting.request), self.token);
        self.past.push(Past { key, request, reason, token: None, counter, cancel });
        said
    }

    fn grant(&mut self, key: ClaimKey, request: Request, ticket: Option<u64>) -> Said {
        self.token += 1;
        let (token, ttl_ms) = (self.token, request.ttl_ms);
        let expires_at = self.now + ttl_ms as i64 * 1000;
        self.holding.push(Holding { key, request, token, ttl_ms, expires_at });
        self.hear(EventKind::Granted, Some(token), ticket);
        Said::Lease { token, expires_at, ttl_ms }
    }

    fn tokens(&self) -> Vec<u64> {
        self.holding.iter().map(|holding| holding.token).collect()
    }

    fn timed_out(&self) -> Said {
        Said::TimedOut(self.tokens(), self.queue.len() as u64)
    }

    fn apply(&mut self, op: &Op) -> Said {
        match op {
            Op::Acquire { key, request } => self.acquire(key, request),
            Op::Leave { key, can_return } => {
                if let Some(index) = self.queue.iter().position(|w| w.key == *key && w.away_since.is_none()) {
                    if *can_return {
                        self.queue[index].away_since = Some(self.now);
                    } else {
                        self.give_up(index, EndReason::Away, None);
                    }
                }
                Said::Left
            }
            Op::Cancel { key } => Said::Cancelled(self.cancel(key)),
            Op::Renew { key, token, ttl_ms } => {
                match self.holding.iter_mut().find(|h| h.token == *token && h.key == *key) {
                    Some(holding) => {
                        holding.ttl_ms = ttl_ms.unwrap_or(holding.ttl_ms);
                        holding.expires_at = holding.expires_at.max(self.now + holding.ttl_ms as i64 * 1000);
                        Said::Lease { token: *token, expires_at: holding.expires_at, ttl_ms: holding.ttl_ms }
                    }
                    None => Said::Ended(self.how_ended(key, *token)),
                }
            }
            Op::Release { key, token } => {
                match self.holding.iter().position(|h| h.token == *token && h.key == *key) {
                    Some(index) => {
                        let holding = self.holding.remove(index);
                        self.bury(holding, EndReason::Released, None);
                        Said::Released(*token)
                    }
                    None => match self.how_ended(key, *token) {
                        Some(EndReason::Released) => Said::Released(*token),
                        reason => Said::Ended(reason),
                    },
                }
            }
            Op::ForceRelease { token, .. } => self.force_release(*token),
            Op::Check { token } => {
                let live = self.holding.iter().find(|holding| holding.token == *token);
                Said::Checked(live.map(|holding| holding.request.mode), self.token)
            }
            Op::Sweep { waiters } => {
                for key in waiters {
                    if let Some(index) = self.queue.iter().position(|w| w.key == *key)
                        && self.due(&self.queue[index])
                    {
                        self.give_up_overdue(index);
                    }
                }
                Said::Swept
            }
        }
    }

    fn acquire(&mut self, key: &ClaimKey, request: &Request) -> Said {
        let first = self.holding.iter().find(|h| h.key == *key).map(|h| h.request.clone());
        let first = first.or_else(|| self.queue.iter().find(|w| w.key == *key).map(|w| w.request.clone()));
        let first =
            first.or_else(|| self.past.iter().find(|p| p.key == *key).and_then(|p| p.request.clone()));
        if first.is_some_and(|first| first != *request) {
            return Said::KeyReused;
        }
        if let Some(holding) = self.holding.iter().find(|holding| holding.key == *key) {
            let Holding { token, expires_at, ttl_ms, .. } = *holding;
            return Said::Lease { token, expires_at, ttl_ms };
        }
        if let Some(index) = self.queue.iter().position(|waiting| waiting.key == *key) {
            if self.due(&self.queue[index]) {
                return self.give_up_overdue(index);
            }
            self.queue[index].away_since = None;
            self.queue[index].orphan = false;
            return Said::Queued;
        }
        if let Some(past) = self.past.iter().find(|past| past.key == *key) {
            return match past {
                Past { cancel: Some(_), .. } => Said::Ended(Some(EndReason::Cancelled)),
                Past { reason: EndReason::TimedOut, .. } => self.timed_out(),
                past => Said::Ended(Some(past.reason)),
            };
        }
        let shared = |holding: &Holding| holding.request.mode == Mode::Shared;
        let someone_waits = self.queue.iter().any(|waiting| waiting.away_since.is_none());
        let joins = self.holding.is_empty()
            || (request.mode == Mode::Shared && self.holding.iter().all(shared) && !someone_waits);
        if joins {
            return self.grant(key.clone(), request.clone(), None);
        }
        if request.wait_ms == 0 {
            return Said::Held(self.tokens(), self.queue.len() as u64);
        }
        let ticket = self.version + 1;
        self.queue.push(ModelWaiter {
            key: key.clone(),
            request: request.clone(),
            ticket,
            deadline: self.now + request.wait_ms as i64 * 1000,
            away_since: None,
            orphan: false,
        });
        self.hear(EventKind::Queued, None, Some(ticket));
        Said::Queued
    }

    fn cancel(&mut self, key: &ClaimKey) -> CancelOutcome {
        if let Some(index) = self.queue.iter().position(|waiting| waiting.key == *key) {
            self.give_up(index, EndReason::Cancelled, Some(CancelOutcome::Cancelled));
            return CancelOutcome::Cancelled;
        }
        if let Some(index) = self.holding.iter().position(|holding| holding.key == *key) {
            let holding = self.holding.remove(index);
            self.bury(holding, EndReason::Released, Some(CancelOutcome::Released));
            return CancelOutcome::Released;
        }
        if let Some(past) = self.past.iter_mut().find(|past| past.key == *key) {
            return *past.cancel.get_or_insert(CancelOutcome::None);
        }
        let (key, counter, cancel) = (key.clone(), self.token, Some(CancelOutcome::None));
        self.past.push(Past {
            key,
            request: None,
            reason: EndReason::Cancelled,
            token: None,
            counter,
            cancel,
        });
        CancelOutcome::None
    }

    fn force_release(&mut self, token: u64) -> Said {
        if let Some(index) = self.holding.iter().position(|holding| holding.token == token) {
            let holding = self.holding.remove(index);
            self.token += 1;
            self.bury(holding, EndReason::ForceReleased, None);
            return Said::ForceReleased { token, counter: self.token };
        }
        match self
            .past
            .iter()
            .find(|past| past.token == Some(token) && past.reason == EndReason::ForceReleased)
        {
            Some(past) => Said::ForceReleased { token, counter: past.counter },
            None => Said::HolderChanged(self.tokens()),
        }
    }

    fn how_ended(&self, key: &ClaimKey, token: u64) -> Option<EndReason> {
        self.past.iter().find(|past| past.key == *key && past.token == Some(token)).map(|past| past.reason)
    }
}
