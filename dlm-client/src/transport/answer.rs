//! Reading the server's answers, and those of what stands in its place.

use std::time::Duration;

use dlm_protocol::Problem;
use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use serde::de::DeserializeOwned;

use super::Failure;

/// A server that asks for a longer pause is asked again after this one.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(30);

/// An answer as it came.
pub(crate) struct Answer<B> {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: B,
}

impl<B: AsRef<[u8]>> Answer<B> {
    /// The body of a 200.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        if self.status == StatusCode::OK { self.json() } else { Err(self.failure()) }
    }

    /// The body, whatever the status.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(self.body.as_ref()).map_err(|why| {
            if self.media_type() == "application/json" {
                self.unexpected(format!("and its JSON can't be read: {why}"))
            } else {
                self.unexpected(self.looks())
            }
        })
    }

    /// What an answer that is no success says.
    pub(crate) fn failure(&self) -> Failure {
        if self.media_type() != "application/problem+json" {
            return self.unexpected(self.looks());
        }
        match serde_json::from_slice::<Problem>(self.body.as_ref()) {
            Ok(problem) => {
                let retry_after = self.retry_after().or(problem.retry_after_ms.map(Duration::from_millis));
                Failure::Problem { problem: Box::new(problem), retry_after }
            }
            Err(why) => self.unexpected(format!("and its problem can't be read: {why}")),
        }
    }

    fn unexpected(&self, what: String) -> Failure {
        Failure::Unexpected { status: self.status.as_u16(), what, retry_after: self.retry_after() }
    }

    /// An answer that is not ours, in a few words.
    fn looks(&self) -> String {
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

    /// In whole seconds; the form with a date would need a wall clock that is
    /// right, and the server does not send it.
    fn retry_after(&self) -> Option<Duration> {
        let asked = self.header(RETRY_AFTER).trim().parse().ok().map(Duration::from_secs)?;
        Some(asked.min(LONGEST_RETRY_AFTER))
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

    fn answer(status: u16, media_type: &'static str, body: &str) -> Answer<String> {
        let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(media_type))]);
        Answer { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_owned() }
    }

    #[test]
    fn html_in_place_of_an_answer_is_told_as_such() {
        let page = answer(200, "text/html; charset=utf-8", "<html>please log in</html>");
        let failure = page.read::<Checked>().unwrap_err();
        assert!(!failure.is_passing());
        assert_eq!(
            failure.to_string(),
            "the answer is not one of a dlm server: status 200, 26 bytes of text/html"
        );
        assert!(answer(502, "text/html", "bad gateway").failure().is_passing());
    }

    #[test]
    fn json_of_another_shape_says_what_is_missing() {
        let failure = answer(200, "application/json", "{}").read::<Checked>().unwrap_err();
        assert!(failure.to_string().contains("missing field `live`"), "{failure}");
    }

    #[test]
    fn a_problem_is_read_with_its_retry_after() {
        let body = serde_json::to_string(&Problem::new(ProblemCode::Unavailable, 503, "busy")).unwrap();
        let mut answer = answer(503, "application/problem+json", &body);
        answer.headers.insert(RETRY_AFTER, HeaderValue::from_static("2"));
        let failure = answer.failure();
        assert_eq!(failure.code(), Some(ProblemCode::Unavailable));
        assert_eq!(failure.retry_after(), Some(Duration::from_secs(2)));
        assert!(failure.is_passing());
    }
}
