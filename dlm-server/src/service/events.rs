//! Pages of the event log.

use std::collections::VecDeque;
use std::time::Duration;

use dlm_protocol::{Event, EventPage, FencingToken, Mode, Owner, ResourceName};

use super::cursor::Cursor;
use super::{Error, EventsQuery, Outcome, Service, wire};
use crate::clock::since_boot;
use crate::store::{LogHead, LogPage, LogRow, Reader};
use crate::writer::LoggedEvent;

/// Rows of the log (a batch each) that are read at a time.
const ROWS: i64 = 256;
/// The same where the log is read backwards, after the first few times.
const MOST_ROWS: i64 = 4096;
/// How long the newest events are looked for.
const BACK_FOR: Duration = Duration::from_millis(500);
/// How long one page is looked for: a filter may match next to nothing.
const LOOK_FOR: Duration = Duration::from_secs(2);

impl Service {
    pub(super) async fn events(&self, query: EventsQuery) -> Result<Outcome, Error> {
        if query.newest {
            return self.newest_events(query).await;
        }
        let log_id = self.0.log_id;
        let start = query.after.as_deref().map(|cursor| self.cursor(cursor)).transpose()?;
        let mut page = Page { log_id, at: start.unwrap_or(Cursor::START), events: Vec::new(), query };
        let until = since_boot() + LOOK_FOR;
        let mut first = true;
        loop {
            let from = page.at.position;
            let LogPage { rows, head: LogHead(head), trimmed } =
                self.read(move |reader| reader.log(from, ROWS)).await?;
            if let Some(start) = start.filter(|_| first) {
                start.check(head, trimmed)?;
            }
            // What was forgotten between two looks must not be passed over: who
            // asks from here is told that it is gone.
            if !first && page.at < Cursor::after_batch(trimmed) {
                return Ok(page.finish());
            }
            first = false;
            let last = (rows.len() as i64) < ROWS;
            for row in &rows {
                if page.take(row)? {
                    return Ok(page.finish());
                }
            }
            if last {
                // Batches without events are part of the log that was read.
                page.at = page.at.max(Cursor::after_batch(head));
            }
            if last || since_boot() > until {
                return Ok(page.finish());
            }
        }
    }

    /// The end of the log: read backwards until there are enough that match, or
    /// for as long as it may take.
    async fn newest_events(&self, query: EventsQuery) -> Result<Outcome, Error> {
        let log_id = self.0.log_id;
        let wanted = move |reader: &dyn Reader| {
            let LogPage { head: LogHead(head), trimmed, .. } = reader.log(i64::MAX, 1)?;
            let until = since_boot() + BACK_FOR;
            let (mut to, mut rows) = (head, ROWS);
            let mut newest = VecDeque::new();
            while to > trimmed && newest.len() < query.limit && since_boot() < until {
                let from = (to - rows + 1).max(trimmed + 1);
                let mut events = Vec::new();
                for row in reader.log(from, rows)?.rows.iter().filter(|row| row.position <= to) {
                    for (index, event) in (0..).zip(&logged(row)?) {
                        if wants(&query, event) {
                            let cursor = Cursor { position: row.position, index };
                            events.push(wire_event(event, cursor.encode(log_id))?);
                        }
                    }
                }
                let room = query.limit - newest.len();
                events.into_iter().rev().take(room).for_each(|event| newest.push_front(event));
                to = from - 1;
                rows = (rows * 2).min(MOST_ROWS);
            }
            let cursor = Cursor::after_batch(head).encode(log_id);
            Ok::<_, Error>(EventPage { events: newest.into(), cursor })
        };
        self.read(move |reader| Ok(wanted(reader))).await?.map(Outcome::Events)
    }

    /// The place that a cursor names.
    pub(super) fn cursor(&self, text: &str) -> Result<Cursor, Error> {
        Cursor::decode(text, self.0.log_id).ok_or(Error::InvalidCursor)
    }
}

impl Cursor {
    /// Whether a log with these ends can be read from here on.
    pub(super) fn check(self, head: i64, trimmed: i64) -> Result<(), Error> {
        if self.position > head {
            Err(Error::InvalidCursor)
        } else if self < Self::after_batch(trimmed) {
            Err(Error::CursorExpired)
        } else {
            Ok(())
        }
    }
}

/// The events of a row of the log.
pub(crate) fn logged(row: &LogRow) -> Result<Vec<LoggedEvent<'_>>, Error> {
    serde_json::from_str(&row.events).map_err(|error| {
        tracing::error!(%error, position = row.position, "a row of the log can't be read");
        Error::Internal
    })
}

struct Page {
    log_id: u64,
    /// Where the page ends so far.
    at: Cursor,
    events: Vec<Event>,
    query: EventsQuery,
}

impl Page {
    /// Takes what is asked for out of a row. Tells whether the page is full.
    fn take(&mut self, row: &LogRow) -> Result<bool, Error> {
        for (index, event) in (0..).zip(&logged(row)?) {
            let cursor = Cursor { position: row.position, index };
            if cursor <= self.at {
                continue;
            }
            if !wants(&self.query, event) {
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

fn wants(query: &EventsQuery, event: &LoggedEvent<'_>) -> bool {
    event.resource.starts_with(&query.prefix)
        && query.resource.as_ref().is_none_or(|resource| event.resource == resource.as_str())
}

/// An event as the wire has it.
pub(crate) fn wire_event(event: &LoggedEvent<'_>, cursor: String) -> Result<Event, Error> {
    let damaged = |_| Error::Internal;
    Ok(Event {
        cursor,
        kind: event.kind,
        resource: ResourceName::try_from(&*event.resource).map_err(damaged)?,
        mode: if event.shared { Mode::Shared } else { Mode::Exclusive },
        fencing_token: event.token.map(FencingToken::new),
        current_token: FencingToken::new(event.current_token),
        version: event.version,
        owner: Owner::try_from(&*event.owner).map_err(damaged)?,
        waiter_id: event.ticket.map(wire::waiter_id),
        waited_ms: event.waited_ms,
        ttl_ms: event.ttl_ms.map(wire::ttl).transpose()?,
        expires_at: event.expires_at.map(|at| wire::time(dlm_engine::Micros(at))),
        queue_len: event.queue_len,
        at: wire::time(dlm_engine::Micros(event.at)),
        reason: event.reason.as_ref().map(ToString::to_string),
    })
}
