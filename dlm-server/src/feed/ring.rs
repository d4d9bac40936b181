//! The newest events, ready to be sent.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::service::cursor::Cursor;
use crate::store::Name;

/// Most events in the ring, and most bytes of their texts: what one may be
/// behind before it has to read the log itself.
const MOST_EVENTS: usize = 20_000;
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// An event and its text, shared by all to whom it is sent.
#[derive(Debug)]
pub(crate) struct LiveEvent {
    pub(crate) at: Cursor,
    pub(crate) resource: Name,
    pub(crate) text: Utf8Bytes,
}

/// The end of the log from `start` on.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Arc<LiveEvent>>,
    bytes: usize,
    /// Everything after the first and up to the second is here; `None` while
    /// nobody follows.
    span: Option<(Cursor, Cursor)>,
}

impl Ring {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Begins anew behind this place.
    pub(super) fn begin(&mut self, at: Cursor) {
        *self = Self { span: Some((at, at)), ..Self::default() };
    }

    pub(super) fn end(&self) -> Cursor {
        self.span.map_or(Cursor::START, |(_, end)| end)
    }

    /// The log forgot what came up to here. Whatever of that was not taken in is
    /// missing, so the ring begins anew: who has not read so far is told.
    pub(super) fn forgotten(&mut self, upto: Cursor) {
        if upto > self.end() {
            self.begin(upto);
        }
    }

    /// Takes the next events, which lead up to `end`.
    pub(super) fn push(&mut self, events: Vec<Arc<LiveEvent>>, end: Cursor) {
        let Some((start, last)) = &mut self.span else { return };
        *last = end.max(*last);
        self.bytes += events.iter().map(|event| event.text.len()).sum::<usize>();
        self.events.extend(events);
        while self.events.len() > MOST_EVENTS || self.bytes > MOST_BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.text.len();
            *start = oldest.at;
        }
    }

    /// The next events behind a place, and where they lead.
    pub(super) fn after(&self, at: Cursor, limit: usize) -> Option<(Vec<Arc<LiveEvent>>, Cursor)> {
        let (start, end) = self.span?;
        if at < start {
            return None;
        }
        let first = self.events.partition_point(|event| event.at <= at);
        let events: Vec<_> = self.events.range(first..).take(limit).cloned().collect();
        let all = first + events.len() == self.events.len();
        let upto = match events.last() {
            Some(last) if !all => last.at,
            _ => end.max(at),
        };
        Some((events, upto))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: i64, index: u32, bytes: usize) -> Arc<LiveEvent> {
        let text = "x".repeat(bytes).into();
        Arc::new(LiveEvent { at: Cursor { position, index }, resource: "a".into(), text })
    }

    #[test]
    fn everyone_reads_on_from_where_they_are() {
        let mut ring = Ring::default();
        assert!(ring.after(Cursor::START, 9).is_none(), "nobody follows");
        ring.begin(Cursor::after_batch(4));
        ring.push(vec![event(5, 0, 1), event(5, 1, 1)], Cursor::after_batch(5));
        ring.push(Vec::new(), Cursor::after_batch(7));
        assert!(ring.after(Cursor::after_batch(3), 9).is_none());
        let (events, upto) = ring.after(Cursor::after_batch(4), 1).unwrap();
        assert_eq!((events.len(), upto), (1, Cursor { position: 5, index: 0 }));
        let (events, upto) = ring.after(upto, 9).unwrap();
        assert_eq!((events.len(), upto), (1, Cursor::after_batch(7)));
        assert_eq!(ring.after(upto, 9).unwrap().0.len(), 0);
    }

    #[test]
    fn what_the_log_forgot_unread_is_not_passed_over() {
        let mut ring = Ring::default();
        ring.begin(Cursor::after_batch(4));
        ring.push(vec![event(5, 0, 1)], Cursor::after_batch(5));
        ring.forgotten(Cursor::after_batch(5));
        assert!(ring.after(Cursor::after_batch(4), 9).is_some(), "all of it was read before");
        ring.forgotten(Cursor::after_batch(7));
        ring.push(vec![event(8, 0, 1)], Cursor::after_batch(8));
        assert!(ring.after(Cursor::after_batch(5), 9).is_none());
        assert_eq!(ring.after(Cursor::after_batch(7), 9).unwrap().0.len(), 1);
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_bytes() {
        let mut ring = Ring::default();
        ring.begin(Cursor::after_batch(0));
        for position in 1..=4 {
            ring.push(vec![event(position, 0, MOST_BYTES / 2)], Cursor::after_batch(position));
        }
        assert!(ring.after(Cursor::after_batch(1), 9).is_none());
        assert_eq!(ring.after(Cursor::after_batch(2), 9).unwrap().0.len(), 2);
    }
}
