//! The locks as they were at an instant.
//!
//! - `rewind`: the state at the instant, from the current one and from events
//! - `read`: which events are read, and how many
//! - `waits`: who waited for whom

mod read;
mod rewind;
mod waits;

use std::sync::Arc;
use std::time::Duration;

use dlm_engine::Micros;
use dlm_protocol::limits::MAX_PAGE_BYTES;
use dlm_protocol::{Owner, PastLock, PastState};
use tokio::sync::Mutex;

use super::access::{View, names_in_sight};
use super::log_position::Places;
use super::operation::StateQuery;
use super::reads::MAX_WAIT;
use super::{Error, Outcome, Service, unavailable, wire};
use crate::auth::Visibility;
use crate::log::LogDecoder;
use crate::store::{Contended, InUseLimits, LoggedEvent, Reader, StoreError};
use read::{Backwards, LIMITS};
use rewind::Rewind;

/// How much of the current state is looked at.
const CURRENT: InUseLimits =
    InUseLimits { queues: 1_000, waiters: 10_000, leases: 10_000, within: Duration::from_millis(300) };

/// One request looks at the past at a time, so that they leave the readers to others.
pub(super) type PastReads = Arc<Mutex<()>>;

/// About how many bytes of JSON a lock, a holder or a waiter takes, without the texts.
const ROW_BYTES: usize = 192;

impl Service {
    pub(super) async fn state_at(&self, mut view: View, query: StateQuery) -> Result<Outcome, Error> {
        let locking = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.0.past_reads).lock_owned()).await;
        let turn = locking.map_err(|_| unavailable("others are looking at the past"))?;
        let visibility = Arc::clone(view.visibility());
        let decoder = Arc::clone(&self.0.decoder);
        let reads = self.0.access.reads(&view).permit().await?;
        let state = reads.read(move |reader| {
            // Until the read has ended, even if its caller hangs up.
            let _turn = turn;
            Past { reader, decoder: &decoder, visibility: &visibility, query: &query }.state()
        });
        Ok(Outcome::State(Box::new(state.await??)))
    }
}

/// A look at the past.
struct Past<'a> {
    reader: &'a dyn Reader,
    decoder: &'a LogDecoder,
    visibility: &'a Visibility,
    query: &'a StateQuery,
}

impl Past<'_> {
    fn state(&self) -> Result<Result<PastState, Error>, StoreError> {
        let now = self.reader.now()?;
        let asked = self.query.at.map_or(now.0, |at| at.as_micros());
        // Instants are shown in milliseconds, so an event counts that is shown with this one.
        let at = if asked % 1000 == 0 { asked + 999 } else { asked };
        if asked > now.0 {
            let what = format!("`at` is in the future: it is {}", wire::time(now));
            return Ok(Err(Error::Invalid { what }));
        }
        // Before the log is read, which may then have events of what is not in it.
        let names = names_in_sight(self.visibility).with_prefix_only(&self.query.prefix);
        let Contended { views, complete } = self.reader.in_use(&names, CURRENT)?;
        let places = Places::read(self.reader, self.decoder)?;
        let known_since = places.known_since()?.map(|since| wire::time(Micros(since)));
        if let Some(since) = known_since.filter(|since| places.ends.trimmed > 0 && at < since.as_micros()) {
            let what = format!("`at` is before the oldest event that is kept, which is of {since}");
            return Ok(Err(Error::Invalid { what }));
        }
        let mut rewind = Rewind::to(at);
        views.iter().for_each(|view| rewind.add_current(view));
        let wanted = |event: &LoggedEvent<'_>| {
            event.resource.starts_with(&self.query.prefix) && self.visibility.sees(&event.resource)
        };
        let read = Backwards { places, wanted: &wanted, at, limits: LIMITS }.read(&mut rewind)?;
        let waits = rewind.waits()?;
        let mut locks = rewind.locks(self.query.owner.as_ref().map(Owner::as_str), &waits)?;
        if self.query.longest_waits_first {
            // An unknown instant is the least one: that wait may be the longest.
            locks.sort_by_key(|lock| {
                (lock.queue_len == 0, lock.waiters.first().map(|waiter| waiter.enqueued_at))
            });
        }
        let lock_count = locks.len() as u64;
        let lease_count = locks.iter().map(|lock| lock.holder_count).sum();
        let waiter_count = locks.iter().map(|lock| lock.queue_len).sum();
        locks.truncate(self.query.limit);
        locks.truncate(fitting(&locks));
        Ok(Ok(PastState {
            at: wire::time(Micros(asked)),
            now: wire::time(now),
            complete: complete && read.complete,
            events_read: read.events,
            known_since,
            lock_count,
            lease_count,
            waiter_count,
            locks,
            possible_deadlocks: waits.possible_deadlocks,
        }))
    }
}

/// How many of these locks fit into a reply; at least one.
fn fitting(locks: &[PastLock]) -> usize {
    let mut bytes = 0;
    let fits = |lock: &&PastLock| {
        let first = bytes == 0;
        let of = |owner: &str, principal: Option<&String>| {
            ROW_BYTES + owner.len() + principal.map_or(0, String::len)
        };
        bytes += of(lock.resource.as_str(), None);
        bytes += lock.holders.iter().map(|row| of(row.owner.as_str(), row.principal.as_ref())).sum::<usize>();
        bytes += lock.waiters.iter().map(|row| of(row.owner.as_str(), row.principal.as_ref())).sum::<usize>();
        first || bytes <= MAX_PAGE_BYTES
    };
    locks.iter().take_while(fits).count()
}

#[cfg(test)]
mod tests;
