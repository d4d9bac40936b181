//! The responses that hyper makes by itself, to requests that it can't parse.
//! They have no body. They are rewritten as problems, like all other errors.

use bytes::{BufMut, Bytes, BytesMut};
use dlm_protocol::ProblemCode;

use super::request_id::{REQUEST_ID, request_id};
use super::response::{HttpResponse, Rejection};

/// How much of a head is kept.
const MAX_KEPT: usize = 8 * 1024;
/// Maximum size of the head of hyper's own responses.
const MAX_RESPONSE: usize = 256;

/// The first bytes of the head of a request, for the id in it.
#[derive(Debug, Default)]
pub(super) struct Head(Vec<u8>);

impl Head {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let kept = bytes.len().min(MAX_KEPT - self.0.len());
        self.0.extend_from_slice(&bytes[..kept]);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        // Frees the memory: most connections are idle.
        self.0 = Vec::new();
    }

    /// The value of a header.
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.0.split(|byte| *byte == b'\n').skip(1).find_map(|line| {
            let (field, value) = line.split_at_checked(name.len())?;
            let value = value.strip_prefix(b":").filter(|_| field.eq_ignore_ascii_case(name.as_bytes()))?;
            Some(value.trim_ascii())
        })
    }

    fn has_request_line(&self) -> bool {
        self.0.contains(&b'\n')
    }
}

/// The problem in place of a response, if it is one that hyper made by itself.
pub(super) fn as_problem(response: &[u8], head: &Head) -> Option<Bytes> {
    if response.len() > MAX_RESPONSE || !response.ends_with(b"\r\n\r\n") {
        return None;
    }
    let text = std::str::from_utf8(response).ok()?;
    let status = text.strip_prefix("HTTP/1.1 ")?.get(..3)?;
    // The server's own responses have an id.
    if text.contains(REQUEST_ID.as_str()) {
        return None;
    }
    let (status, detail) = match status {
        "400" => (400, "the request is not valid HTTP/1"),
        "414" => (414, "the path and query are too long"),
        "431" if !head.has_request_line() => (414, "the path and query are too long"),
        "431" => (431, "the headers are too many or too long"),
        _ => return None,
    };
    let id = request_id(head.header(REQUEST_ID.as_str()));
    let rejection = Rejection::new(ProblemCode::InvalidRequest, status, detail).closing();
    let mut response = rejection.into_response(id.to_str().unwrap_or(""));
    response.headers_mut().insert(REQUEST_ID, id);
    Some(encode(response))
}

fn encode(response: HttpResponse) -> Bytes {
    let (parts, body) = response.into_parts();
    let body = body.into_bytes();
    let mut encoded = BytesMut::new();
    encoded.put_slice(format!("HTTP/1.1 {}\r\n", parts.status).as_bytes());
    for (name, value) in &parts.headers {
        for text in [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
            encoded.put_slice(text);
        }
    }
    encoded.put_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    encoded.put_slice(&body);
    encoded.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Head {
        let mut head = Head::default();
        head.push(text.as_bytes());
        head
    }

    fn own(status: &str) -> String {
        format!(
            "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: 0\r\ndate: Thu, 26 Nov 2026 00:00:00 GMT\r\n\r\n"
        )
    }

    #[test]
    fn a_response_of_hyper_becomes_a_problem_with_the_id_of_the_caller() {
        let head = head("GET / HTTP/1.1\r\nhost: a\r\nX-Request-Id: mine-7 \r\nbad header");
        for (own_status, status) in [
            ("400 Bad Request", "400"),
            ("414 URI Too Long", "414"),
            ("431 Request Header Fields Too Large", "431"),
        ] {
            let problem = as_problem(own(own_status).as_bytes(), &head).unwrap();
            let text = std::str::from_utf8(&problem).unwrap();
            assert!(text.starts_with(&format!("HTTP/1.1 {status} ")), "{text}");
            assert!(
                text.contains("\r\nx-request-id: mine-7\r\n") && text.contains("\r\nconnection: close\r\n")
            );
            let (_, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(text.contains(&format!("\r\ncontent-length: {}\r\n", body.len())), "{text}");
            let problem: dlm_protocol::Problem = serde_json::from_str(body).unwrap();
            assert_eq!(
                (problem.status.to_string().as_str(), problem.request_id.as_str()),
                (status, "mine-7")
            );
        }
    }

    #[test]
    fn a_head_without_a_request_line_has_a_long_path() {
        let head = head(&format!("GET /{}", "x".repeat(9000)));
        let problem = as_problem(own("431 Request Header Fields Too Large").as_bytes(), &head).unwrap();
        assert!(problem.starts_with(b"HTTP/1.1 414 "));
    }

    #[test]
    fn other_responses_are_left_alone() {
        let head = Head::default();
        for response in [
            own("304 Not Modified"),
            own("400 Bad Request").replace("date:", "x-request-id: a\r\ndate:"),
            own("400 Bad Request") + "body",
            "HTTP/1.1 400".into(),
            String::new(),
        ] {
            assert!(as_problem(response.as_bytes(), &head).is_none(), "{response:?}");
        }
    }
}
