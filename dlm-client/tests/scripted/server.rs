//! A server of one thread that answers what the test says.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::Client;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_util::task::TaskTracker;

use crate::socket::session;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Value,
    pub(crate) websocket_key: Option<String>,
}

impl Request {
    /// One that came over a session.
    pub(crate) fn of_frame(body: Value) -> Self {
        let path = format!("session/{}", body["op"].as_str().unwrap());
        let key = body["idempotency_key"].as_str().map(str::to_owned);
        Self { path, key, body, websocket_key: None }
    }

    /// The last segment of the path: what is to be done.
    pub(crate) fn operation(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// What the script has the server do.
pub(crate) enum Reply {
    Json(u16, Value),
    /// Any answer, with its media type and a `Retry-After`.
    Other {
        status: u16,
        media_type: &'static str,
        retry_after: Option<u64>,
        body: String,
    },
    /// Close the connection without an answer.
    Cut,
    /// Keep the connection open without an answer.
    Silence,
    /// Answer after a while.
    After(Duration, Box<Reply>),
}

type Script = Box<dyn FnMut(&Request) -> Reply + Send>;

/// What becomes of who opens a session.
pub(crate) enum Session {
    /// It is refused, as by a proxy that forbids upgrades.
    Forbidden,
    /// The connection is closed without an answer.
    Cut,
    /// It is opened after a while, and what is asked over it is answered as the
    /// script says.
    Open(Duration, Box<dyn FnMut(&Request) -> Said + Send>),
}

/// What a script has the server say over a session.
pub(crate) enum Said {
    /// A message; the number of what was asked is added.
    Answer(Value),
    /// Messages as they are.
    Messages(Vec<Value>),
    /// Nothing more, and on no other connection either, as when the process is
    /// stopped.
    Freeze,
}

/// The server; it ends with this.
pub(crate) struct Server {
    pub(crate) url: String,
    seen: watch::Receiver<Vec<Request>>,
    _stop: oneshot::Sender<()>,
}

impl Server {
    /// Answers each request but `readyz` as `script` says.
    pub(crate) fn start(script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        Self::with(Session::Forbidden, script)
    }

    /// One whose session answers as `said` says, and which obliges over HTTP.
    pub(crate) fn in_session(ttl_ms: u64, said: impl FnMut(&Request) -> Said + Send + 'static) -> Self {
        Self::with(Session::Open(Duration::ZERO, Box::new(said)), obliging(ttl_ms))
    }

    pub(crate) fn with(session: Session, script: impl FnMut(&Request) -> Reply + Send + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen_by, seen) = watch::channel(Vec::new());
        let (stop, stopped) = oneshot::channel();
        let play = Arc::new(Play {
            script: Mutex::new(Box::new(script)),
            session: Mutex::new(session),
            frozen: AtomicBool::new(false),
            seen: seen_by,
        });
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let connections = TaskTracker::new();
                tokio::select! {
                    _ = stopped => {}
                    () = async {
                        while let Ok((stream, _)) = listener.accept().await {
                            connections.spawn(serve(stream, Arc::clone(&play)));
                        }
                    } => {}
                }
            });
        });
        Self { url, seen, _stop: stop }
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.url).await.unwrap()
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<Request> {
        self.seen.borrow().clone()
    }

    /// The requests for one operation so far.
    pub(crate) fn seen_of(&self, operation: &str) -> Vec<Request> {
        self.seen().into_iter().filter(|request| request.operation() == operation).collect()
    }

    /// Waits until `count` requests for an operation have come.
    pub(crate) async fn wait_for(&self, operation: &str, count: usize) -> Vec<Request> {
        let arrived =
            |seen: &Vec<Request>| seen.iter().filter(|r| r.operation() == operation).count() >= count;
        let waited = tokio::time::timeout(Duration::from_secs(20), async {
            self.seen.clone().wait_for(arrived).await.map(drop)
        });
        waited.await.unwrap_or_else(|_| panic!("no {count} × {operation} in {:?}", self.seen())).unwrap();
        self.seen_of(operation)
    }
}

pub(crate) struct Play {
    script: Mutex<Script>,
    pub(crate) session: Mutex<Session>,
    pub(crate) frozen: AtomicBool,
    pub(crate) seen: watch::Sender<Vec<Request>>,
}

async fn serve(stream: TcpStream, play: Arc<Play>) {
    let mut stream = BufReader::new(stream);
    while let Ok(Some(request)) = read(&mut stream).await {
        let reply = if play.frozen.load(Ordering::SeqCst) {
            Reply::Silence
        } else if request.path == "/readyz" {
            Reply::Json(200, json!({}))
        } else if request.path == "/v1/session" {
            let refusal = match &*play.session.lock().unwrap() {
                Session::Open(..) => None,
                Session::Cut => Some(Reply::Cut),
                Session::Forbidden => Some(Reply::Json(404, problem(404, "not-found", None))),
            };
            match refusal {
                Some(refusal) => refusal,
                None => return session(stream, Arc::clone(&play), &request).await,
            }
        } else {
            // The script first: who waits for a request may count on its effects.
            let reply = (play.script.lock().unwrap())(&request);
            play.seen.send_modify(|seen| seen.push(request));
            reply
        };
        if write(&mut stream, reply).await.is_err() {
            return;
        }
    }
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<Request>> {
    let mut first = String::new();
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut headers = HashMap::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (key, websocket_key) = (headers.remove("idempotency-key"), headers.remove("sec-websocket-key"));
    Ok(Some(Request { path, key, body, websocket_key }))
}

async fn write(stream: &mut BufReader<TcpStream>, reply: Reply) -> io::Result<()> {
    let (status, media_type, retry_after, body) = match reply {
        Reply::Json(status, body) => {
            let media_type = if status < 400 { "application/json" } else { "application/problem+json" };
            (status, media_type, None, body.to_string())
        }
        Reply::Other { status, media_type, retry_after, body } => (status, media_type, retry_after, body),
        Reply::Cut => return Err(io::ErrorKind::ConnectionAborted.into()),
        Reply::Silence => std::future::pending().await,
        Reply::After(pause, reply) => {
            tokio::time::sleep(pause).await;
            return Box::pin(write(stream, *reply)).await;
        }
    };
    let retry_after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{head}{retry_after}\r\n{body}").as_bytes()).await
}

/// An id that no other lease of the tests has.
pub(crate) fn new_lease_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("lease-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A lease of `orders/42`.
pub(crate) fn lease(lease_id: &str, ttl_ms: u64) -> Value {
    json!({
        "resource": "orders/42", "lease_id": lease_id, "mode": "exclusive", "fencing_token": 7,
        "ttl_ms": ttl_ms, "acquired_at": "2026-01-01T00:00:00.000Z",
        "expires_at": "2026-01-01T00:00:30.000Z", "elapsed_ms": 0, "owner": "", "metadata": {},
    })
}

/// A grant of a lease that nobody has.
pub(crate) fn granted(ttl_ms: u64) -> Reply {
    Reply::Json(200, lease(&new_lease_id(), ttl_ms))
}

pub(crate) fn problem(status: u16, code: &str, reason: Option<&str>) -> Value {
    let mut problem = json!({
        "type": format!("/problems/{code}"), "title": code, "status": status, "detail": format!("it is {code}"),
        "code": code, "request_id": "r1",
    });
    if let Some(reason) = reason {
        problem["reason"] = reason.into();
    }
    problem
}

/// Answers a `POST /v1/renew` with each lease renewed.
pub(crate) fn renewed(request: &Request, ttl_ms: u64) -> Reply {
    let leases = request.body["leases"].as_array().cloned().unwrap_or_default();
    let result = |item: &Value| json!({"lease": lease(item["lease_id"].as_str().unwrap(), ttl_ms)});
    Reply::Json(200, json!({"results": leases.iter().map(result).collect::<Vec<_>>()}))
}

pub(crate) fn released() -> Reply {
    Reply::Json(200, json!({"released": true, "fencing_token": 7}))
}

pub(crate) fn cancelled() -> Reply {
    Reply::Json(200, json!({"outcome": "cancelled"}))
}

/// Grants, renews and releases whatever it is asked to.
pub(crate) fn obliging(ttl_ms: u64) -> impl FnMut(&Request) -> Reply {
    move |request| match request.path.as_str() {
        "/v1/renew" => renewed(request, ttl_ms),
        path if path.ends_with("/acquire") => granted(ttl_ms),
        path if path.ends_with("/renew") => {
            Reply::Json(200, lease(request.body["lease_id"].as_str().unwrap(), ttl_ms))
        }
        path if path.ends_with("/cancel") => cancelled(),
        _ => released(),
    }
}
