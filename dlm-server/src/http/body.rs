//! Reading a body within its limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dlm_protocol::ProblemCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use super::reply::Refused;

/// A caller that needs longer to send its few kilobytes is gone.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// What is too large is read up to this and thrown away.
const MOST_DISCARDED: u64 = 8 * 1024 * 1024;

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, Refused> {
    let too_large =
        || Refused::new(ProblemCode::BodyTooLarge, 413, format!("the body must be at most {limit} bytes"));
    match tokio::time::timeout(READ_TIMEOUT, collect(body, limit)).await {
        Ok(Collected::Whole(bytes)) => Ok(bytes),
        Ok(Collected::Discarded) => Err(too_large()),
        Ok(Collected::LeftUnread) => Err(too_large().closing()),
        Ok(Collected::Broken) => Err(Refused::invalid("the body ended early").closing()),
        Err(_) => Err(Refused::new(ProblemCode::RequestTimeout, 408, "the body took too long").closing()),
    }
}

enum Collected {
    Whole(Bytes),
    /// Too large, and read to its end: one who is still sending when the
    /// connection is closed may never see the answer.
    Discarded,
    /// So large that it is not even read.
    LeftUnread,
    Broken,
}

async fn collect(mut body: Incoming, limit: usize) -> Collected {
    if body.size_hint().lower() > MOST_DISCARDED {
        return Collected::LeftUnread;
    }
    let mut whole = BytesMut::new();
    let mut seen = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Collected::Broken };
        let Some(data) = frame.data_ref() else { continue };
        seen += data.len() as u64;
        if seen > MOST_DISCARDED {
            return Collected::LeftUnread;
        }
        if seen <= limit as u64 {
            whole.extend_from_slice(data);
        }
    }
    if seen > limit as u64 { Collected::Discarded } else { Collected::Whole(whole.freeze()) }
}

/// A body as the type of its operation.
pub(super) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Refused> {
    if !is_json(headers) {
        let detail = "the body must be `application/json`";
        return Err(Refused::new(ProblemCode::UnsupportedMediaType, 415, detail));
    }
    // serde would take an array for an object's fields in their order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'{') {
        return Err(Refused::invalid("the body must be a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| Refused::invalid(format!("the body can't be read: {error}")))
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let charset = parameters.trim();
    essence.trim().eq_ignore_ascii_case("application/json")
        && (charset.is_empty()
            || charset.eq_ignore_ascii_case("charset=utf-8")
            || charset.eq_ignore_ascii_case("charset=\"utf-8\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_known_by_its_media_type() {
        for (value, json) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json; charset=latin1", false),
            ("text/plain", false),
            ("application/jsonx", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, value.parse().unwrap());
            assert_eq!(is_json(&headers), json, "{value}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
