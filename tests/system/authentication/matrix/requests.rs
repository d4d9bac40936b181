//! Requests of the matrix, with a path as it is, which libraries would normalize.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::{http1, http2};
use hyper::http::uri::Uri;
use hyper::{Request, Response, body::Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::sync::Mutex;

use super::table::{Segment, Verb};
use crate::harness::{TlsClient, Trust, spawn};

/// The version of HTTP of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Version {
    Http1,
    Http2,
}

/// A connection, with the credential that its requests have in their headers.
pub(super) struct Connection {
    sender: Sender,
    authority: String,
    authorization: Option<String>,
}

enum Sender {
    Http1(Mutex<http1::SendRequest<Full<Bytes>>>),
    Http2(http2::SendRequest<Full<Bytes>>),
}

/// A complete response.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// All that can tell a caller something: the headers without the date, and the body.
    pub(super) shown: String,
    pub(super) body: Value,
}

impl Connection {
    pub(super) async fn open(
        url: &str,
        trust: &Trust,
        version: Version,
        authorization: Option<String>,
    ) -> Self {
        let authority = url.trim_start_matches("https://").to_owned();
        let protocol = if version == Version::Http1 { "http/1.1" } else { "h2" };
        let trust = trust.clone().speaking(&[protocol]);
        let stream = TokioIo::new(TlsClient::connect(url, &trust).await.into_stream());
        let sender = match version {
            Version::Http1 => {
                let (sender, connection) = http1::handshake(stream).await.expect("a connection");
                spawn(connection);
                Sender::Http1(Mutex::new(sender))
            }
            Version::Http2 => {
                let handshake = http2::handshake(TokioExecutor::new(), stream).await;
                let (sender, connection) = handshake.expect("a connection");
                spawn(connection);
                Sender::Http2(sender)
            }
        };
        Self { sender, authority, authorization }
    }

    /// Sends the request of a verb, for a resource if there is one.
    pub(super) async fn send(&self, verb: &Verb, segment: Option<&Segment>) -> Answer {
        let text = segment.map_or("", |segment| segment.text);
        let mut path = verb.path.replace("{name}", text).replace("{owner}", "");
        if let (Some(parameter), Some(_)) = (verb.parameter, segment) {
            path += &format!("?{parameter}={text}");
        }
        let uri = match self.sender {
            Sender::Http1(_) => path,
            Sender::Http2(_) => format!("https://{}{path}", self.authority),
        };
        let uri = Uri::from_maybe_shared(Bytes::from(uri)).expect("a URI");
        // The same id each time, so that responses can be compared.
        let mut request = Request::builder().method(verb.method).uri(uri).header("x-request-id", "matrix");
        if matches!(self.sender, Sender::Http1(_)) {
            request = request.header("host", &self.authority);
        }
        if let Some(authorization) = &self.authorization {
            request = request.header("authorization", authorization);
        }
        if verb.id == "acquire" || verb.id == "cancel" {
            request = request.header("idempotency-key", crate::harness::new_key());
        }
        let mut body = Bytes::new();
        if let Some(members) = verb.members {
            request = request.header("content-type", "application/json");
            body = format!("{{{}}}", with_name(members, segment)).into();
        }
        let response = self.exchange(request.body(Full::new(body)).expect("a request")).await;
        Answer::read(response.expect("a response")).await
    }

    async fn exchange(&self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        match &self.sender {
            Sender::Http1(sender) => {
                let mut sender = sender.lock().await;
                sender.ready().await?;
                sender.send_request(request).await
            }
            Sender::Http2(sender) => sender.clone().send_request(request).await,
        }
    }
}

/// The members of a body with the name of the resource.
pub(super) fn with_name(members: &str, segment: Option<&Segment>) -> String {
    let name = segment.and_then(|segment| segment.name).unwrap_or("");
    members.replace("NAME", &serde_json::to_string(name).expect("a string"))
}

impl Answer {
    /// The response to an upgrade that was refused.
    pub(super) fn of_upgrade(response: &Response<Option<Vec<u8>>>) -> Self {
        let body = response.body().as_deref().unwrap_or_default();
        Self {
            status: response.status().as_u16(),
            shown: String::from_utf8_lossy(body).into_owned(),
            body: serde_json::from_slice(body).unwrap_or_default(),
        }
    }

    async fn read(response: Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = body.collect().await.expect("the body").to_bytes();
        let mut headers: Vec<_> = parts.headers.iter().filter(|(name, _)| *name != "date").collect();
        headers.sort_unstable_by_key(|(name, _)| name.as_str());
        Self {
            status: parts.status.as_u16(),
            shown: format!("{headers:?} {}", String::from_utf8_lossy(&body)),
            body: serde_json::from_slice(&body).unwrap_or_default(),
        }
    }
}
