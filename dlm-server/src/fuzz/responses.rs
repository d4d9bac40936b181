//! Parses what a server sends, independently of the library that it sends it with.

use dlm_protocol::{Problem, ProblemCode, SessionBody, SessionMessage};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const END_OF_HEAD: &[u8] = b"\r\n\r\n";

/// Checks the responses to what an HTTP connection has sent.
pub(super) fn check(input: &[u8], received: &[u8]) {
    if input.starts_with(PREFACE) {
        return check_http2(received);
    }
    let contains = |part: &[u8]| input.windows(part.len()).any(|window| window == part);
    // Responses to it have no body.
    let may_be_head = contains(b"HEAD");
    let mut rest = received;
    let mut responses = 0;
    while !rest.is_empty() {
        rest = response(rest, may_be_head);
        responses += 1;
    }
    let begun = input.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(input.len());
    // What only begins like the preface is not answered.
    let is_preface = input[begun..].starts_with(&PREFACE[..4]);
    let has_head =
        !is_preface && input[begun..].windows(END_OF_HEAD.len()).any(|window| window == END_OF_HEAD);
    assert!(responses > 0 || !has_head, "a request without a response");
}

/// Checks one response. Returns what follows it.
fn response(received: &[u8], may_be_head: bool) -> &[u8] {
    let shown = || String::from_utf8_lossy(&received[..received.len().min(2000)]);
    let end = received.windows(END_OF_HEAD.len()).position(|window| window == END_OF_HEAD);
    let end = end.unwrap_or_else(|| panic!("the head of a response is not complete: {}", shown()));
    let head = std::str::from_utf8(&received[..end]).unwrap_or_else(|_| panic!("not text: {}", shown()));
    let rest = &received[end + END_OF_HEAD.len()..];
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.")?.get(2..5)?.parse::<u16>().ok());
    let status = status.unwrap_or_else(|| panic!("no status: {}", shown()));
    if status == 100 {
        return rest;
    }
    assert!((200..500).contains(&status) || status == 503, "{}", shown());
    let headers: Vec<_> = lines
        .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("not a header: {line:?} in {}", shown())))
        .collect();
    let header = |name| headers.iter().find(|(other, _)| *other == name).map(|(_, value)| *value);
    assert!(header("x-request-id").is_some(), "no id: {}", shown());
    assert!(header("transfer-encoding").is_none(), "a body of an unknown length: {}", shown());
    if status == 304 {
        return rest;
    }
    let length = header("content-length").and_then(|length| length.parse::<usize>().ok());
    let length = length.unwrap_or_else(|| panic!("no length: {}", shown()));
    if may_be_head && (rest.is_empty() || rest.starts_with(b"HTTP/1.")) {
        return rest;
    }
    let (body, rest) = rest.split_at_checked(length).unwrap_or_else(|| panic!("cut off: {}", shown()));
    if status >= 400 {
        assert_eq!(header("content-type"), Some("application/problem+json"), "{}", shown());
        let problem: Problem = serde_json::from_slice(body).expect("a problem");
        assert_eq!(problem.status, status);
        assert_eq!(Some(problem.request_id.as_str()), header("x-request-id"));
    }
    rest
}

/// Checks the frames of HTTP/2. The last one may be cut off.
fn check_http2(mut received: &[u8]) {
    /// Without an extension to the protocol no frame is longer, as long as the client does
    /// not allow more.
    const MAX_LENGTH: usize = 16_384;
    while let Some((header, rest)) = received.split_first_chunk::<9>() {
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        assert!(length <= MAX_LENGTH && header[3] <= 9, "not a frame: {header:?}");
        received = rest.get(length..).unwrap_or_default();
    }
}

/// Checks the frames of a session.
pub(super) fn check_session(mut received: &[u8]) {
    const TEXT: u8 = 0x81;
    const CLOSE: u8 = 0x88;
    const PING: u8 = 0x89;
    const PONG: u8 = 0x8a;
    while let Some((kind, payload, rest)) = server_frame(received) {
        received = rest;
        match kind {
            TEXT => check_message(std::str::from_utf8(payload).expect("UTF-8")),
            CLOSE => {
                let code = payload.first_chunk::<2>().map(|code| u16::from_be_bytes(*code));
                assert!(code.is_none_or(|code| (1000..5000).contains(&code)), "{code:?}");
                assert!(rest.is_empty(), "frames after the last one");
            }
            PING | PONG => {}
            _ => panic!("a frame of the kind {kind:#x}"),
        }
    }
}

/// The first frame: its kind, its payload, and what follows.
fn server_frame(received: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[kind, length], rest) = received.split_first_chunk::<2>()?;
    let (length, rest) = match length {
        126 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        127 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length)).expect("a length"), rest)
        }
        128.. => panic!("a server does not mask"),
        short => (usize::from(short), rest),
    };
    let (payload, rest) = rest.split_at_checked(length)?;
    Some((kind, payload, rest))
}

fn check_message(text: &str) {
    let message: SessionMessage = serde_json::from_str(text).expect("a message");
    match message {
        SessionMessage::Unknown => panic!("{text}"),
        SessionMessage::Reply { body: SessionBody::Problem(problem), .. } => {
            assert_ne!(problem.code, ProblemCode::InternalError, "{text}");
        }
        SessionMessage::Reply { id, .. } => assert!(id.is_some(), "{text}"),
        SessionMessage::LeaseEnded(_) | SessionMessage::ReleaseRequested(_) => {}
    }
}
