use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{LeaseEnded, ProblemCode, RenewResult};
use tracing::{debug, warn};

use super::batch::{self, Answered, Batch, Item};
use super::ends::{self, Ends};
use super::handle::Ask;
use crate::clock::Moment;
use crate::error::Error;
use crate::held::Held;
use crate::loss::LossReason;
use crate::retry::Backoff;
use crate::term::Term;

/// Shortest time that an attempt is given.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(20);

/// Which lease is to be renewed when, and which guard is lost when.
pub(super) struct Renewals {
    origin: Moment,
    watched: HashMap<u64, Watched>,
    wakes: BTreeSet<(Moment, u64)>,
    ends: Ends,
}

struct Watched {
    held: Arc<Held>,
    wake: Moment,
    renew_at: Option<Moment>,
    on_the_way: bool,
    backoff: Option<Backoff>,
    asks: Vec<Ask>,
}

impl Renewals {
    pub(super) fn new(origin: Moment) -> Self {
        Self { origin, watched: HashMap::new(), wakes: BTreeSet::new(), ends: Ends::default() }
    }

    /// When there is something to do next.
    pub(super) fn next_wake(&self) -> Option<Moment> {
        self.wakes.first().map(|&(wake, _)| wake)
    }

    /// Begins to mind a guard. One that is not `known` to the session is renewed
    /// at once, which makes it so.
    pub(super) fn watch(&mut self, held: Arc<Held>, known: bool, now: Moment) {
        if let Some(reason) = self.ends.of(&held) {
            held.lose(reason);
        }
        if held.loss(now).is_some() {
            return;
        }
        let term = held.term();
        let watched = Watched {
            renew_at: held.auto_renew.then(|| if known { term.renewal_due(self.origin) } else { now }),
            wake: term.deadline(),
            held,
            on_the_way: false,
            backoff: None,
            asks: Vec::new(),
        };
        let id = watched.held.id;
        self.wakes.insert((watched.wake, id));
        self.watched.insert(id, watched);
        self.rearm(id);
    }

    pub(super) fn forget(&mut self, held: &Held) {
        if let Some(watched) = self.watched.remove(&held.id) {
            self.wakes.remove(&(watched.wake, held.id));
            watched.refuse(held.loss(Moment::now()).unwrap_or(LossReason::Released));
        }
    }

    pub(super) fn ask(&mut self, held: &Held, ask: Ask, now: Moment) {
        match self.watched.get_mut(&held.id) {
            Some(watched) => {
                watched.asks.push(ask);
                watched.renew_at = Some(now);
                self.rearm(held.id);
            }
            None => refuse(held, ask, held.loss(now).unwrap_or(LossReason::Unknown)),
        }
    }

    /// A new socket knows of no lease: one that is renewed over it is known.
    pub(super) fn renew_all(&mut self, now: Moment) {
        let renewed = self.watched.values_mut().filter(|watched| watched.held.auto_renew);
        let ids: Vec<u64> = renewed
            .map(|watched| {
                watched.renew_at = Some(now);
                watched.held.id
            })
            .collect();
        for id in ids {
            self.rearm(id);
        }
    }

    /// The server says that a lease has ended.
    pub(super) fn ended(&mut self, ended: LeaseEnded, now: Moment) {
        let ids: Vec<u64> = self
            .watched
            .values()
            .filter(|watched| ends::is_of(&ended, &watched.held))
            .map(|watched| watched.held.id)
            .collect();
        for &id in &ids {
            let reason = self.watched[&id].held.lose(LossReason::of(Some(ended.reason)));
            self.lost(id, reason);
        }
        if ids.is_empty() {
            self.ends.keep(ended, now);
        }
    }

    /// Takes what is due: guards past their deadline are lost, leases whose
    /// time has come go into batches.
    pub(super) fn due(&mut self, now: Moment, longest_timeout: Duration) -> Vec<Batch> {
        let mut items = Vec::new();
        while let Some(&(wake, id)) = self.wakes.first()
            && wake <= now
        {
            let Some(watched) = self.watched.get_mut(&id) else {
                self.wakes.pop_first();
                continue;
            };
            if let Some(reason) = watched.held.loss(now) {
                self.lost(id, reason);
                continue;
            }
            // A third of what is left: a packet that is dropped in silence
            // leaves time for two more attempts.
            let timeout = longest_timeout.min(watched.held.remaining(now) / 3).max(SHORTEST_TIMEOUT);
            watched.on_the_way = true;
            watched.renew_at = None;
            let asks = std::mem::take(&mut watched.asks);
            items.push((timeout, Item { held: Arc::clone(&watched.held), asks }));
            self.rearm(id);
        }
        batch::cut(items)
    }

    /// Takes the answer to a batch in: each lease for itself. Those that are not
    /// `known` to the session after it are renewed again.
    pub(super) fn answered(&mut self, answered: Answered, known: bool, now: Moment) {
        let Answered { sent, items, outcome, .. } = answered;
        match outcome {
            Ok(results) => {
                for (item, result) in items.into_iter().zip(results) {
                    self.result(item, result, (sent, known), now);
                }
            }
            Err(failure) => {
                warn!(leases = items.len(), %failure, "a renewal failed; it is repeated");
                for item in items {
                    if failure.may_have_arrived() {
                        item.held.perhaps_renewed(now, item.ttl().map(Duration::from));
                    }
                    self.again(item, failure.retry_after(), now);
                }
            }
        }
    }

    fn result(&mut self, item: Item, result: RenewResult, (sent, known): (Moment, bool), now: Moment) {
        let problem = match result {
            RenewResult::Lease(lease) => {
                let next = Term::new(sent, now, lease.elapsed_ms, lease.ttl_ms);
                return match item.held.renewed(next, now) {
                    Ok(term) => self.renewed(item, term, known, now),
                    Err(reason) => self.gone(item, reason),
                };
            }
            RenewResult::Problem(problem) => problem,
        };
        match problem.code {
            ProblemCode::LeaseEnded => {
                let reason = item.held.lose(LossReason::of(problem.reason));
                self.gone(item, reason);
            }
            ProblemCode::NotHolder => {
                let reason = item.held.lose(LossReason::Unknown);
                self.gone(item, reason);
            }
            _ => {
                warn!(resource = %item.held.resource, fencing_token = %item.held.fencing_token,
                    detail = problem.detail, "a renewal failed; it is repeated");
                self.again(item, problem.retry_after_ms.map(Duration::from_millis), now);
            }
        }
    }

    fn renewed(&mut self, item: Item, term: Term, known: bool, now: Moment) {
        for ask in item.asks {
            // Nobody reads it when the renewal was given up.
            let _ = ask.done.send(Ok(()));
        }
        if let Some(watched) = self.watched.get_mut(&item.held.id) {
            watched.on_the_way = false;
            watched.backoff = None;
            let due = if known { term.renewal_due(self.origin) } else { now };
            watched.renew_at =
                if watched.asks.is_empty() { watched.held.auto_renew.then_some(due) } else { Some(now) };
            self.rearm(item.held.id);
        }
    }

    /// Has an item renewed again after a while that leaves time for it.
    fn again(&mut self, item: Item, retry_after: Option<Duration>, now: Moment) {
        let Some(watched) = self.watched.get_mut(&item.held.id) else {
            let reason = item.held.loss(now).unwrap_or(LossReason::Unknown);
            return refuse_all(&item.held, item.asks, reason);
        };
        let remaining = watched.held.remaining(now);
        let delay = watched.backoff.get_or_insert_with(Backoff::new).delay().min(remaining / 4);
        let delay = delay.max(retry_after.unwrap_or_default().min(remaining / 2));
        watched.on_the_way = false;
        watched.renew_at = Some(now.plus(delay));
        watched.asks.splice(..0, item.asks);
        self.rearm(item.held.id);
    }

    fn gone(&mut self, item: Item, reason: LossReason) {
        refuse_all(&item.held, item.asks, reason);
        self.lost(item.held.id, reason);
    }

    fn lost(&mut self, id: u64, reason: LossReason) {
        if let Some(watched) = self.watched.remove(&id) {
            self.wakes.remove(&(watched.wake, id));
            let held = &watched.held;
            if held.auto_renew {
                warn!(resource = %held.resource, fencing_token = %held.fencing_token, %reason, "a lock is lost");
            } else {
                debug!(resource = %held.resource, fencing_token = %held.fencing_token, %reason, "a lock has ended");
            }
            watched.refuse(reason);
        }
    }

    /// Sets the wake-up of a lease by what it waits for.
    fn rearm(&mut self, id: u64) {
        let Some(watched) = self.watched.get_mut(&id) else { return };
        let deadline = watched.held.term().deadline();
        let wake = match watched.renew_at {
            Some(renew_at) if !watched.on_the_way => renew_at.min(deadline),
            _ => deadline,
        };
        if wake != watched.wake {
            self.wakes.remove(&(watched.wake, id));
            watched.wake = wake;
            self.wakes.insert((wake, id));
        }
    }
}

impl Watched {
    fn refuse(self, reason: LossReason) {
        refuse_all(&self.held, self.asks, reason);
    }
}

fn refuse_all(held: &Held, asks: Vec<Ask>, reason: LossReason) {
    for ask in asks {
        refuse(held, ask, reason);
    }
}

fn refuse(held: &Held, ask: Ask, reason: LossReason) {
    // Nobody reads it when the renewal was given up.
    let _ = ask.done.send(Err(Error::lost(&held.resource, reason)));
}
