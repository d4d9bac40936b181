//! The newest events, serialized.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio_tungstenite::tungstenite::Utf8Bytes;

use crate::log::Cursor;
use crate::store::Name;

/// Maximum events in the ring, and maximum bytes of their texts. A subscriber
/// that is further behind has to read the log itself.
const MAX_EVENTS: usize = 20_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// An event and its text, shared by all subscribers.
#[derive(Debug)]
pub(crate) struct LiveEvent {
    pub(crate) at: Cursor,
    pub(crate) resource: Name,
    pub(crate) text: Utf8Bytes,
}

/// The end of the log.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: VecDeque<Arc<LiveEvent>>,
    bytes: usize,
    /// The ring holds every event after the first cursor up to the second.
    /// `None` without subscribers.
    span: Option<(Cursor, Cursor)>,
}

impl Ring {
    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Empties the ring; the next events pushed are those after this cursor.
    pub(super) fn restart(&mut self, at: Cursor) {
        *self = Self { span: Some((at, at)), ..Self::default() };
    }

    pub(super) fn end(&self) -> Cursor {
        self.span.map_or(Cursor::START, |(_, end)| end)
    }

    /// The log was trimmed up to this cursor. If that includes events that were
    /// never pushed, the ring restarts, so that subscribers before the gap
    /// notice it.
    pub(super) fn trimmed(&mut self, upto: Cursor) {
        if upto > self.end() {
            self.restart(upto);
        }
    }

    /// Appends the next events; `end` is the cursor after them.
    pub(super) fn push(&mut self, events: Vec<Arc<LiveEvent>>, end: Cursor) {
        let Some((start, last)) = &mut self.span else { return };
        *last = end.max(*last);
        self.bytes += events.iter().map(|event| event.text.len()).sum::<usize>();
        self.events.extend(events);
        while self.events.len() > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.text.len();
            *start = oldest.at;
        }
    }

    /// The next events after a cursor, and the cursor after them; `None` when
    /// the ring does not reach back that far.
    pub(super) fn after(
        &self,
        at: Cursor,
        limit: usize,
        max_bytes: usize,
    ) -> Option<(Vec<Arc<LiveEvent>>, Cursor)> {
        let (start, end) = self.span?;
        if at < start {
            return None;
        }
        let first = self.events.partition_point(|event| event.at <= at);
        let mut bytes = 0;
        let fits = |event: &&Arc<LiveEvent>| {
            let fits = bytes < max_bytes;
            bytes += event.text.len();
            fits
        };
        let events: Vec<_> = self.events.range(first..).take(limit).take_while(fits).cloned().collect();
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
    fn each_subscriber_reads_from_its_own_cursor() {
        let mut ring = Ring::default();
        assert!(ring.after(Cursor::START, 9, MAX_BYTES).is_none(), "no subscribers");
        ring.restart(Cursor::after_batch(4));
        ring.push(vec![event(5, 0, 1), event(5, 1, 1)], Cursor::after_batch(5));
        ring.push(Vec::new(), Cursor::after_batch(7));
        assert!(ring.after(Cursor::after_batch(3), 9, MAX_BYTES).is_none());
        let (events, upto) = ring.after(Cursor::after_batch(4), 1, MAX_BYTES).unwrap();
        assert_eq!((events.len(), upto), (1, Cursor { position: 5, index: 0 }));
        let (events, upto) = ring.after(upto, 9, MAX_BYTES).unwrap();
        assert_eq!((events.len(), upto), (1, Cursor::after_batch(7)));
        assert_eq!(ring.after(upto, 9, MAX_BYTES).unwrap().0.len(), 0);
    }

    #[test]
    fn a_subscriber_takes_a_limited_number_of_bytes() {
        let mut ring = Ring::default();
        ring.restart(Cursor::after_batch(0));
        ring.push((0..9).map(|index| event(1, index, 100)).collect(), Cursor::after_batch(1));
        let (events, upto) = ring.after(Cursor::after_batch(0), 9, 250).unwrap();
        assert_eq!((events.len(), upto), (3, Cursor { position: 1, index: 2 }));
        assert_eq!(ring.after(upto, 9, 1).unwrap().0.len(), 1, "at least one");
    }

    #[test]
    fn a_trim_of_unread_events_is_noticed_by_subscribers() {
        let mut ring = Ring::default();
        ring.restart(Cursor::after_batch(4));
        ring.push(vec![event(5, 0, 1)], Cursor::after_batch(5));
        ring.trimmed(Cursor::after_batch(5));
        assert!(ring.after(Cursor::after_batch(4), 9, MAX_BYTES).is_some(), "all of it was pushed before");
        ring.trimmed(Cursor::after_batch(7));
        ring.push(vec![event(8, 0, 1)], Cursor::after_batch(8));
        assert!(ring.after(Cursor::after_batch(5), 9, MAX_BYTES).is_none());
        assert_eq!(ring.after(Cursor::after_batch(7), 9, MAX_BYTES).unwrap().0.len(), 1);
    }

    #[test]
    fn the_oldest_events_are_evicted_when_the_ring_exceeds_its_bytes() {
        let mut ring = Ring::default();
        ring.restart(Cursor::after_batch(0));
        for position in 1..=4 {
            ring.push(vec![event(position, 0, MAX_BYTES / 2)], Cursor::after_batch(position));
        }
        assert!(ring.after(Cursor::after_batch(1), 9, MAX_BYTES).is_none());
        assert_eq!(ring.after(Cursor::after_batch(2), 9, MAX_BYTES).unwrap().0.len(), 2);
    }
}
