//! All locks at a glance, computed once for all who look.
//!
//! What stands is counted in the database. What happened is read from the end
//! of the event log, so that it is the same at every server and after a
//! restart; it is kept between two looks, so that each reads what is new. While
//! nobody looks, nothing is read.

mod histogram;
mod made;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use dlm_protocol::limits::{LONG_WAIT_MS, OVERVIEW_SECONDS};
use dlm_protocol::{
    ContendedLock, ExpiredLease, FencingToken, LongWait, Overview, OverviewSecond, Owner, ResourceName,
};
use tokio::sync::Mutex;

use super::events::logged;
use super::wire::{self, damaged};
use super::{Error, Outcome, Service, unavailable};
use crate::clock::since_boot;
use crate::store::{LockCounts, LogRow, Reader, ResourceView};
use made::Made;
use tally::{Counts, Second, Tally, second_of};

/// So long the log is read at one look.
const BUDGET: Duration = Duration::from_millis(300);
/// Rows of the log that are read at a time.
const FIRST_ROWS: i64 = 256;
const MOST_ROWS: i64 = 4096;
/// The waits of so many seconds are summed up.
const WAITS_OVER: Second = 60;

/// A failure answers everyone for this long: a database that is away is not
/// asked by each who looks.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// The last overview and what it was made from.
#[derive(Debug, Default)]
pub(super) struct Overviews(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    history: Option<History>,
    made: Option<Made>,
    /// When it could not be made.
    failed_at: Option<Duration>,
}

/// What the end of the log said.
#[derive(Debug)]
struct History {
    tally: Tally,
    /// The last position of the log that it has.
    end: i64,
    /// The first second of which it has everything.
    since: Second,
    looked_at: Second,
}

impl Service {
    pub(super) async fn overview(&self, seconds: usize) -> Result<Outcome, Error> {
        // Whoever comes while it is computed waits for that.
        let mut state = Arc::clone(&self.0.overviews.0).lock_owned().await;
        let now = since_boot();
        if let Some(made) = state.made.as_ref().filter(|made| made.is_fresh(now)) {
            return Ok(Outcome::Overview(made.answer(seconds)));
        }
        if state.failed_at.is_some_and(|at| now.saturating_sub(at) < FAILED_FOR) {
            return Err(unavailable("the overview could not be made"));
        }
        let reader = Arc::clone(&self.0.reader);
        // It goes on when its caller hangs up: others wait for it.
        let computing = self.0.tasks.spawn_blocking(move || {
            let computed = compute(&*reader, state.history.take());
            let (overview, history) = computed.inspect_err(|_| state.failed_at = Some(since_boot()))?;
            let made = Made { overview, at: now, took: since_boot().saturating_sub(now) };
            let answer = made.answer(seconds);
            *state = State { history: Some(history), made: Some(made), failed_at: None };
            Ok(Outcome::Overview(answer))
        });
        computing.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an overview ended in a panic");
            Err(Error::Internal)
        })
    }
}

fn compute(reader: &dyn Reader, history: Option<History>) -> Result<(Overview, History), Error> {
    let now = reader.now()?;
    let this_second = second_of(now.0);
    let oldest = this_second - OVERVIEW_SECONDS as Second;
    let known = match history.filter(|history| history.looked_at > oldest) {
        Some(history) => read_on(reader, history)?,
        None => None,
    };
    let mut history = match known {
        Some(history) => history,
        None => read_back(reader, oldest)?,
    };
    history.looked_at = this_second;
    history.tally.forget_before(oldest);
    let long = Micros(now.0 - (LONG_WAIT_MS * 1000) as i64);
    let lock_counts = reader.lock_counts(long)?;
    let first = oldest.max(history.since);
    let seconds = (first..this_second).map(|second| wire_second(second, history.tally.second(second)));
    let waits = history.tally.waits_since(this_second - WAITS_OVER + 1);
    let overview = Overview {
        seconds: seconds.collect(),
        wait_p50_ms: waits.percentile(50),
        wait_p95_ms: waits.percentile(95),
        expired: expired(&history.tally)?,
        ..stands(now, long, &lock_counts)?
    };
    Ok((overview, history))
}

/// Reads what is new; `None` when that is too much.
fn read_on(reader: &dyn Reader, mut history: History) -> Result<Option<History>, Error> {
    let until = since_boot() + BUDGET;
    loop {
        let page = reader.log(history.end + 1, MOST_ROWS)?;
        if page.trimmed > history.end {
            return Ok(None);
        }
        for row in &page.rows {
            add(&mut history.tally, row, Second::MIN)?;
        }
        match page.rows.last() {
            Some(last) if page.rows.len() as i64 == MOST_ROWS => history.end = last.position,
            _ => {
                history.end = history.end.max(page.head.0);
                return Ok(Some(history));
            }
        }
        if since_boot() >= until {
            return Ok(None);
        }
    }
}

/// Reads backwards from the end of the log, to a second or as far as there is
/// time.
fn read_back(reader: &dyn Reader, oldest: Second) -> Result<History, Error> {
    let until = since_boot() + BUDGET;
    let page = reader.log(i64::MAX, 1)?;
    let (end, trimmed) = (page.head.0, page.trimmed);
    let mut history = History { tally: Tally::default(), end, since: oldest, looked_at: oldest };
    let (mut to, mut rows) = (end, FIRST_ROWS);
    while to > trimmed {
        let from = (to - rows + 1).max(trimmed + 1);
        let mut first = Second::MAX;
        for row in reader.log(from, rows)?.rows.iter().filter(|row| row.position <= to) {
            first = first.min(add(&mut history.tally, row, oldest)?);
        }
        if first < oldest {
            break;
        }
        if since_boot() >= until {
            // What stands before in that second was not read.
            history.since = first.saturating_add(1);
            break;
        }
        to = from - 1;
        rows = (rows * 2).min(MOST_ROWS);
    }
    Ok(history)
}

/// Takes in a row's events from a second on. Tells the first second in it.
fn add(tally: &mut Tally, row: &LogRow, oldest: Second) -> Result<Second, Error> {
    let mut first = Second::MAX;
    for event in &logged(row)? {
        let second = second_of(event.at);
        first = first.min(second);
        if second >= oldest {
            tally.add(event);
        }
    }
    Ok(first)
}

fn wire_second(second: Second, counts: Option<&Counts>) -> OverviewSecond {
    let none = Counts::default();
    let counts = counts.unwrap_or(&none);
    OverviewSecond {
        at: wire::time(Micros(second * 1_000_000)),
        queued: counts.queued,
        granted: counts.granted,
        released: counts.released,
        expired: counts.expired,
        force_released: counts.force_released,
        cancelled: counts.cancelled,
        wait_timed_out: counts.wait_timed_out,
        wait_p50_ms: counts.waits.percentile(50),
        wait_p95_ms: counts.waits.percentile(95),
    }
}

fn expired(tally: &Tally) -> Result<Vec<ExpiredLease>, Error> {
    let wire = |one: &tally::Expired| {
        Ok(ExpiredLease {
            resource: ResourceName::try_from(&*one.resource).map_err(|_| damaged("name"))?,
            owner: Owner::try_from(&*one.owner).map_err(|_| damaged("owner"))?,
            fencing_token: FencingToken::new(one.token),
            at: wire::time(Micros(one.at)),
        })
    };
    tally.expired().iter().map(wire).collect()
}

/// What stands; what happened is left empty.
fn stands(now: Micros, long: Micros, lock_counts: &LockCounts) -> Result<Overview, Error> {
    let waits: Vec<LongWait> = lock_counts
        .oldest
        .iter()
        .filter_map(|(name, claim)| {
            let entry = claim.queue_entry()?;
            let name = ResourceName::try_from(&**name).map_err(|_| damaged("name"));
            Some(name.and_then(|resource| {
                Ok(LongWait {
                    resource,
                    owner: wire::owner(claim)?,
                    mode: wire::mode(claim.mode()),
                    enqueued_at: wire::time(entry.enqueued_at),
                })
            }))
        })
        .collect::<Result<_, Error>>()?;
    let is_long = |wait: &&LongWait| wait.enqueued_at < wire::time(long);
    Ok(Overview {
        at: wire::time(now),
        held: lock_counts.held,
        leases: lock_counts.leases,
        waiting: lock_counts.waiting,
        oldest_wait: waits.first().cloned(),
        long_wait_count: lock_counts.long_waits,
        long_waits: waits.iter().filter(is_long).cloned().collect(),
        wait_p50_ms: None,
        wait_p95_ms: None,
        expired: Vec::new(),
        contended: lock_counts.contended.iter().filter_map(contended).collect::<Result<_, _>>()?,
        seconds: Vec::new(),
    })
}

/// `None` for one whose queue emptied while it was read.
fn contended(view: &ResourceView) -> Option<Result<ContendedLock, Error>> {
    let oldest_enqueued_at = wire::oldest_wait(view)?;
    let holder = view.holders.first();
    let lock = || {
        Ok(ContendedLock {
            resource: ResourceName::try_from(&*view.name).map_err(|_| damaged("name"))?,
            mode: holder.map(|claim| wire::mode(claim.mode())),
            queue_len: view.row.queue_len,
            holder_count: view.row.holder_count,
            owner: holder.map(wire::owner).transpose()?.unwrap_or_default(),
            acquired_at: holder.and_then(|claim| Some(wire::time(claim.lease()?.granted_at))),
            oldest_enqueued_at,
        })
    };
    Some(lock())
}
