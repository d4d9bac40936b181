//! Committed batches that the writer hands to the tailer, so that it need not read them from
//! the log.

use dlm_engine::Event;

use crate::store::Name;

/// The events of all batches that wait for the tailer. If there are more, it reads the log.
const MAX_EVENTS: usize = 8192;

/// A committed batch with events.
#[derive(Debug)]
pub(super) struct HandedBatch {
    /// Its position in the log.
    pub(super) position: i64,
    pub(super) events: Vec<(Name, Event)>,
}

/// The next batches of the log, without a gap.
#[derive(Debug)]
pub(super) struct Handed {
    pub(super) batches: Vec<HandedBatch>,
    /// The position of the last batch, which may have no events.
    pub(super) end: i64,
}

/// The newest batches that were handed over, as far back as there is no gap.
#[derive(Debug, Default)]
pub(super) struct Handover {
    batches: Vec<HandedBatch>,
    events: usize,
    /// Every batch after the first position up to the second was handed over. `None` if none was.
    span: Option<(i64, i64)>,
}

impl Handover {
    /// Adds a batch that has committed. One that does not follow the last starts over.
    pub(super) fn add(&mut self, position: i64, events: Vec<(Name, Event)>) {
        match &mut self.span {
            Some((_, end)) if *end + 1 == position => *end = position,
            _ => self.restart(position - 1, position),
        }
        self.events += events.len();
        if self.events > MAX_EVENTS {
            self.restart(position, position);
        } else if !events.is_empty() {
            self.batches.push(HandedBatch { position, events });
        }
    }

    fn restart(&mut self, start: i64, end: i64) {
        *self = Self { span: Some((start, end)), ..Self::default() };
    }

    /// Takes what follows this position in the log. `None` if something may be missing in
    /// between, or if nothing follows.
    pub(super) fn take_after(&mut self, position: i64) -> Option<Handed> {
        let (start, end) = self.span?;
        if start > position || end <= position {
            return None;
        }
        let mut batches = std::mem::take(&mut self.batches);
        self.restart(end, end);
        // What was read meanwhile.
        batches.retain(|batch| batch.position > position);
        Some(Handed { batches, end })
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
pub(super) mod tests {
    use dlm_engine::{EventKind, Micros, Mode};

    use super::*;

    /// Events of the resource with this name.
    pub(in crate::feed) fn events_of(name: &str, count: usize) -> Vec<(Name, Event)> {
        let event = Event {
            kind: EventKind::Queued,
            mode: Mode::Exclusive,
            token: None,
            current_token: 0,
            version: 1,
            owner: "".into(),
            ticket: None,
            waited_ms: None,
            ttl_ms: None,
            expires_at: None,
            queue_len: 1,
            at: Micros(0),
            reason: None,
            principal: None,
            by: None,
        };
        vec![(Name::from(name), event); count]
    }

    fn events(count: usize) -> Vec<(Name, Event)> {
        events_of("a", count)
    }

    fn positions(handed: Option<Handed>) -> Option<(Vec<i64>, i64)> {
        handed.map(|handed| (handed.batches.iter().map(|batch| batch.position).collect(), handed.end))
    }

    #[test]
    fn batches_without_a_gap_are_taken_once() {
        let mut handover = Handover::default();
        assert_eq!(positions(handover.take_after(0)), None);
        handover.add(4, events(1));
        handover.add(5, Vec::new());
        handover.add(6, events(2));
        handover.add(7, Vec::new());
        assert_eq!(positions(handover.take_after(3)), Some((vec![4, 6], 7)));
        assert_eq!(positions(handover.take_after(7)), None, "nothing follows");
        handover.add(8, events(1));
        assert_eq!(positions(handover.take_after(7)), Some((vec![8], 8)));
    }

    #[test]
    fn what_was_read_from_the_log_meanwhile_is_not_taken() {
        let mut handover = Handover::default();
        (4..=6).for_each(|position| handover.add(position, events(1)));
        assert_eq!(positions(handover.take_after(5)), Some((vec![6], 6)));
        handover.add(7, events(1));
        assert_eq!(positions(handover.take_after(9)), None);
        assert_eq!(positions(handover.take_after(6)), Some((vec![7], 7)));
    }

    #[test]
    fn nothing_is_taken_across_a_gap() {
        let mut handover = Handover::default();
        handover.add(4, events(1));
        handover.add(6, events(1));
        assert_eq!(positions(handover.take_after(3)), None);
        assert_eq!(positions(handover.take_after(4)), None);
        assert_eq!(positions(handover.take_after(5)), Some((vec![6], 6)));
        // The tailer is behind what was taken: it failed meanwhile, or starts again.
        handover.add(7, events(1));
        assert_eq!(positions(handover.take_after(5)), None);
    }

    #[test]
    fn too_many_events_are_left_to_a_read_of_the_log() {
        let mut handover = Handover::default();
        handover.add(1, events(MAX_EVENTS));
        handover.add(2, events(1));
        assert_eq!((handover.events, handover.batches.len()), (0, 0));
        handover.add(3, events(1));
        assert_eq!(positions(handover.take_after(0)), None);
        assert_eq!(positions(handover.take_after(2)), Some((vec![3], 3)));
    }
}
