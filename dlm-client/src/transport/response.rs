//! Decoding of HTTP responses from a dlm server, or from whatever replied instead.

use std::time::Duration;

use dlm_protocol::Problem;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use serde::de::DeserializeOwned;

use crate::request_error::RequestError;

/// An HTTP response that was received completely.
pub(crate) struct HttpResponse<B> {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
}

impl<B: AsRef<[u8]>> HttpResponse<B> {
    /// Decodes the body if the status is 200; otherwise returns the error.
    pub(crate) fn decode_ok<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        if self.status == StatusCode::OK { self.json() } else { Err(self.error()) }
    }

    /// Decodes the body regardless of the status.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        serde_json::from_slice(self.body.as_ref()).map_err(|why| {
            if self.media_type() == "application/json" {
                self.unexpected(format!("invalid JSON: {why}"))
            } else {
                self.unexpected(self.summary())
            }
        })
    }

    /// The error that a response without a success status describes.
    pub(crate) fn error(&self) -> RequestError {
        if self.media_type() != "application/problem+json" {
            return self.unexpected(self.summary());
        }
        match serde_json::from_slice::<Problem>(self.body.as_ref()) {
            Ok(problem) => RequestError::from_http_problem(Box::new(problem), self.retry_after()),
            Err(why) => self.unexpected(format!("invalid problem: {why}")),
        }
    }

    fn unexpected(&self, what: String) -> RequestError {
        RequestError::foreign_reply(self.status.as_u16(), what, self.retry_after())
    }

    /// Describes a response that is not from a dlm server.
    fn summary(&self) -> String {
        let length = self.body.as_ref().len();
        match self.media_type() {
            "" => format!("{length} bytes without a content type"),
            media_type => format!("{length} bytes of {media_type}"),
        }
    }

    fn media_type(&self) -> &str {
        let value = self.header(CONTENT_TYPE);
        value.split_once(';').map_or(value, |(media_type, _)| media_type).trim()
    }

    /// Reads a `Retry-After` in seconds. The date form would need a correct wall
    /// clock, and the server does not send it.
    fn retry_after(&self) -> Option<Duration> {
        self.header(RETRY_AFTER).trim().parse().ok().map(Duration::from_secs)
    }

    fn header(&self, name: HeaderName) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use dlm_protocol::{Checked, ProblemCode};
    use reqwest::header::HeaderValue;

    use super::*;

    fn response(status: u16, media_type: &'static str, body: &str) -> HttpResponse<String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        HttpResponse { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned() }
    }

    #[test]
    fn html_reply_is_reported_as_unexpected() {
        let page = response(200, "text/html; charset=utf-8", "<html>please log in</html>");
        let error = page.decode_ok::<Checked>().unwrap_err();
        assert!(!error.is_transient());
        assert_eq!(
            error.to_string(),
            "unexpected reply, check that the address is a dlm server: status 200, 26 bytes of text/html"
        );
        assert!(response(502, "text/html", "bad gateway").error().is_transient());
    }

    #[test]
    fn json_with_missing_fields_names_the_field() {
        let error = response(200, "application/json", "{}").decode_ok::<Checked>().unwrap_err();
        assert!(error.to_string().contains("missing field `live`"), "{error}");
    }

    #[test]
    fn problem_keeps_its_retry_after() {
        let body = serde_json::to_string(&Problem::new(ProblemCode::Unavailable, 503, "busy")).unwrap();
        let mut response = response(503, "application/problem+json", &body);
        response.headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        let error = response.error();
        assert_eq!(error.code(), Some(ProblemCode::Unavailable));
        assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
        assert!(error.is_transient());
    }

    #[test]
    fn delays_that_the_server_asks_for_are_capped() {
        let mut problem = Problem::new(ProblemCode::Unavailable, 503, "busy");
        problem.retry_after_ms = Some(u64::MAX);
        let cap = Some(Duration::from_secs(30));
        let body = serde_json::to_string(&problem).unwrap();
        let mut replied = response(503, "application/problem+json", &body);
        assert_eq!(replied.error().retry_after(), cap);
        replied.headers.insert(RETRY_AFTER, HeaderValue::from_static("99999999"));
        assert_eq!(replied.error().retry_after(), cap);
        let mut foreign = response(503, "text/html", "busy");
        foreign.headers.insert(RETRY_AFTER, HeaderValue::from_static("99999999"));
        assert_eq!(foreign.error().retry_after(), cap);
        assert_eq!(RequestError::from_session_problem(Box::new(problem)).retry_after(), cap);
    }
}
