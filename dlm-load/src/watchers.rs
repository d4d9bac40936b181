//! Subscribers to events without the client library. They only find the events in the
//! bytes and note their lag, so that the server is what is measured.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::handshake::client::generate_request;

use crate::BoxError;
use crate::run::{PhaseWatch, RunPhase};
use crate::sockets::{ByteStream, Connector};
use crate::worker::{WorkerStats, wall_clock_micros};

/// How much is read at a time.
const READ_BUFFER: usize = 16 * 1024;
/// A pong without a payload, with a mask of zeros.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
const DAY_MICROS: i64 = 86_400_000_000;

/// Receives all events from the server with this URL until the end of the run.
pub(crate) async fn watch(
    connector: Connector,
    url: String,
    phase: Arc<PhaseWatch>,
) -> Result<WorkerStats, BoxError> {
    let permit = connector.opening.acquire().await?;
    let opening = tokio::time::timeout(Duration::from_secs(30), open(&connector, &url));
    let (mut stream, mut buffer) = opening.await??;
    drop(permit);
    let mut stats = WorkerStats::default();
    let finished = phase.finished();
    tokio::pin!(finished);
    loop {
        if Frames::read(&mut buffer, &mut stats, phase.is(RunPhase::Measuring)) {
            stream.write_all(&PONG).await?;
        }
        let read = tokio::select! {
            read = stream.read_buf(&mut buffer) => read,
            () = &mut finished => return Ok(stats),
        };
        if !matches!(read, Ok(1..)) {
            stats.lost += 1;
            return Ok(stats);
        }
    }
}

/// Returns the stream, and what was received after the head of the response.
async fn open(connector: &Connector, url: &str) -> Result<(Box<dyn ByteStream>, Vec<u8>), BoxError> {
    let (mut stream, request) = connector.connect(url, "/v1/events", "dlm.events.v1").await?;
    let (request, _) = generate_request(request)?;
    stream.write_all(&request).await?;
    let mut buffer = Vec::with_capacity(READ_BUFFER);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err("the server closed the connection".into());
        }
        if let Some(end) = buffer.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            if !buffer.starts_with(b"HTTP/1.1 101 ") {
                return Err(String::from_utf8_lossy(&buffer).into());
            }
            buffer.drain(..end + 4);
            return Ok((stream, buffer));
        }
    }
}

/// The complete frames in a buffer.
struct Frames<'a>(&'a [u8]);

impl Frames<'_> {
    /// Takes the complete frames out of a buffer, and counts the events in them if the
    /// measurement runs. Returns whether there was a ping.
    fn read(buffer: &mut Vec<u8>, stats: &mut WorkerStats, measuring: bool) -> bool {
        let mut frames = Frames(buffer);
        let mut pinged = false;
        let now = if measuring { wall_clock_micros() } else { 0 };
        for (opcode, payload) in frames.by_ref() {
            pinged |= opcode == 9;
            if measuring && let Some(at) = time_of_event(payload) {
                stats.cycles += 1;
                let lag = (now - at).rem_euclid(DAY_MICROS);
                // A clock that the server has stepped is a little ahead.
                let lag = if lag > DAY_MICROS / 2 { 0 } else { lag };
                stats.acquire_micros.push(u32::try_from(lag).unwrap_or(u32::MAX));
            }
        }
        let left = frames.0.len();
        buffer.drain(..buffer.len() - left);
        pinged
    }
}

impl<'a> Iterator for Frames<'a> {
    /// The opcode and the payload.
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let [first, length, ..] = *self.0 else { return None };
        let (header, length) = match length {
            126 => (4, u64::from(u16::from_be_bytes(self.0.get(2..4)?.try_into().ok()?))),
            127 => (10, u64::from_be_bytes(self.0.get(2..10)?.try_into().ok()?)),
            length => (2, u64::from(length)),
        };
        let end = header + usize::try_from(length).ok()?;
        let payload = self.0.get(header..end)?;
        self.0 = &self.0[end..];
        Some((first & 0x0f, payload))
    }
}

/// When an event was committed, in microseconds since midnight; `None` for other messages.
fn time_of_event(message: &[u8]) -> Option<i64> {
    const KEY: &[u8] = br#","at":""#;
    if !message.starts_with(br#"{"type":"event","#) {
        return None;
    }
    // Near the end.
    let key = message.windows(KEY.len()).rposition(|bytes| bytes == KEY)?;
    let time = &message[key + KEY.len()..];
    let part = |from: usize, to: usize| {
        let digits = time.get(from..to)?;
        digits.iter().try_fold(0, |number: i64, digit| {
            digit.is_ascii_digit().then(|| number * 10 + i64::from(digit - b'0'))
        })
    };
    let fraction = time.get(20..)?.iter().take_while(|byte| byte.is_ascii_digit()).count().min(6);
    let seconds = part(11, 13)? * 3600 + part(14, 16)? * 60 + part(17, 19)?;
    let exponent = u32::try_from(6 - fraction).ok()?;
    Some(seconds * 1_000_000 + part(20, 20 + fraction)? * 10_i64.pow(exponent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_in_frames_that_arrive_in_parts() {
        let event = format!(
            r#"{{"type":"event","kind":"granted","expires_at":"2026-01-01T00:00:00.000Z","at":"2026-01-01T00:00:01.250Z","owner":"{}"}}"#,
            "o".repeat(200)
        );
        let mut bytes = vec![0x81, 126];
        bytes.extend(u16::try_from(event.len()).unwrap().to_be_bytes());
        bytes.extend(event.as_bytes());
        assert_eq!(time_of_event(event.as_bytes()), Some(1_250_000));
        let (mut buffer, mut stats) = (Vec::new(), WorkerStats::default());
        for part in bytes.chunks(7) {
            buffer.extend(part);
            assert!(!Frames::read(&mut buffer, &mut stats, true));
        }
        assert_eq!((stats.cycles, buffer.len()), (1, 0));
        buffer.extend([0x89, 0, 0x81, 2, b'{', b'}', 0x81]);
        assert!(Frames::read(&mut buffer, &mut stats, true));
        assert_eq!((stats.cycles, buffer.len()), (1, 1));
    }
}
