use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{AcquireRequest, IdempotencyKey, Lease, ProblemCode, ResourceName, Wait};
use tokio::sync::oneshot;
use tracing::{debug, warn};
use uuid::Uuid;

use super::handle::Handle;
use super::release::cancel;
use crate::claims::Claim;
use crate::clock::{Moment, sleep_until};
use crate::error::Error;
use crate::guard::LockGuard;
use crate::held::Held;
use crate::retry::{self, Backoff};
use crate::term::Term;
use crate::transport::{Acquired, Failure};

/// After a longer wait two clocks may have drifted further apart than a margin
/// allows for: the lease is renewed before it is handed out.
const LONG_WAIT: Duration = Duration::from_secs(60);
/// A server that lets go of a waiter sooner is on its way out: it is not asked
/// again at once.
const SHORT_HOLD: Duration = Duration::from_secs(1);
/// Repeats after which a failure is no longer one in passing: who waits as long
/// as it takes would hear of it nowhere else.
const TOLD_AFTER: usize = 3;
/// Beyond the end of a wait: the server's own answer that it is over is on its
/// way.
const LAST_WORD: Duration = Duration::from_millis(50);

/// A lock that somebody wants.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) resource: ResourceName,
    /// As it is sent, but for the wait.
    pub(crate) request: AcquireRequest,
    /// The caller's own key; each turn has a fresh one otherwise.
    pub(crate) key: Option<IdempotencyKey>,
    pub(crate) patience: Patience,
    pub(crate) auto_renew: bool,
}

/// How long to wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Not at all.
    None,
    /// This long.
    Until(Wait),
    /// As long as it takes.
    Endless,
}

/// Locks what was ordered, and gives up the place in the queue when `reply` is
/// dropped before that.
pub(super) async fn acquire(
    handle: Handle,
    order: Order,
    mut reply: oneshot::Sender<Result<LockGuard, Error>>,
) {
    let shared = Arc::clone(&handle.shared);
    let key_claim = match &order.key {
        None => None,
        Some(key) => match Claim::key(shared.transport.name(), &order.resource, key) {
            Some(claim) => Some(claim),
            None => return answer(reply, Err(Error::second_guard(&order.resource))),
        },
    };
    let mut way = Way::new(handle, &order, key_claim);
    let ending = way.give_up_at;
    let outcome = tokio::select! {
        biased;
        () = reply.closed() => None,
        () = shared.closing.cancelled() => Some(Err(Error::closed())),
        outcome = way.go() => Some(outcome),
        () = until(ending) => Some(Err(way.waited_out())),
    };
    let left_behind = way.left_behind.take();
    if let Some(outcome) = outcome {
        answer(reply, outcome);
    }
    if let Some(key) = left_behind {
        cancel(&shared, &order.resource, &key, order.request.ttl_ms.into()).await;
    }
}

fn answer(reply: oneshot::Sender<Result<LockGuard, Error>>, outcome: Result<LockGuard, Error>) {
    // A guard that nobody takes any more is dropped here, which releases it.
    drop(reply.send(outcome));
}

async fn until(ending: Option<Moment>) {
    match ending {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// The way to one lock.
struct Way<'a> {
    handle: Handle,
    order: &'a Order,
    key_claim: Option<Claim>,
    begun: Moment,
    give_up_at: Option<Moment>,
    last_failure: Option<Failure>,
    /// The key under which a place or a lease may be at the server.
    left_behind: Option<IdempotencyKey>,
}

/// How a turn ended: the requests with one key.
enum Turn {
    Done(LockGuard),
    /// The key's lease or wait has ended unseen: begin with a fresh key.
    Anew,
}

impl<'a> Way<'a> {
    fn new(handle: Handle, order: &'a Order, key_claim: Option<Claim>) -> Self {
        let begun = Moment::now();
        let give_up_at = match order.patience {
            Patience::None => Some(begun.plus(handle.shared.request_timeout)),
            Patience::Until(wait) => Some(begun.plus(Duration::from(wait) + LAST_WORD)),
            Patience::Endless => None,
        };
        Self { handle, order, key_claim, begun, give_up_at, last_failure: None, left_behind: None }
    }

    async fn go(&mut self) -> Result<LockGuard, Error> {
        let mut backoff = Backoff::new();
        let mut wait = match self.order.patience {
            Patience::None => Wait::default(),
            Patience::Until(wait) => wait,
            Patience::Endless => Wait::MAX,
        };
        loop {
            let turn = self.turn(wait).await?;
            match turn {
                Turn::Done(guard) => return Ok(guard),
                Turn::Anew => {
                    sleep_until(Moment::now().plus(backoff.delay())).await;
                    wait = self.rest_of(wait);
                }
            }
        }
    }

    async fn turn(&mut self, wait: Wait) -> Result<Turn, Error> {
        let shared = Arc::clone(&self.handle.shared);
        let order = self.order;
        let key = match &order.key {
            Some(key) => key.clone(),
            None => fresh_key()?,
        };
        let request = AcquireRequest { wait_ms: wait, ..order.request.clone() };
        let timeout = shared.request_timeout;
        let mut backoff = Backoff::new();
        let mut repeated = false;
        let mut repeats = 0;
        loop {
            let kept = self.left_behind.replace(key.clone());
            let (sent, socket) = (Moment::now(), shared.transport.socket());
            let failure = match shared.transport.acquire(&order.resource, &key, &request, timeout).await {
                Ok(Acquired::Granted(lease)) => {
                    self.left_behind = None;
                    return self.granted(*lease, sent, socket).await;
                }
                Ok(Acquired::Queued(queued)) => {
                    debug!(resource = %order.resource, position = queued.position,
                        queue_len = queued.queue_len, "waiting");
                    self.last_failure = None;
                    repeated = true;
                    if Moment::now().since(sent) < SHORT_HOLD {
                        sleep_until(Moment::now().plus(backoff.delay())).await;
                    } else {
                        backoff = Backoff::new();
                    }
                    continue;
                }
                Err(failure) => failure,
            };
            if !failure.may_have_arrived() {
                self.left_behind = kept;
            }
            if failure.is_passing() && repeats < self.most_repeats() {
                let pause = backoff.after(&failure);
                if repeats == TOLD_AFTER {
                    warn!(resource = %order.resource, %failure, "no answer to a lock so far; it is asked for on");
                }
                debug!(resource = %order.resource, %failure, ?pause, "asking again");
                self.last_failure = Some(failure);
                repeated = true;
                repeats += 1;
                sleep_until(Moment::now().plus(pause)).await;
                continue;
            }
            return self.refused(failure, repeated);
        }
    }

    /// What is told when the time is up.
    fn waited_out(&mut self) -> Error {
        match (self.order.patience, self.last_failure.take()) {
            (Patience::None, Some(failure)) => failure.into(),
            // It is not the lock that was waited for.
            (Patience::None, None) => Failure::TimedOut(self.handle.shared.request_timeout).into(),
            (_, last) => Error::waited_out(&self.order.resource, last),
        }
    }

    /// How often to ask again over failures. Who doesn't wait for the lock is
    /// not kept waiting for the server either.
    fn most_repeats(&self) -> usize {
        if self.order.patience == Patience::None { retry::REPEATS } else { usize::MAX }
    }

    /// What is left of a wait for the next turn.
    fn rest_of(&self, wait: Wait) -> Wait {
        match self.give_up_at {
            Some(give_up_at) => Wait::try_from(give_up_at.since(Moment::now())).unwrap_or(wait).min(wait),
            None => wait,
        }
    }

    async fn granted(&mut self, lease: Lease, sent: Moment, socket: Option<u64>) -> Result<Turn, Error> {
        let answered = Moment::now();
        let order = self.order;
        let term = Term::new(sent, answered, lease.elapsed_ms, lease.ttl_ms);
        let Some(claim) = Claim::lease(&lease.lease_id) else {
            return Err(Error::second_guard(&order.resource));
        };
        let held = Held::new(lease, term, order.auto_renew, (Some(claim), self.key_claim.take()));
        let guard = LockGuard::new(self.handle.clone(), Arc::new(held), socket);
        let fresh = if answered.since(self.begun) > LONG_WAIT {
            guard.renew(order.request.ttl_ms.into()).await
        } else {
            guard.live_token().map(drop)
        };
        match fresh {
            Ok(()) => Ok(Turn::Done(guard)),
            // It ended before it could be handed out: nobody has seen it.
            Err(error) if error.is_lost() && order.key.is_none() => Ok(Turn::Anew),
            Err(error) => Err(error),
        }
    }

    fn refused(&mut self, failure: Failure, repeated: bool) -> Result<Turn, Error> {
        let code = failure.code();
        let own_key = self.order.key.is_none();
        if code.is_some_and(leaves_nothing) {
            self.left_behind = None;
        }
        match code {
            // A key that was sent once has ended only where its answer was lost.
            Some(ProblemCode::LeaseEnded) if own_key && repeated => Ok(Turn::Anew),
            Some(ProblemCode::WaitTimeout) if own_key && self.order.patience == Patience::Endless => {
                Ok(Turn::Anew)
            }
            _ => Err(failure.into()),
        }
    }
}

/// Whether an acquire that is refused like this has neither a place nor a lease
/// at the server.
fn leaves_nothing(code: ProblemCode) -> bool {
    matches!(
        code,
        ProblemCode::LockHeld
            | ProblemCode::WaitTimeout
            | ProblemCode::LeaseEnded
            | ProblemCode::IdempotencyKeyReused
            | ProblemCode::InvalidRequest
            | ProblemCode::InvalidName
            | ProblemCode::HostNotAllowed
            | ProblemCode::OriginNotAllowed
    )
}

/// Ordered by time, so that the keys land together in the server's index.
fn fresh_key() -> Result<IdempotencyKey, Error> {
    Ok(IdempotencyKey::try_from(Uuid::now_v7().to_string())?)
}
