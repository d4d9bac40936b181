//! HTTP as any program would speak it.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::socket::Socket;

/// A server's API, without the client library.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    url: String,
    sessions: bool,
}

/// What a request was answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    async fn of(response: Response) -> reqwest::Result<Self> {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Self { status, headers, text: response.text().await? })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    /// The body of a success.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// The problem of a refusal, checked for its shape.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, code: &str) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        let problem = self.json();
        assert_eq!(problem["code"], code, "{problem}");
        assert_eq!(problem["type"], format!("/problems/{code}"));
        assert_eq!(problem["status"], status);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["request_id"].as_str(), self.headers["x-request-id"].to_str().ok());
        assert!(
            !problem["title"].as_str().unwrap().is_empty() && !problem["detail"].as_str().unwrap().is_empty()
        );
        problem
    }

    /// The refusal because something has ended, and why it has.
    #[track_caller]
    pub(crate) fn ended(&self, status: u16, reason: &str) {
        assert_eq!(self.problem(status, "lease-ended")["reason"], reason);
    }
}

/// An acquire, with what the contract lets one say.
#[derive(Debug, Clone)]
pub(crate) struct Acquire {
    pub(crate) key: Option<String>,
    pub(crate) body: Value,
}

impl Acquire {
    pub(crate) fn exclusive() -> Self {
        Self { key: None, body: json!({}) }
    }

    pub(crate) fn shared() -> Self {
        Self::exclusive().with("mode", "shared")
    }

    pub(crate) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.body[field] = value.into();
        self
    }

    pub(crate) fn ttl(self, ms: u64) -> Self {
        self.with("ttl_ms", ms)
    }

    pub(crate) fn wait(self, ms: u64) -> Self {
        self.with("wait_ms", ms)
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }
}

impl Api {
    pub(crate) fn new(url: &str) -> Self {
        // reqwest is built without a TLS of its own, and wants one all the same.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = Client::builder().no_proxy().build().expect("an HTTP client");
        Self { http, url: url.to_owned(), sessions: false }
    }

    /// The same, but over a session of its own for each operation that a session
    /// knows.
    pub(crate) fn over_sessions(url: &str) -> Self {
        Self { sessions: true, ..Self::new(url) }
    }

    /// An operation over a session; its answer as HTTP would have it.
    async fn ask(&self, op: &str, fields: Value) -> Answer {
        let mut session = Socket::session(&self.url).await;
        let mut reply = session.ask(op, fields).await;
        let members = reply.as_object_mut().expect("an object");
        members.remove("id");
        let (member, body) = members.iter().next().expect("a member");
        let mut headers = reqwest::header::HeaderMap::new();
        let mut status = 200;
        if member == "problem" {
            status = body["status"].as_u64().and_then(|status| u16::try_from(status).ok()).expect("a status");
            let id = body["request_id"].as_str().expect("an id").parse().expect("a value");
            headers.insert("x-request-id", id);
            headers.insert("content-type", "application/problem+json".parse().expect("a value"));
        }
        Answer { status, headers, text: body.to_string() }
    }

    /// A request in any form; an error when no answer came.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        Answer::of(request.send().await?).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.expect("an answer")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[("content-type", "application/json")], Some(body.to_string())).await
    }

    pub(crate) async fn try_acquire(&self, name: &str, acquire: &Acquire) -> reqwest::Result<Answer> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(acquire.key.as_deref().map(|key| ("idempotency-key", key)));
        self.try_send(Method::POST, &path(name, "/acquire"), &headers, Some(acquire.body.to_string())).await
    }

    pub(crate) async fn acquire(&self, name: &str, acquire: &Acquire) -> Answer {
        if self.sessions {
            let mut fields = acquire.body.clone();
            fields["resource"] = json!(name);
            fields["idempotency_key"] = json!(acquire.key.clone().unwrap_or_else(super::key));
            return self.ask("acquire", fields).await;
        }
        self.try_acquire(name, acquire).await.expect("an answer")
    }

    /// Takes a lock that must be free.
    pub(crate) async fn lock(&self, name: &str, acquire: &Acquire) -> Value {
        self.acquire(name, acquire).await.ok()
    }

    pub(crate) async fn release(&self, name: &str, lease: &Value) -> Answer {
        if self.sessions {
            return self.ask("release", json!({"resource": name, "lease_id": lease["lease_id"]})).await;
        }
        self.post(&path(name, "/release"), &json!({"lease_id": lease["lease_id"]})).await
    }

    pub(crate) async fn try_release(&self, name: &str, lease: &Value) -> reqwest::Result<Answer> {
        let headers = [("content-type", "application/json")];
        let body = json!({"lease_id": lease["lease_id"]}).to_string();
        self.try_send(Method::POST, &path(name, "/release"), &headers, Some(body)).await
    }

    pub(crate) async fn renew(&self, name: &str, lease: &Value) -> Answer {
        if self.sessions {
            return self.ask("renew", json!({"resource": name, "lease_id": lease["lease_id"]})).await;
        }
        self.post(&path(name, "/renew"), &json!({"lease_id": lease["lease_id"]})).await
    }

    pub(crate) async fn force_release(&self, name: &str, token: &Value) -> Answer {
        self.try_force_release(name, token).await.expect("an answer")
    }

    pub(crate) async fn try_force_release(&self, name: &str, token: &Value) -> reqwest::Result<Answer> {
        let headers = [("content-type", "application/json")];
        let body = json!({"fencing_token": token, "reason": "a test says so"}).to_string();
        self.try_send(Method::POST, &path(name, "/force-release"), &headers, Some(body)).await
    }

    pub(crate) async fn check(&self, name: &str, token: &Value) -> Value {
        if self.sessions {
            return self.ask("check", json!({"resource": name, "fencing_token": token})).await.ok();
        }
        self.post(&path(name, "/check"), &json!({"fencing_token": token})).await.ok()
    }

    pub(crate) async fn cancel(&self, name: &str, key: &str) -> Answer {
        if self.sessions {
            return self.ask("cancel", json!({"resource": name, "idempotency_key": key})).await;
        }
        self.send(Method::POST, &path(name, "/cancel"), &[("idempotency-key", key)], None).await
    }

    pub(crate) async fn status(&self, name: &str) -> Value {
        if self.sessions {
            return self.ask("status", json!({"resource": name})).await.ok();
        }
        self.get(&path(name, "")).await.ok()
    }

    pub(crate) async fn queue_len(&self, name: &str) -> u64 {
        self.status(name).await["queue_len"].as_u64().expect("a number")
    }

    /// The whole event log of one resource.
    pub(crate) async fn events(&self, name: &str) -> Vec<Value> {
        let mut events = Vec::new();
        let mut after = String::new();
        loop {
            let resource = encode(name);
            let page = self.get(&format!("/v1/events?resource={resource}&limit=1000{after}")).await.ok();
            let found = page["events"].as_array().expect("events");
            events.extend_from_slice(found);
            if found.is_empty() {
                return events;
            }
            after = format!("&after={}", page["cursor"].as_str().expect("a cursor"));
        }
    }

    pub(crate) async fn kinds(&self, name: &str) -> Vec<String> {
        let kind = |event: Value| event["kind"].as_str().expect("a kind").to_owned();
        self.events(name).await.into_iter().map(kind).collect()
    }
}

pub(crate) fn encode(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

pub(crate) fn path(name: &str, operation: &str) -> String {
    format!("/v1/locks/{}{operation}", encode(name))
}
