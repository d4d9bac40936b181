//! A summary of all locks, computed once for all callers that may observe the same
//! resources.
//!
//! The current state is counted in the database. The history is read from the
//! end of the event log, so it is the same on every server and after a restart.
//! It is kept between two computations, and each reads only what is new. Without
//! callers nothing is read.
//!
//! - `tally`: what happened in each second
//! - `histogram`: durations, for percentiles

mod histogram;
mod tally;

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use dlm_protocol::limits::{LONG_WAIT_MS, OVERVIEW_SECONDS};
use dlm_protocol::{ContendedLock, ExpiredLease, FencingToken, LongWait, Overview, OverviewSecond};

use super::access::{View, names_in_sight};
use super::scopes::{Computed, Scopes};
use super::{Error, Outcome, Service, TroubleThresholds, wire};
use crate::auth::Visibility;
use crate::clock::since_boot;
use crate::log::LogDecoder;
use crate::log::wire::{owner, resource_name};
use crate::store::{LockCounts, LogRow, Reader, ResourceView, StoreError, for_each_row, next_rows};
use tally::{Counts, Second, Tally, second_of};

/// Time limit for reading the log in one computation.
const BUDGET: Duration = Duration::from_millis(300);
/// Log rows in the first read, and the maximum per read.
const FIRST_ROWS: i64 = 64;
const MAX_ROWS: i64 = 1024;
/// The wait percentiles cover the waits that ended in this many seconds.
const WAITS_OVER: Second = 60;

/// The last overviews. The memory of each is bounded by the length of the history.
pub(super) type Overviews = Scopes<Overview, History>;

/// What the end of the log contains.
#[derive(Debug)]
pub(super) struct History {
    tally: Tally,
    /// The last log position included.
    end: i64,
    /// The first second that is complete.
    since: Second,
    /// The second of the last read.
    read_at: Second,
}

impl Service {
    pub(super) async fn overview(&self, view: View, seconds: usize) -> Result<Outcome, Error> {
        let decoder = Arc::clone(&self.0.decoder);
        let compute = move |reader: &dyn Reader, visibility: &Visibility, history| {
            compute(reader, &Scope { decoder: &decoder, visibility }, history)
        };
        let TroubleThresholds { wait, hold } = self.0.troubles;
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let take = move |computed: &Computed<Overview>| Overview {
            trouble_wait_ms: Some(millis(wait)),
            trouble_hold_ms: hold.map(millis),
            ..current(computed, seconds)
        };
        self.computed(&self.0.overviews, view, compute, take).await.map(Outcome::Overview)
    }
}

/// An overview with the current clock and its last `seconds` of history.
fn current(Computed { result, at, .. }: &Computed<Overview>, seconds: usize) -> Overview {
    let age = since_boot().saturating_sub(*at);
    let now = Micros(result.at.as_micros()).plus_ms(age.as_millis() as u64);
    let spare = result.seconds.len().saturating_sub(seconds);
    Overview { at: wire::time(now), seconds: result.seconds[spare..].to_vec(), ..result.clone() }
}

/// What an overview includes.
struct Scope<'a> {
    decoder: &'a LogDecoder,
    visibility: &'a Visibility,
}

fn compute(
    reader: &dyn Reader,
    scope: &Scope<'_>,
    history: Option<History>,
) -> Result<(Overview, History), StoreError> {
    let now = reader.now()?;
    let this_second = second_of(now.0);
    let oldest = this_second - OVERVIEW_SECONDS as Second;
    let known = match history.filter(|history| history.read_at > oldest) {
        Some(history) => read_forward(reader, scope, history)?,
        None => None,
    };
    let mut history = match known {
        Some(history) => history,
        None => read_backward(reader, scope, oldest)?,
    };
    history.read_at = this_second;
    history.tally.drop_before(oldest);
    let long = Micros(now.0 - (LONG_WAIT_MS * 1000) as i64);
    let counts = reader.lock_counts(long, &names_in_sight(scope.visibility))?;
    let first = oldest.max(history.since);
    let seconds = (first..this_second).map(|second| wire_second(second, history.tally.second(second)));
    let waits = history.tally.waits_since(this_second - WAITS_OVER + 1);
    let overview = Overview {
        seconds: seconds.collect(),
        wait_p50_ms: waits.percentile(50),
        wait_p95_ms: waits.percentile(95),
        expired: expired(&history.tally),
        ..current_state(now, long, &counts)?
    };
    Ok((overview, history))
}

/// Reads what is new; `None` when that is too much for the time limit, or was
/// trimmed.
fn read_forward(
    reader: &dyn Reader,
    scope: &Scope<'_>,
    mut history: History,
) -> Result<Option<History>, StoreError> {
    let until = since_boot() + BUDGET;
    loop {
        let page = reader.log(history.end + 1, MAX_ROWS)?;
        if page.trimmed > history.end {
            return Ok(None);
        }
        for row in &page.rows {
            add(&mut history.tally, scope, row, Second::MIN);
        }
        match page.rows.last() {
            Some(last) if page.more => history.end = last.position,
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

/// Reads backwards from the end of the log, to `oldest` or until the time limit.
fn read_backward(reader: &dyn Reader, scope: &Scope<'_>, oldest: Second) -> Result<History, StoreError> {
    let until = since_boot() + BUDGET;
    let page = reader.log(i64::MAX, 1)?;
    let (end, trimmed) = (page.head.0, page.trimmed);
    let mut history = History { tally: Tally::default(), end, since: oldest, read_at: oldest };
    let (mut to, mut rows) = (end, FIRST_ROWS);
    while to > trimmed {
        let from = (to - rows + 1).max(trimmed + 1);
        let mut first = Second::MAX;
        let read = for_each_row(reader, from, to, |row| {
            first = first.min(add(&mut history.tally, scope, row, oldest));
        })?;
        if first < oldest {
            break;
        }
        if since_boot() >= until {
            // The beginning of this second was not read.
            history.since = first.saturating_add(1);
            break;
        }
        to = from - 1;
        rows = next_rows(rows, read, MAX_ROWS);
    }
    Ok(history)
}

/// Counts the events of a row since `oldest`. Returns the first second in it.
fn add(tally: &mut Tally, scope: &Scope<'_>, row: &LogRow, oldest: Second) -> Second {
    let mut first = Second::MAX;
    for (_, event) in scope.decoder.events(row) {
        let second = second_of(event.at);
        first = first.min(second);
        if second >= oldest && scope.visibility.sees(&event.resource) {
            tally.add(&event);
        }
    }
    first
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

fn expired(tally: &Tally) -> Vec<ExpiredLease> {
    let wire = |expired: &tally::Expired| {
        Some(ExpiredLease {
            // A damaged event is not shown, as in pages and streams.
            resource: resource_name(&expired.resource).ok()?,
            owner: owner(&expired.owner).ok()?,
            fencing_token: FencingToken::new(expired.token),
            at: wire::time(Micros(expired.at)),
        })
    };
    tally.expired().iter().filter_map(wire).collect()
}

/// An overview of the current state; the history is left empty.
fn current_state(now: Micros, long: Micros, counts: &LockCounts) -> Result<Overview, StoreError> {
    let waits: Vec<LongWait> = counts
        .oldest
        .iter()
        .filter_map(|(name, claim)| {
            let entry = claim.queue_entry()?;
            Some(resource_name(name).and_then(|resource| {
                Ok(LongWait {
                    resource,
                    owner: wire::owner(claim)?,
                    mode: wire::mode(claim.mode()),
                    enqueued_at: wire::time(entry.enqueued_at),
                })
            }))
        })
        .collect::<Result<_, StoreError>>()?;
    let is_long = |wait: &&LongWait| wait.enqueued_at < wire::time(long);
    Ok(Overview {
        at: wire::time(now),
        held: counts.held,
        leases: counts.leases,
        waiting: counts.waiting,
        oldest_wait: waits.first().cloned(),
        long_wait_count: counts.long_waits,
        long_waits: waits.iter().filter(is_long).cloned().collect(),
        wait_p50_ms: None,
        wait_p95_ms: None,
        expired: Vec::new(),
        contended: counts.contended.iter().filter_map(contended).collect::<Result<_, _>>()?,
        seconds: Vec::new(),
        trouble_wait_ms: None,
        trouble_hold_ms: None,
    })
}

/// `None` for a resource whose queue emptied while it was read.
fn contended(view: &ResourceView) -> Option<Result<ContendedLock, StoreError>> {
    let oldest_enqueued_at = wire::oldest_wait(view)?;
    let holder = view.holders.first();
    let lock = || {
        Ok(ContendedLock {
            resource: resource_name(&view.name)?,
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
