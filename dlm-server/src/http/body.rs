//! Reads request bodies within their limits.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use dlm_protocol::ProblemCode;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use serde::de::DeserializeOwned;

use super::response::Rejection;

/// How long a body may take to arrive.
const READ_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the body of a request that is refused anyway may take to arrive.
const DISCARD_TIMEOUT: Duration = Duration::from_secs(1);
/// A body that is too large is read and discarded up to this size. A client that
/// is still sending when the connection closes may never see the response.
const MAX_DISCARDED: u64 = 8 * 1024 * 1024;
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read(body: Incoming, limit: usize) -> Result<Bytes, Rejection> {
    let too_large =
        || Rejection::new(ProblemCode::BodyTooLarge, 413, format!("the body must be at most {limit} bytes"));
    match tokio::time::timeout(READ_TIMEOUT, collect(body, limit)).await {
        Ok(Collected::Whole(bytes)) => Ok(bytes),
        Ok(Collected::Discarded) => Err(too_large()),
        Ok(Collected::Unread) => Err(too_large().closing()),
        Ok(Collected::Broken) => Err(Rejection::invalid("the body is incomplete").closing()),
        Err(_) => {
            Err(Rejection::new(ProblemCode::RequestTimeout, 408, "the body did not arrive in time").closing())
        }
    }
}

/// Reads a body that nobody needs. A client that is still sending when the
/// connection closes may never see the response.
pub(super) async fn discard(body: Incoming) {
    tokio::time::timeout(DISCARD_TIMEOUT, collect(body, 0)).await.ok();
}

enum Collected {
    Whole(Bytes),
    /// Too large, and read to its end.
    Discarded,
    /// Too large to read to its end.
    Unread,
    Broken,
}

async fn collect(mut body: Incoming, limit: usize) -> Collected {
    if body.size_hint().lower() > MAX_DISCARDED {
        return Collected::Unread;
    }
    let mut whole = BytesMut::new();
    let mut seen = 0_u64;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return Collected::Broken };
        let Some(data) = frame.data_ref() else { continue };
        seen += data.len() as u64;
        if seen > MAX_DISCARDED {
            return Collected::Unread;
        }
        if seen <= limit as u64 {
            whole.extend_from_slice(data);
        }
    }
    if seen > limit as u64 { Collected::Discarded } else { Collected::Whole(whole.freeze()) }
}

/// Deserializes a JSON body.
pub(super) fn parse<T: DeserializeOwned>(headers: &HeaderMap, body: &Bytes) -> Result<T, Rejection> {
    let unsupported = |detail| Rejection::new(ProblemCode::UnsupportedMediaType, 415, detail);
    if !is_json(headers) {
        return Err(unsupported("the body must be `application/json` in UTF-8"));
    }
    if !is_plain(headers) {
        return Err(unsupported("the body must not have a content encoding"));
    }
    if body.starts_with(BYTE_ORDER_MARK) {
        return Err(Rejection::invalid("the body must not begin with a byte order mark"));
    }
    // serde would accept an array of the fields in order.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()).is_some_and(|byte| *byte != b'{') {
        return Err(Rejection::invalid("the body must be a JSON object"));
    }
    serde_json::from_slice(body)
        .map_err(|error| Rejection::invalid(format!("the body is not valid: {error}")))
}

/// Whether the media type is that of JSON. It has no parameters of its own, so all
/// are ignored, but for a charset that is not JSON's.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let mut parts = value.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case("application/json"));
    is_json
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            let charset = value.trim().trim_matches('"');
            !name.trim().eq_ignore_ascii_case("charset")
                || ["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known))
        })
}

/// Whether the body has no content encoding.
fn is_plain(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_json_media_type_is_accepted() {
        for (value, json) in [
            ("application/json", true),
            ("Application/JSON; charset=UTF-8", true),
            ("application/json;charset=\"utf-8\"; profile=x", true),
            ("application/json; profile=\"https://example.org/a\"", true),
            ("application/json;", true),
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
