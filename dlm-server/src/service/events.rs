//! Pages of the event log.

use std::collections::VecDeque;
use std::time::Duration;

use dlm_protocol::{Event, EventPage};

use super::{Error, EventsQuery, Outcome, Service};
use crate::clock::since_boot;
use crate::log::{Cursor, LoggedEvent, decode, wire_event};
use crate::store::{LogHead, LogPage, LogRow, Reader, StoreError};

/// Log rows (one per batch) per read.
const ROWS: i64 = 256;
/// Maximum rows per read while reading backwards; each read doubles the number.
const MAX_ROWS: i64 = 4096;
/// Time limit of a search for the newest events.
const NEWEST_WITHIN: Duration = Duration::from_millis(500);
/// Time limit of a page: a filter may match almost nothing.
const PAGE_WITHIN: Duration = Duration::from_secs(2);

impl Service {
    pub(super) async fn events(&self, query: EventsQuery) -> Result<Outcome, Error> {
        if query.newest {
            return self.newest_events(query).await;
        }
        let log_id = self.0.log_id;
        let reads = self.0.reads.permit().await?;
        let start = query.after.as_deref().map(|cursor| self.cursor(cursor)).transpose()?;
        let mut page = Page { log_id, at: start.unwrap_or(Cursor::START), events: Vec::new(), query };
        let until = since_boot() + PAGE_WITHIN;
        let mut first = true;
        loop {
            let from = page.at.position;
            let LogPage { rows, head: LogHead(head), trimmed } =
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
            let last = (rows.len() as i64) < ROWS;
            for row in &rows {
                if page.add(row)? {
                    return Ok(page.finish());
                }
            }
            if last {
                // The read also covered batches without events.
                page.at = page.at.max(Cursor::after_batch(head));
            }
            if last || since_boot() > until {
                return Ok(page.finish());
            }
        }
    }

    /// Reads the log backwards until enough events match, or until the time
    /// limit.
    async fn newest_events(&self, query: EventsQuery) -> Result<Outcome, Error> {
        let log_id = self.0.log_id;
        let reads = self.0.reads.permit().await?;
        let page = reads.read(move |reader| newest(reader, &query, log_id)).await?;
        Ok(Outcome::Events(page))
    }

    /// Decodes a cursor of this log.
    pub(super) fn cursor(&self, text: &str) -> Result<Cursor, Error> {
        Ok(Cursor::decode(text, self.0.log_id)?)
    }
}

fn newest(reader: &dyn Reader, query: &EventsQuery, log_id: u64) -> Result<EventPage, StoreError> {
    let LogPage { head: LogHead(head), trimmed, .. } = reader.log(i64::MAX, 1)?;
    let until = since_boot() + NEWEST_WITHIN;
    let (mut to, mut rows) = (head, ROWS);
    let mut newest = VecDeque::new();
    while to > trimmed && newest.len() < query.limit && since_boot() < until {
        let from = (to - rows + 1).max(trimmed + 1);
        let mut events = Vec::new();
        for row in reader.log(from, rows)?.rows.iter().filter(|row| row.position <= to) {
            for (index, event) in (0..).zip(&decode(row)?) {
                if matches(query, event) {
                    let cursor = Cursor { position: row.position, index };
                    events.push(wire_event(event, cursor.encode(log_id))?);
                }
            }
        }
        let missing = query.limit - newest.len();
        events.into_iter().rev().take(missing).for_each(|event| newest.push_front(event));
        to = from - 1;
        rows = (rows * 2).min(MAX_ROWS);
    }
    let cursor = Cursor::after_batch(head).encode(log_id);
    Ok(EventPage { events: newest.into(), cursor })
}

struct Page {
    log_id: u64,
    /// The end of the page so far.
    at: Cursor,
    events: Vec<Event>,
    query: EventsQuery,
}

impl Page {
    /// Adds the matching events of a row. Returns whether the page is full.
    fn add(&mut self, row: &LogRow) -> Result<bool, StoreError> {
        for (index, event) in (0..).zip(&decode(row)?) {
            let cursor = Cursor { position: row.position, index };
            if cursor <= self.at || !matches(&self.query, event) {
                continue;
            }
            if self.events.len() == self.query.limit {
                return Ok(true);
            }
            self.at = cursor;
            self.events.push(wire_event(event, cursor.encode(self.log_id))?);
        }
        self.at = self.at.max(Cursor::after_batch(row.position));
        Ok(false)
    }

    fn finish(self) -> Outcome {
        Outcome::Events(EventPage { events: self.events, cursor: self.at.encode(self.log_id) })
    }
}

fn matches(query: &EventsQuery, event: &LoggedEvent<'_>) -> bool {
    event.resource.starts_with(&query.prefix)
        && query.resource.as_ref().is_none_or(|resource| event.resource == resource.as_str())
}
