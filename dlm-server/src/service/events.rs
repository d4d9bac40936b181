//! Pages of the event log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::limits::MAX_PAGE_BYTES;
use dlm_protocol::{Event, EventPage, Timestamp};

use super::access::View;
use super::log_position::{DISORDER_MICROS, Ends, Places};
use super::reads::ReadPermit;
use super::{Error, EventsQuery, Outcome, Service};
use crate::auth::Visibility;
use crate::clock::since_boot;
use crate::log::{Cursor, LogDecoder};
use crate::store::{LogHead, LogPage, LogRow, LoggedEvent, Reader, StoreError, for_each_row, next_rows};

/// Log rows (one per batch) per read.
const ROWS: i64 = 256;
/// Rows of the first read while reading backwards, and of each at most. Each read
/// doubles the number, unless the rows are large.
const FIRST_ROWS: i64 = 16;
const MAX_ROWS: i64 = 1024;
/// Time limit of a search for the newest events.
const NEWEST_WITHIN: Duration = Duration::from_millis(500);
/// Time limit of a page: a filter may match almost nothing.
const PAGE_WITHIN: Duration = Duration::from_secs(2);
/// How long to follow the links between the events of a resource through those that are too late. It
/// is busy then, so its events are also found near the instant up to which they are asked for.
const LATER_WITHIN: Duration = Duration::from_millis(250);

impl Service {
    pub(super) async fn events(&self, mut view: View, query: EventsQuery) -> Result<Outcome, Error> {
        let reads = self.0.access.reads(&view).permit().await?;
        let filter = Filter { visibility: Arc::clone(view.visibility()), query };
        if filter.query.newest {
            return self.newest_events(&reads, filter).await;
        }
        let start = filter.query.after.as_deref().map(|cursor| self.cursor(cursor)).transpose()?;
        let decoder = Arc::clone(&self.0.decoder);
        let mut at = start.unwrap_or(Cursor::START);
        // A cursor of a page before is behind it already.
        if let (None, Some(from)) = (start, filter.query.from) {
            let decoder = Arc::clone(&decoder);
            let last = reads.read(move |reader| Places::read(reader, &decoder)?.last_before(from));
            at = Cursor::after_batch(last.await?);
        }
        let mut page = Page { decoder, at, events: Vec::new(), bytes: 0, filter };
        let until = since_boot() + PAGE_WITHIN;
        let mut first = true;
        loop {
            let from = page.at.next_position();
            let LogPage { rows, more, head: LogHead(head), trimmed } =
                reads.read(move |reader| reader.log(from, ROWS)).await?;
            if let Some(start) = start.filter(|_| first) {
                start.check(head, trimmed)?;
            }
            // Events trimmed between two reads must not be skipped silently: the
            // next request, from this cursor, fails with `cursor-expired`.
            if !first && page.at < Cursor::after_batch(trimmed) {
                return Ok(page.finish());
            }
            first = false;
            for row in &rows {
                if page.add(row) {
                    return Ok(page.finish());
                }
            }
            if !more {
                // The read also covered batches without events.
                page.at = page.at.max(Cursor::after_batch(head));
            }
            if !more || since_boot() > until {
                return Ok(page.finish());
            }
        }
    }

    /// Reads the log backwards until enough events match, or until the time
    /// limit.
    async fn newest_events(&self, reads: &ReadPermit, filter: Filter) -> Result<Outcome, Error> {
        let decoder = Arc::clone(&self.0.decoder);
        let before = filter.query.before.as_deref().map(|cursor| self.cursor(cursor)).transpose()?;
        let page = reads.read(move |reader| newest(reader, &filter, &decoder, before)).await?;
        Ok(Outcome::Events(page))
    }

    /// Decodes a cursor of this log.
    pub(super) fn cursor(&self, text: &str) -> Result<Cursor, Error> {
        Ok(Cursor::decode(text, self.0.decoder.log_id())?)
    }
}

fn newest(
    reader: &dyn Reader,
    filter: &Filter,
    decoder: &LogDecoder,
    before: Option<Cursor>,
) -> Result<EventPage, StoreError> {
    let began = since_boot();
    let until = began + NEWEST_WITHIN;
    let before = before.unwrap_or(Cursor::after_batch(i64::MAX));
    let last_upto = |to: Timestamp| Places::read(reader, decoder)?.last_upto(to.as_micros());
    let last = filter.query.to.map(last_upto).transpose()?;
    let mut newest = Newest::new(filter, decoder, before);
    let mut interrupted = false;
    let (head, trimmed, mut to) = match &filter.query.resource {
        Some(resource) if filter.may_match(resource.as_str()) => {
            let mut is_too_late = false;
            let history = reader.history(&resource.to_shared(), before.position, &mut |row| {
                newest.add_part(row.position, |add| add(row));
                let now = since_boot();
                is_too_late = last.is_some_and(|last| row.position > last) && now >= began + LATER_WITHIN;
                interrupted = now >= until;
                !newest.done() && !interrupted && !is_too_late
            })?;
            let to = last.filter(|_| is_too_late).or(history.search_from).unwrap_or(0);
            (history.head.0, history.trimmed, to)
        }
        resource => {
            let Ends { head, trimmed } = Ends::read(reader)?;
            (head, trimmed, if resource.is_none() { last.unwrap_or(head) } else { 0 })
        }
    };
    to = to.min(before.position);
    let mut rows = FIRST_ROWS;
    while to > trimmed && !newest.done() && since_boot() < until {
        let from = (to - rows + 1).max(trimmed + 1);
        let read = newest.add_part(from, |add| for_each_row(reader, from, to, add))?;
        to = from - 1;
        rows = next_rows(rows, read, MAX_ROWS);
    }
    let more = newest.full || (!newest.done() && (interrupted || to > trimmed));
    Ok(newest.finish(Cursor::after_batch(head), more))
}

/// The newest events that match and fit on a page, in log order. The log is read backwards,
/// part by part.
struct Newest<'a> {
    filter: &'a Filter,
    decoder: &'a LogDecoder,
    events: VecDeque<Event>,
    /// About the size of the events.
    bytes: usize,
    full: bool,
    /// Everything after it was searched.
    start: Cursor,
    /// The earliest instant of the events in sight that were searched.
    earliest: Option<i64>,
}

impl<'a> Newest<'a> {
    fn new(filter: &'a Filter, decoder: &'a LogDecoder, before: Cursor) -> Self {
        let events = VecDeque::new();
        Self { filter, decoder, events, bytes: 0, full: false, start: before, earliest: None }
    }

    /// Adds the newest events of the part of the log before what was added. `read` reads it
    /// forwards, from this position on.
    fn add_part<T>(&mut self, from: i64, read: impl FnOnce(&mut dyn FnMut(&LogRow)) -> T) -> T {
        let mut part: VecDeque<(usize, Cursor, Event)> = VecDeque::new();
        let limit = self.filter.query.limit;
        let before = self.start;
        let done = read(&mut |row| {
            for (cursor, event) in self.decoder.events(row) {
                if cursor > before || !self.filter.may_match(&event.resource) {
                    continue;
                }
                self.earliest = Some(self.earliest.map_or(event.at, |earliest| earliest.min(event.at)));
                if !self.filter.matches(&event) {
                    continue;
                }
                let Some(wire) = self.decoder.wire(cursor, &event) else { continue };
                self.bytes += event.wire_bytes();
                part.push_back((event.wire_bytes(), cursor, wire));
                let events = |part: &VecDeque<_>| self.events.len() + part.len();
                while events(&part) > limit || (self.bytes > MAX_PAGE_BYTES && events(&part) > 1) {
                    let Some((size, ..)) = part.pop_front() else { break };
                    self.bytes -= size;
                    self.full = true;
                }
            }
        });
        self.full |= self.events.len() + part.len() == limit;
        self.start = match part.front() {
            Some((_, oldest, _)) if self.full => oldest.previous(),
            _ if self.full => self.start,
            _ => Cursor::after_batch(from - 1),
        };
        part.into_iter().rev().for_each(|(.., event)| self.events.push_front(event));
        done
    }

    /// Whether nothing before what was added is wanted.
    fn done(&self) -> bool {
        let earliest = |from: Timestamp| from.as_micros().saturating_sub(DISORDER_MICROS);
        let past = self.filter.query.from.map(earliest).zip(self.earliest);
        self.full || past.is_some_and(|(from, earliest)| earliest < from)
    }

    /// The page. `more`: older events may match.
    fn finish(self, end: Cursor, more: bool) -> EventPage {
        let log_id = self.decoder.log_id();
        let oldest = self.events.front().map(|event| event.at);
        // A full page does not tell what lies before its first event.
        let searched = if self.full { oldest } else { self.earliest.map(Timestamp::from_micros) };
        EventPage {
            cursor: end.encode(log_id),
            start: more.then(|| self.start.encode(log_id)),
            searched_from: searched.filter(|_| more),
            events: self.events.into(),
        }
    }
}

struct Page {
    decoder: Arc<LogDecoder>,
    /// The end of the page so far.
    at: Cursor,
    events: Vec<Event>,
    /// About the size of the events.
    bytes: usize,
    filter: Filter,
}

impl Page {
    /// Adds the matching events of a row. Returns whether the page is full.
    fn add(&mut self, row: &LogRow) -> bool {
        for (cursor, event) in self.decoder.events(row) {
            if cursor <= self.at || !self.filter.matches(&event) {
                continue;
            }
            self.bytes += event.wire_bytes();
            let too_large = self.bytes > MAX_PAGE_BYTES && !self.events.is_empty();
            if too_large || self.events.len() == self.filter.query.limit {
                return true;
            }
            self.at = cursor;
            self.events.extend(self.decoder.wire(cursor, &event));
        }
        self.at = self.at.max(Cursor::after_batch(row.position));
        false
    }

    fn finish(self) -> Outcome {
        let cursor = self.at.encode(self.decoder.log_id());
        Outcome::Events(EventPage { events: self.events, cursor, start: None, searched_from: None })
    }
}

/// Which events a page has: those that are asked for, of resources in sight.
struct Filter {
    query: EventsQuery,
    visibility: Arc<Visibility>,
}

impl Filter {
    /// Whether events of this resource may match.
    fn may_match(&self, resource: &str) -> bool {
        resource.starts_with(&self.query.prefix) && self.visibility.sees(resource)
    }

    fn matches(&self, event: &LoggedEvent<'_>) -> bool {
        let EventsQuery { resource, kinds, owner, principal, from, to, .. } = &self.query;
        resource.as_ref().is_none_or(|resource| event.resource == resource.as_str())
            && (kinds.is_empty() || kinds.contains(&event.kind))
            && owner.as_ref().is_none_or(|owner| event.owner == *owner)
            && principal.as_ref().is_none_or(|principal| {
                [&event.principal, &event.by].into_iter().flatten().any(|name| name == principal)
            })
            && from.is_none_or(|from| event.at >= from.as_micros())
            && to.is_none_or(|to| event.at < to.as_micros())
            && self.may_match(&event.resource)
    }
}

#[cfg(test)]
mod tests;
