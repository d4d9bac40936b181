//! A plain HTTP client for the API, without the client library.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use super::socket::WebSocket;

/// The API of one server.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    url: String,
    over_sessions: bool,
    token: Option<String>,
}

/// A complete HTTP response.
#[derive(Debug, Clone)]
pub(crate) struct ApiResponse {
    pub(crate) version: reqwest::Version,
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl ApiResponse {
    async fn read(response: Response) -> reqwest::Result<Self> {
        let (version, status) = (response.version(), response.status().as_u16());
        let headers = response.headers().clone();
        Ok(Self { version, status, headers, text: response.text().await? })
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {}", self.text))
    }

    /// Asserts success; returns the body.
    #[track_caller]
    pub(crate) fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.text);
        self.json()
    }

    /// Asserts that the response is a well-formed problem with this status and
    /// code; returns it.
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

    /// Asserts a `lease-ended` problem with this reason.
    #[track_caller]
    pub(crate) fn ended(&self, status: u16, reason: &str) {
        assert_eq!(self.problem(status, "lease-ended")["reason"], reason);
    }
}

/// An acquire request.
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
        // reqwest is built without a TLS provider, but requires one to be installed.
        rustls::crypto::ring::default_provider().install_default().ok();
        let http = Client::builder().no_proxy().build().expect("an HTTP client");
        Self { http, url: url.to_owned(), over_sessions: false, token: None }
    }

    /// Sends this bearer token with each request; not over sessions.
    pub(crate) fn with_token(self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self }
    }

    /// Uses this configuration of TLS.
    pub(crate) fn over_tls(url: &str, tls: rustls::ClientConfig) -> Self {
        let http = Client::builder().no_proxy().tls_backend_preconfigured(tls).build();
        Self { http: http.expect("an HTTP client"), ..Self::new(url) }
    }

    /// Uses a new session socket for each operation that sessions support.
    pub(crate) fn over_sessions(url: &str) -> Self {
        Self { over_sessions: true, ..Self::new(url) }
    }

    /// Sends an operation over a session; returns the reply as an HTTP response.
    async fn request_over_session(&self, op: &str, fields: Value) -> ApiResponse {
        let mut session = WebSocket::session(&self.url).await;
        let mut reply = session.request(op, fields).await;
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
        ApiResponse { version: reqwest::Version::HTTP_11, status, headers, text: body.to_string() }
    }

    /// Sends any request; fails if no response arrives.
    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> reqwest::Result<ApiResponse> {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        ApiResponse::read(request.send().await?).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<String>,
    ) -> ApiResponse {
        self.try_send(method, path, headers, body).await.expect("a response")
    }

    pub(crate) async fn get(&self, path: &str) -> ApiResponse {
        self.send(Method::GET, path, &[], None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> ApiResponse {
        self.send(Method::POST, path, &[("content-type", "application/json")], Some(body.to_string())).await
    }

    pub(crate) async fn try_acquire(&self, name: &str, acquire: &Acquire) -> reqwest::Result<ApiResponse> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(acquire.key.as_deref().map(|key| ("idempotency-key", key)));
        self.try_send(Method::POST, &path(name, "/acquire"), &headers, Some(acquire.body.to_string())).await
    }

    pub(crate) async fn acquire(&self, name: &str, acquire: &Acquire) -> ApiResponse {
        if self.over_sessions {
            let mut fields = acquire.body.clone();
            fields["resource"] = json!(name);
            fields["idempotency_key"] = json!(acquire.key);
            return self.request_over_session("acquire", fields).await;
        }
        self.try_acquire(name, acquire).await.expect("a response")
    }

    /// Acquires a lock that must be free; returns the lease.
    pub(crate) async fn lock(&self, name: &str, acquire: &Acquire) -> Value {
        self.acquire(name, acquire).await.ok()
    }

    pub(crate) async fn release(&self, name: &str, lease: &Value) -> ApiResponse {
        if self.over_sessions {
            return self
                .request_over_session("release", json!({"resource": name, "lease_id": lease["lease_id"]}))
                .await;
        }
        self.post(&path(name, "/release"), &json!({"lease_id": lease["lease_id"]})).await
    }

    pub(crate) async fn try_release(&self, name: &str, lease: &Value) -> reqwest::Result<ApiResponse> {
        let headers = [("content-type", "application/json")];
        let body = json!({"lease_id": lease["lease_id"]}).to_string();
        self.try_send(Method::POST, &path(name, "/release"), &headers, Some(body)).await
    }

    pub(crate) async fn renew(&self, name: &str, lease: &Value) -> ApiResponse {
        if self.over_sessions {
            return self
                .request_over_session("renew", json!({"resource": name, "lease_id": lease["lease_id"]}))
                .await;
        }
        self.post(&path(name, "/renew"), &json!({"lease_id": lease["lease_id"]})).await
    }

    pub(crate) async fn force_release(&self, name: &str, token: &Value) -> ApiResponse {
        self.try_force_release(name, token).await.expect("a response")
    }

    /// Asks the holder with this token to let go, with `more` as further members.
    pub(crate) async fn request_release(&self, name: &str, token: &Value, more: &Value) -> ApiResponse {
        let mut body = json!({"fencing_token": token, "reason": "requested by a test"});
        let members = body.as_object_mut().expect("an object");
        members.extend(more.as_object().expect("an object").clone());
        self.post(&path(name, "/request-release"), &body).await
    }

    pub(crate) async fn try_force_release(&self, name: &str, token: &Value) -> reqwest::Result<ApiResponse> {
        let headers = [("content-type", "application/json")];
        let body = json!({"fencing_token": token, "reason": "requested by a test"}).to_string();
        self.try_send(Method::POST, &path(name, "/force-release"), &headers, Some(body)).await
    }

    pub(crate) async fn try_check(&self, name: &str, token: u64) -> reqwest::Result<ApiResponse> {
        let headers = [("content-type", "application/json")];
        let body = json!({"fencing_token": token}).to_string();
        self.try_send(Method::POST, &path(name, "/check"), &headers, Some(body)).await
    }

    pub(crate) async fn check(&self, name: &str, token: &Value) -> Value {
        if self.over_sessions {
            return self
                .request_over_session("check", json!({"resource": name, "fencing_token": token}))
                .await
                .ok();
        }
        self.post(&path(name, "/check"), &json!({"fencing_token": token})).await.ok()
    }

    pub(crate) async fn cancel(&self, name: &str, key: &str) -> ApiResponse {
        if self.over_sessions {
            return self
                .request_over_session("cancel", json!({"resource": name, "idempotency_key": key}))
                .await;
        }
        self.send(Method::POST, &path(name, "/cancel"), &[("idempotency-key", key)], None).await
    }

    pub(crate) async fn status(&self, name: &str) -> Value {
        if self.over_sessions {
            return self.request_over_session("status", json!({"resource": name})).await.ok();
        }
        self.get(&path(name, "")).await.ok()
    }

    pub(crate) async fn queue_len(&self, name: &str) -> u64 {
        self.status(name).await["queue_len"].as_u64().expect("a number")
    }

    /// The value of a metric, with its labels.
    pub(crate) async fn metric(&self, name: &str) -> Option<f64> {
        let text = self.get("/metrics").await.text;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map(|value| value.parse().expect("a number"))
    }

    /// All events of one resource.
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

    /// The kinds of all events of one resource.
    pub(crate) async fn event_kinds(&self, name: &str) -> Vec<String> {
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
