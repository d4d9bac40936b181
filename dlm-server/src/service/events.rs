//! Pages of the event log.

use dlm_protocol::{Event, EventPage, FencingToken, Mode, Owner, ResourceName};

use super::cursor::Cursor;
use super::{Error, EventsQuery, Outcome, Service, wire};
use crate::store::{Head, LogPage, LogRow};
use crate::writer::LoggedEvent;

/// Rows of the log (a batch each) that are read at a time.
const ROWS: i64 = 256;

impl Service {
    pub(super) async fn events(&self, query: EventsQuery) -> Result<Outcome, Error> {
        let log_id = self.0.log_id;
        let start = query.after.as_deref().map(|cursor| self.cursor(cursor)).transpose()?;
        let mut page = Page { log_id, at: start.unwrap_or(Cursor::START), events: Vec::new(), query };
        loop {
            let from = page.at.position;
            let LogPage { rows, head: Head(head), trimmed } =
                self.read(move |reader| reader.log(from, ROWS)).await?;
            if let Some(start) = start {
                start.check(head, trimmed)?;
            }
            let last = (rows.len() as i64) < ROWS;
            for row in &rows {
                if page.take(row)? {
                    return Ok(page.finish());
                }
            }
            if last {
                // Batches without events are part of the log that was read.
                page.at = page.at.max(Cursor::after_batch(head));
                return Ok(page.finish());
            }
        }
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
            if !self.wants(event) {
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

    fn wants(&self, event: &LoggedEvent<'_>) -> bool {
        event.resource.starts_with(&self.query.prefix)
            && self.query.resource.as_ref().is_none_or(|resource| event.resource == resource.as_str())
    }

    fn finish(self) -> Outcome {
        Outcome::Events(EventPage { events: self.events, cursor: self.at.encode(self.log_id) })
    }
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
        ttl_ms: event.ttl_ms.map(wire::ttl).transpose()?,
        expires_at: event.expires_at.map(|at| wire::time(dlm_engine::Micros(at))),
        queue_len: event.queue_len,
        at: wire::time(dlm_engine::Micros(event.at)),
        reason: event.reason.as_ref().map(ToString::to_string),
    })
}
