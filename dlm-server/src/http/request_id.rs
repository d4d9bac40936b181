//! The id of a request, in its responses and in the log.

use hyper::header::{HeaderName, HeaderValue};
use uuid::Uuid;

/// The header that carries the id, of requests and of responses.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const MAX_BYTES: usize = 128;

/// The caller's id if it is short visible ASCII, else a new one.
pub(super) fn request_id(of_caller: Option<&[u8]>) -> HeaderValue {
    let acceptable = |id: &&[u8]| (1..=MAX_BYTES).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic);
    let of_caller = of_caller.filter(acceptable).and_then(|id| HeaderValue::from_bytes(id).ok());
    of_caller.unwrap_or_else(|| {
        HeaderValue::try_from(Uuid::now_v7().to_string())
            .unwrap_or_else(|_| HeaderValue::from_static("unknown"))
    })
}
