//! The newest events, as they are sent.

use std::collections::VecDeque;
use std::sync::Arc;

use super::segment::{Part, Segment};
use crate::log::Cursor;

/// Maximum events in the ring, and maximum bytes of their frames. A subscriber
/// that is further behind has to read the log itself.
const MAX_EVENTS: usize = 20_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// The end of the log.
#[derive(Debug, Default)]
pub(super) struct Ring {
    segments: VecDeque<Arc<Segment>>,
    events: usize,
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
    pub(super) fn push(&mut self, segments: Vec<Arc<Segment>>, end: Cursor) {
        let Some((start, last)) = &mut self.span else { return };
        *last = end.max(*last);
        for segment in segments {
            self.events += segment.len();
            self.bytes += segment.bytes();
            self.segments.push_back(segment);
        }
        while self.events > MAX_EVENTS || self.bytes > MAX_BYTES {
            let Some(oldest) = self.segments.pop_front() else { return };
            self.events -= oldest.len();
            self.bytes -= oldest.bytes();
            *start = oldest.end();
        }
    }

    /// The next events after a cursor, until they have this size, and the cursor after
    /// them; `None` when the ring does not reach back that far.
    pub(super) fn after(&self, at: Cursor, max_bytes: usize) -> Option<(Vec<Part>, Cursor)> {
        let (start, end) = self.span?;
        if at < start {
            return None;
        }
        let first = self.segments.partition_point(|segment| segment.end() <= at);
        Some(parts_after(self.segments.range(first..), at, max_bytes, end.max(at)))
    }
}

/// The first events of these segments after a cursor, until they have this size: the last may
/// be beyond it. Also the cursor after them: `end` if they are all.
pub(super) fn parts_after<'a>(
    segments: impl IntoIterator<Item = &'a Arc<Segment>>,
    at: Cursor,
    mut max_bytes: usize,
    end: Cursor,
) -> (Vec<Part>, Cursor) {
    let (mut parts, mut upto) = (Vec::new(), at);
    for segment in segments {
        if max_bytes == 0 {
            return (parts, upto);
        }
        let part = Part::after(segment, at, max_bytes);
        max_bytes = max_bytes.saturating_sub(part.bytes());
        upto = part.end();
        let all = upto == segment.end();
        parts.push(part);
        if !all {
            return (parts, upto);
        }
    }
    (parts, end)
}

#[cfg(test)]
mod tests {
    use super::super::segment::tests::segments;
    use super::*;

    /// A segment with one event, whose frame has this size.
    fn event(position: i64, index: u32, bytes: usize) -> Vec<Arc<Segment>> {
        let header = match bytes {
            ..128 => 2,
            128..65_540 => 4,
            _ => 10,
        };
        segments(&[(Cursor { position, index }, "a")], bytes - header)
    }

    fn count(parts: &[Part]) -> usize {
        parts.iter().map(Part::len).sum()
    }

    #[test]
    fn each_subscriber_reads_from_its_own_cursor() {
        let mut ring = Ring::default();
        assert!(ring.after(Cursor::START, MAX_BYTES).is_none(), "no subscribers");
        ring.restart(Cursor::after_batch(4));
        let events = [(Cursor { position: 5, index: 0 }, "a"), (Cursor { position: 5, index: 1 }, "a")];
        ring.push(segments(&events, 8), Cursor::after_batch(5));
        ring.push(Vec::new(), Cursor::after_batch(7));
        assert!(ring.after(Cursor::after_batch(3), MAX_BYTES).is_none());
        let (parts, upto) = ring.after(Cursor::after_batch(4), 1).unwrap();
        assert_eq!((count(&parts), upto), (1, Cursor { position: 5, index: 0 }));
        let (parts, upto) = ring.after(upto, MAX_BYTES).unwrap();
        assert_eq!((count(&parts), upto), (1, Cursor::after_batch(7)));
        assert_eq!(count(&ring.after(upto, MAX_BYTES).unwrap().0), 0);
    }

    #[test]
    fn a_subscriber_takes_a_limited_number_of_bytes() {
        let mut ring = Ring::default();
        ring.restart(Cursor::after_batch(0));
        for index in 0..9 {
            ring.push(event(1, index, 100), Cursor { position: 1, index });
        }
        let (parts, upto) = ring.after(Cursor::after_batch(0), 250).unwrap();
        assert_eq!((count(&parts), upto), (3, Cursor { position: 1, index: 2 }));
        assert_eq!(count(&ring.after(upto, 1).unwrap().0), 1, "at least one");
        assert_eq!(count(&ring.after(upto, 200).unwrap().0), 2);
    }

    #[test]
    fn a_trim_of_unread_events_is_noticed_by_subscribers() {
        let mut ring = Ring::default();
        ring.restart(Cursor::after_batch(4));
        ring.push(event(5, 0, 9), Cursor::after_batch(5));
        ring.trimmed(Cursor::after_batch(5));
        assert!(ring.after(Cursor::after_batch(4), MAX_BYTES).is_some(), "all of it was pushed before");
        ring.trimmed(Cursor::after_batch(7));
        ring.push(event(8, 0, 9), Cursor::after_batch(8));
        assert!(ring.after(Cursor::after_batch(5), MAX_BYTES).is_none());
        assert_eq!(count(&ring.after(Cursor::after_batch(7), MAX_BYTES).unwrap().0), 1);
    }

    #[test]
    fn the_oldest_events_are_evicted_when_the_ring_exceeds_its_bytes() {
        let mut ring = Ring::default();
        ring.restart(Cursor::after_batch(0));
        for position in 1..=4 {
            ring.push(event(position, 0, MAX_BYTES / 2), Cursor::after_batch(position));
        }
        assert!(ring.after(Cursor::after_batch(1), MAX_BYTES).is_none());
        assert_eq!(count(&ring.after(Cursor::after_batch(2), MAX_BYTES).unwrap().0), 2);
    }
}
