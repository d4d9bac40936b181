//! Parts of the log as they are sent. Each event is serialized once, as the WebSocket frame
//! that carries it: a server's frames are not masked, so their bytes are the same for all
//! subscribers.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use dlm_protocol::EventMessage;
use serde::Serialize;

use crate::log::{Cursor, LogDecoder};
use crate::store::{LoggedEvent, Name, StoreError};

/// A segment ends with the event that reaches this size. A subscriber that does not read
/// keeps whole segments in memory.
const SEGMENT_BYTES: usize = 32 * 1024;

/// Consecutive events of the log, at least one, in frames.
#[derive(Debug)]
pub(crate) struct Segment {
    frames: Bytes,
    events: Box<[FramedEvent]>,
}

#[derive(Debug)]
struct FramedEvent {
    at: Cursor,
    resource: Name,
    /// The end of its frame.
    end: usize,
}

impl Segment {
    /// The cursor after the last event.
    pub(super) fn end(&self) -> Cursor {
        self.events.last().map_or(Cursor::START, |event| event.at)
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// The size of the frames.
    pub(super) fn bytes(&self) -> usize {
        self.frames.len()
    }
}

/// Consecutive events of a segment.
#[derive(Debug)]
pub(crate) struct Part {
    segment: Arc<Segment>,
    events: Range<usize>,
}

impl Part {
    /// All events of a segment.
    pub(crate) fn whole(segment: &Arc<Segment>) -> Self {
        Self { segment: Arc::clone(segment), events: 0..segment.len() }
    }

    /// The events after a cursor, until they have this size: the last may be beyond it.
    pub(super) fn after(segment: &Arc<Segment>, at: Cursor, max_bytes: usize) -> Self {
        let first = segment.events.partition_point(|event| event.at <= at);
        let max_end = start_of(segment, first).saturating_add(max_bytes);
        let fitting = segment.events[first..].partition_point(|event| event.end < max_end);
        let end = segment.events.len().min(first + fitting + 1);
        Self { segment: Arc::clone(segment), events: first..end }
    }

    /// The cursor after the last event.
    pub(super) fn end(&self) -> Cursor {
        self.segment.events[..self.events.end].last().map_or(Cursor::START, |event| event.at)
    }

    /// The size of the frames.
    pub(crate) fn bytes(&self) -> usize {
        self.range().len()
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// All frames.
    pub(crate) fn frames(&self) -> Bytes {
        self.segment.frames.slice(self.range())
    }

    /// The frames of the events whose resource matches.
    pub(crate) fn matching_frames(&self, mut matches: impl FnMut(&str) -> bool) -> Bytes {
        let mut copy = Vec::new();
        // What matches and is not copied yet: the frames of all events, mostly.
        let mut run = self.range().start..self.range().start;
        for index in self.events.clone() {
            let event = &self.segment.events[index];
            let start = start_of(&self.segment, index);
            if !matches(&event.resource) {
                continue;
            }
            if run.end != start {
                copy.extend_from_slice(&self.segment.frames[run]);
                run = start..start;
            }
            run.end = event.end;
        }
        if copy.is_empty() && run.len() > self.bytes() / 2 {
            return self.segment.frames.slice(run);
        }
        // A few frames must not keep a whole segment in memory.
        copy.extend_from_slice(&self.segment.frames[run]);
        copy.into()
    }

    fn range(&self) -> Range<usize> {
        start_of(&self.segment, self.events.start)..start_of(&self.segment, self.events.end)
    }
}

/// Where the frame of an event begins; for the index after the last event, where that ends.
fn start_of(segment: &Segment, index: usize) -> usize {
    index.checked_sub(1).and_then(|before| segment.events.get(before)).map_or(0, |event| event.end)
}

/// Makes segments of events in the order of the log.
#[derive(Debug, Default)]
pub(crate) struct SegmentBuilder {
    done: Vec<Arc<Segment>>,
    frames: Vec<u8>,
    events: Vec<FramedEvent>,
    text: Vec<u8>,
}

impl SegmentBuilder {
    /// Adds an event, unless a value in it is invalid.
    pub(crate) fn add(
        &mut self,
        at: Cursor,
        event: &LoggedEvent<'_>,
        decoder: &LogDecoder,
    ) -> Result<(), StoreError> {
        let Some(wire) = decoder.wire(at, event) else { return Ok(()) };
        let resource = wire.resource.to_shared();
        self.add_message(at, resource, &wire).map_err(|error| StoreError::Corrupt(error.to_string()))
    }

    /// Adds a renewal, which has no place in the log.
    pub(super) fn add_renewal(&mut self, resource: Name, renewal: &EventMessage) -> serde_json::Result<()> {
        self.add_message(Cursor::START, resource, renewal)
    }

    fn add_message(
        &mut self,
        at: Cursor,
        resource: Name,
        message: &impl Serialize,
    ) -> serde_json::Result<()> {
        self.text.clear();
        serde_json::to_writer(&mut self.text, message)?;
        self.push(at, resource);
        Ok(())
    }

    /// The size of all frames.
    pub(crate) fn bytes(&self) -> usize {
        self.done.iter().map(|segment| segment.bytes()).sum::<usize>() + self.frames.len()
    }

    /// Adds an event whose text is in `self.text`.
    fn push(&mut self, at: Cursor, resource: Name) {
        push_text_frame(&mut self.frames, &self.text);
        self.events.push(FramedEvent { at, resource, end: self.frames.len() });
        if self.frames.len() >= SEGMENT_BYTES {
            self.end_segment();
        }
    }

    fn end_segment(&mut self) {
        if !self.events.is_empty() {
            // Without spare capacity: the segment may stay for long.
            let frames = std::mem::take(&mut self.frames).into_boxed_slice().into();
            let events = std::mem::take(&mut self.events).into();
            self.done.push(Arc::new(Segment { frames, events }));
        }
    }

    pub(crate) fn finish(mut self) -> Vec<Arc<Segment>> {
        self.end_segment();
        self.done
    }
}

/// One frame with the texts of these frames, separated by line feeds. In JSON a line feed is
/// always escaped.
pub(crate) fn join_frames(frames: &[Bytes]) -> Bytes {
    let mut joined = Vec::with_capacity(frames.iter().map(Bytes::len).sum());
    for mut rest in frames.iter().map(|frames| &frames[..]) {
        while let Some((text, after)) = split_text_frame(rest) {
            joined.extend_from_slice(text);
            joined.push(b'\n');
            rest = after;
        }
    }
    // A line feed separates; none ends the last line.
    joined.pop();
    let mut frame = Vec::new();
    push_text_frame(&mut frame, &joined);
    frame.into()
}

/// The text of the first frame that [`push_text_frame`] appended, and what follows it.
fn split_text_frame(frames: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&[_, length], rest) = frames.split_first_chunk()?;
    let (length, rest) = match length {
        126 => {
            let (length, rest) = rest.split_first_chunk()?;
            (u16::from_be_bytes(*length).into(), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk()?;
            (usize::try_from(u64::from_be_bytes(*length)).ok()?, rest)
        }
        length => (length.into(), rest),
    };
    rest.split_at_checked(length)
}

/// Appends a frame with a text to what a server sends.
pub(super) fn push_text_frame(frames: &mut Vec<u8>, text: &[u8]) {
    /// The last frame of a message, which is text.
    const TEXT: u8 = 0x81;
    frames.reserve(text.len() + 10);
    match (u8::try_from(text.len()), u16::try_from(text.len())) {
        (Ok(length @ ..126), _) => frames.extend([TEXT, length]),
        (_, Ok(length)) => {
            frames.extend([TEXT, 126]);
            frames.extend(length.to_be_bytes());
        }
        _ => {
            frames.extend([TEXT, 127]);
            frames.extend((text.len() as u64).to_be_bytes());
        }
    }
    frames.extend_from_slice(text);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Segments of events with texts of this size.
    pub(in crate::feed) fn segments(events: &[(Cursor, &str)], bytes: usize) -> Vec<Arc<Segment>> {
        let mut builder = SegmentBuilder::default();
        for (at, resource) in events {
            builder.text = vec![b'x'; bytes];
            builder.push(*at, (*resource).into());
        }
        builder.finish()
    }

    fn cursor(index: u32) -> Cursor {
        Cursor { position: 1, index }
    }

    #[test]
    fn a_frame_is_what_the_websocket_library_reads() {
        use tokio_tungstenite::tungstenite::protocol::frame::FrameSocket;
        for length in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let text = vec![b'x'; length];
            let mut frames = Vec::new();
            push_text_frame(&mut frames, &text);
            push_text_frame(&mut frames, b"next");
            let mut socket = FrameSocket::new(std::io::Cursor::new(frames));
            let frame = socket.read(None).unwrap().unwrap();
            assert!(frame.header().is_final && frame.header().mask.is_none());
            assert_eq!(frame.into_text().unwrap().as_bytes(), text);
            assert_eq!(socket.read(None).unwrap().unwrap().payload(), b"next");
        }
    }

    #[test]
    fn joined_frames_are_one_frame_with_a_line_for_each() {
        use tokio_tungstenite::tungstenite::protocol::frame::FrameSocket;
        for lengths in [&[0_usize, 1][..], &[125, 126, 127], &[65_535, 65_536], &[3]] {
            let texts: Vec<_> = lengths.iter().map(|length| "x".repeat(*length)).collect();
            // Some frames in each slice, as they are sent.
            let slices = texts.chunks(2).map(|some| {
                let mut frames = Vec::new();
                some.iter().for_each(|text| push_text_frame(&mut frames, text.as_bytes()));
                Bytes::from(frames)
            });
            let joined = join_frames(&slices.collect::<Vec<_>>());
            let mut socket = FrameSocket::new(std::io::Cursor::new(joined.to_vec()));
            let frame = socket.read(None).unwrap().unwrap();
            assert_eq!(frame.into_text().unwrap().as_str(), texts.join("\n"));
            assert!(socket.read(None).unwrap().is_none());
        }
    }

    #[test]
    fn a_part_has_the_frames_of_the_events_that_match() {
        let names = ["a", "b", "b", "a", "a"];
        let events: Vec<_> = (0..).zip(names).map(|(index, name)| (cursor(index), name)).collect();
        let segments = segments(&events, 8);
        let [segment] = &segments[..] else { panic!("{segments:?}") };
        let part = |after, max_bytes| Part::after(segment, after, max_bytes);
        let all = part(Cursor::START, usize::MAX);
        assert_eq!((all.bytes(), all.end()), (50, cursor(4)));
        assert_eq!(all.frames(), segment.frames);
        for (wanted, frames) in [("a", 3), ("b", 2), ("c", 0)] {
            assert_eq!(all.matching_frames(|name| name == wanted).len(), frames * 10);
        }
        assert_eq!(all.matching_frames(|_| true), segment.frames);
        let some = part(cursor(1), 11);
        assert_eq!((some.bytes(), some.end()), (20, cursor(3)));
        assert_eq!(some.matching_frames(|name| name == "a").len(), 10);
        assert_eq!(part(cursor(1), 10).end(), cursor(2));
        assert_eq!(part(cursor(1), 0).end(), cursor(2), "at least one");
    }

    #[test]
    fn a_segment_has_a_limited_size() {
        let events: Vec<_> = (0..9).map(|index| (cursor(index), "a")).collect();
        let segments = segments(&events, SEGMENT_BYTES / 2);
        assert_eq!(segments.iter().map(|segment| segment.len()).collect::<Vec<_>>(), [2, 2, 2, 2, 1]);
        assert_eq!(segments[1].end(), cursor(3));
    }
}
