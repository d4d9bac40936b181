//! Pages of the event log.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use dlm_protocol::{Event, EventPage};

use super::{Error, EventsQuery, Outcome, Service};
use crate::clock::since_boot;
use crate::log::{Cursor, LogDecoder, LoggedEvent};
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
        let reads = self.0.reads.permit().await?;
        let start = query.after.as_deref().map(|cursor| self.cursor(cursor)).transpose()?;
        let decoder = Arc::clone(&self.0.decoder);
        let mut page = Page { decoder, at: start.unwrap_or(Cursor::START), events: Vec::new(), query };
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
                if page.add(row) {
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
        let decoder = Arc::clone(&self.0.decoder);
        let reads = self.0.reads.permit().await?;
        let page = reads.read(move |reader| newest(reader, &query, &decoder)).await?;
        Ok(Outcome::Events(page))
    }

    /// Decodes a cursor of this log.
    pub(super) fn cursor(&self, text: &str) -> Result<Cursor, Error> {
        Ok(Cursor::decode(text, self.0.decoder.log_id())?)
    }
}

fn newest(reader: &dyn Reader, query: &EventsQuery, decoder: &LogDecoder) -> Result<EventPage, StoreError> {
    let LogPage { head: LogHead(head), trimmed, .. } = reader.log(i64::MAX, 1)?;
    let until = since_boot() + NEWEST_WITHIN;
    let (mut to, mut rows) = (head, ROWS);
    let mut newest = VecDeque::new();
    while to > trimmed && newest.len() < query.limit && since_boot() < until {
        let from = (to - rows + 1).max(trimmed + 1);
        let mut events = Vec::new();
        for row in reader.log(from, rows)?.rows.iter().filter(|row| row.position <= to) {
            let matching = decoder.events(row).filter(|(_, event)| matches(query, event));
            events.extend(matching.filter_map(|(cursor, event)| decoder.wire(cursor, &event)));
        }
        let missing = query.limit - newest.len();
        events.into_iter().rev().take(missing).for_each(|event| newest.push_front(event));
        to = from - 1;
        rows = (rows * 2).min(MAX_ROWS);
    }
    let cursor = Cursor::after_batch(head).encode(decoder.log_id());
    Ok(EventPage { events: newest.into(), cursor })
}

struct Page {
    decoder: Arc<LogDecoder>,
    /// The end of the page so far.
    at: Cursor,
    events: Vec<Event>,
    query: EventsQuery,
}

impl Page {
    /// Adds the matching events of a row. Returns whether the page is full.
    fn add(&mut self, row: &LogRow) -> bool {
        for (cursor, event) in self.decoder.events(row) {
            if cursor <= self.at || !matches(&self.query, &event) {
                continue;
            }
            if self.events.len() == self.query.limit {
                return true;
            }
            self.at = cursor;
            self.events.extend(self.decoder.wire(cursor, &event));
        }
        self.at = self.at.max(Cursor::after_batch(row.position));
        false
    }

    fn finish(self) -> Outcome {
        Outcome::Events(EventPage { events: self.events, cursor: self.at.encode(self.decoder.log_id()) })
    }
}

fn matches(query: &EventsQuery, event: &LoggedEvent<'_>) -> bool {
    event.resource.starts_with(&query.prefix)
        && query.resource.as_ref().is_none_or(|resource| event.resource == resource.as_str())
}
