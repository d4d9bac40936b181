//! How long locks were held, from the event log: the last leases of each lock that ended. The log
//! is read backwards, within a time limit.

use std::collections::HashMap;
use std::time::Duration;

use dlm_protocol::EventKind;
use dlm_protocol::limits::MAX_HOLD_SAMPLES;

use crate::clock::since_boot;
use crate::log::LogDecoder;
use crate::store::{LogRow, LoggedEvent, Name, Reader, StoreError, for_each_row, next_rows};

/// Rows of the first read of a search, and of each at most.
const FIRST_ROWS: i64 = 16;
const MAX_ROWS: i64 = 1024;

/// A lease that ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) granted_at: i64,
    pub(super) ended_at: i64,
}

impl Hold {
    pub(super) fn ms(&self) -> u64 {
        u64::try_from(self.ended_at.saturating_sub(self.granted_at)).unwrap_or(0) / 1000
    }
}

/// The last leases of a lock that ended. Its events are added from the newest on.
#[derive(Debug, Default)]
pub(super) struct Holds {
    /// When they ended, the newest first; with the grants that were found.
    ends: Vec<(i64, Option<i64>)>,
    /// The places in `ends` of those whose grant was not found yet, by fencing token.
    open: HashMap<u64, usize>,
}

impl Holds {
    pub(super) fn add(&mut self, kind: EventKind, token: Option<u64>, at: i64) {
        let Some(token) = token else { return };
        match kind {
            EventKind::Released | EventKind::Expired | EventKind::ForceReleased
                if self.ends.len() < MAX_HOLD_SAMPLES =>
            {
                self.open.insert(token, self.ends.len());
                self.ends.push((at, None));
            }
            EventKind::Granted => {
                if let Some(index) = self.open.remove(&token) {
                    self.ends[index].1 = Some(at);
                }
            }
            _ => {}
        }
    }

    /// Whether older events can't change anything.
    pub(super) fn are_complete(&self) -> bool {
        self.ends.len() == MAX_HOLD_SAMPLES && self.open.is_empty()
    }

    /// Those whose grant was found, in the order in which they ended.
    pub(super) fn in_order(&self) -> Vec<Hold> {
        let found = self.ends.iter().rev();
        found
            .filter_map(|(ended_at, grant)| Some(Hold { granted_at: (*grant)?, ended_at: *ended_at }))
            .collect()
    }
}

/// An event of a lock.
type Seen = (EventKind, Option<u64>, i64);

fn seen(event: &LoggedEvent<'_>) -> Seen {
    (event.kind, event.token, event.at)
}

/// Reads how long each of these locks was held. With a store that has links between the events of
/// a lock, it follows these; else it searches the end of the log for all of them at once.
pub(super) fn read(
    reader: &dyn Reader,
    decoder: &LogDecoder,
    names: &[Name],
    within: Duration,
) -> Result<Vec<Holds>, StoreError> {
    let until = since_boot() + within;
    let mut all: Vec<Holds> = names.iter().map(|_| Holds::default()).collect();
    let mut search = Search { from: 0, trimmed: 0, wanted: HashMap::new() };
    for (index, (name, holds)) in names.iter().zip(&mut all).enumerate() {
        // Each gets its share of the time that is left.
        let left = until.saturating_sub(since_boot());
        let share = since_boot() + left / u32::try_from(names.len() - index).unwrap_or(u32::MAX);
        let history = reader.history(name, i64::MAX, &mut |row| {
            let events: Vec<Seen> = decoder
                .events(row)
                .filter(|(_, event)| *event.resource == **name)
                .map(|(_, event)| seen(&event))
                .collect();
            events.into_iter().rev().for_each(|(kind, token, at)| holds.add(kind, token, at));
            !holds.are_complete() && since_boot() < share
        })?;
        if let Some(from) = history.search_from.filter(|_| !holds.are_complete()) {
            search.from = search.from.max(from);
            search.trimmed = history.trimmed;
            search.wanted.insert(&**name, (index, from));
        }
    }
    search.run(reader, decoder, &mut all, until)?;
    Ok(all)
}

/// A search for the events of several locks.
struct Search<'a> {
    from: i64,
    trimmed: i64,
    /// The index of each lock, and the position from which on it is searched for.
    wanted: HashMap<&'a str, (usize, i64)>,
}

impl Search<'_> {
    fn run(
        mut self,
        reader: &dyn Reader,
        decoder: &LogDecoder,
        all: &mut [Holds],
        until: Duration,
    ) -> Result<(), StoreError> {
        let (mut to, mut rows) = (self.from, FIRST_ROWS);
        while to > self.trimmed && !self.wanted.is_empty() && since_boot() < until {
            let from = (to - rows + 1).max(self.trimmed + 1);
            let mut found: Vec<(usize, Seen)> = Vec::new();
            let bytes = for_each_row(reader, from, to, |row| self.add(decoder, row, &mut found))?;
            for (index, (kind, token, at)) in found.into_iter().rev() {
                all[index].add(kind, token, at);
            }
            self.wanted.retain(|_, (index, _)| !all[*index].are_complete());
            to = from - 1;
            rows = next_rows(rows, bytes, MAX_ROWS);
        }
        Ok(())
    }

    fn add(&self, decoder: &LogDecoder, row: &LogRow, found: &mut Vec<(usize, Seen)>) {
        for (_, event) in decoder.events(row) {
            if let Some((index, from)) = self.wanted.get(&*event.resource)
                && row.position <= *from
            {
                found.push((*index, seen(&event)));
            }
        }
    }
}
