//! A scripted server on one thread.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dlm_client::Client;
use dlm_protocol::EVENTS_PROTOCOL;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;

pub(crate) use super::answers::{
    accept_all, cancelled, granted, lease, new_lease_id, problem, released, renewed,
};
use super::http::{read, write};
use super::socket::{accept_upgrade, events, session};
use crate::clock::ManualClock;

/// A received request.
#[derive(Debug, Clone)]
pub(crate) struct ReceivedRequest {
    pub(crate) path: String,
    pub(crate) key: Option<String>,
    pub(crate) body: Value,
    pub(crate) websocket_key: Option<String>,
    /// The headers of an HTTP request, with their names in lower case.
    pub(crate) headers: HashMap<String, String>,
}

impl ReceivedRequest {
    /// Converts a request that arrived over the session.
    pub(crate) fn of_frame(body: Value) -> Self {
        let path = format!("session/{}", body["op"].as_str().unwrap());
        let key = body["idempotency_key"].as_str().map(str::to_owned);
        Self { path, key, body, websocket_key: None, headers: HashMap::new() }
    }

    /// The operation: the last segment of the path.
    pub(crate) fn operation(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or_default()
    }
}

/// How the script replies to an HTTP request.
pub(crate) enum ScriptedReply {
    Json(u16, Value),
    /// Any reply, with its media type and `Retry-After`.
    Other {
        status: u16,
        media_type: &'static str,
        retry_after: Option<u64>,
        body: String,
    },
    /// Redirect to another address.
    Redirect(String),
    /// Close the connection without a reply.
    Cut,
    /// Accept the upgrade to an event stream, and close the connection at once.
    Flap,
    /// Keep the connection open without a reply.
    Silence,
    /// Reply after a delay.
    After(Duration, Box<ScriptedReply>),
}

type Script = Box<dyn FnMut(&ReceivedRequest) -> ScriptedReply + Send>;

/// Replies to a request in the place of the script and the sockets, or lets it pass.
pub(crate) type Gate = Box<dyn FnMut(&ReceivedRequest) -> Option<ScriptedReply> + Send>;

/// How the server handles a session upgrade.
pub(crate) enum SessionMode {
    /// Reject it, like a proxy that does not allow upgrades.
    Forbidden,
    /// Close the connection without a reply.
    Cut,
    /// Open the session and close it at once.
    Flap,
    /// Open the session after a delay, and reply as the script says.
    Open(Duration, Box<dyn FnMut(&ReceivedRequest) -> ScriptedFrames + Send>),
}

/// How the script replies to a request over the session.
pub(crate) enum ScriptedFrames {
    /// Send one message, with the id of the request added.
    Reply(Value),
    /// Send these messages as they are.
    Messages(Vec<Value>),
    /// Stop replying, on all connections, like a stopped process.
    Freeze,
    /// Close the session.
    Close,
}

/// The running server. Stops when dropped.
pub(crate) struct ScriptedServer {
    pub(crate) url: String,
    seen: watch::Receiver<Vec<ReceivedRequest>>,
    state: Arc<ScriptState>,
    _stop: oneshot::Sender<()>,
}

impl ScriptedServer {
    /// Starts a server that replies as `script` says, except to `readyz`. It does not
    /// allow sessions.
    pub(crate) fn start(script: impl FnMut(&ReceivedRequest) -> ScriptedReply + Send + 'static) -> Self {
        Self::with(SessionMode::Forbidden, script)
    }

    /// Starts a server whose session replies as `script` says, and which accepts all
    /// requests over HTTP.
    pub(crate) fn in_session(
        ttl_ms: u64,
        script: impl FnMut(&ReceivedRequest) -> ScriptedFrames + Send + 'static,
    ) -> Self {
        Self::with(SessionMode::Open(Duration::ZERO, Box::new(script)), accept_all(ttl_ms))
    }

    pub(crate) fn with(
        session: SessionMode,
        script: impl FnMut(&ReceivedRequest) -> ScriptedReply + Send + 'static,
    ) -> Self {
        Self::over(None, session, script)
    }

    /// Starts a server that speaks TLS if it has an acceptor.
    pub(crate) fn over(
        tls: Option<TlsAcceptor>,
        session: SessionMode,
        script: impl FnMut(&ReceivedRequest) -> ScriptedReply + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let url = format!("{scheme}://{}", listener.local_addr().unwrap());
        Self::run(url, session, script, async move |connections, state| {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(accept(stream, tls.clone(), Arc::clone(&state)));
            }
        })
    }

    /// Starts a server that listens on a Unix socket.
    #[cfg(unix)]
    pub(crate) fn on_socket(
        path: &std::path::Path,
        session: SessionMode,
        script: impl FnMut(&ReceivedRequest) -> ScriptedReply + Send + 'static,
    ) -> Self {
        let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("unix:{}", path.display());
        Self::run(url, session, script, async move |connections, state| {
            let listener = tokio::net::UnixListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let stream: Box<dyn ByteStream> = Box::new(stream);
                connections.spawn(serve(BufReader::new(stream), Arc::clone(&state)));
            }
        })
    }

    /// Runs a server whose connections are accepted by `accept_all`.
    fn run(
        url: String,
        session: SessionMode,
        script: impl FnMut(&ReceivedRequest) -> ScriptedReply + Send + 'static,
        accept_all: impl AsyncFnOnce(&TaskTracker, Arc<ScriptState>) + Send + 'static,
    ) -> Self {
        let (seen_by, seen) = watch::channel(Vec::new());
        let (stop, stopped) = oneshot::channel();
        let state = Arc::new(ScriptState {
            script: Mutex::new(Box::new(script)),
            session: Mutex::new(session),
            frozen: AtomicBool::new(false),
            ready: AtomicBool::new(true),
            seen: seen_by,
            sessions: AtomicUsize::new(0),
            gate: Mutex::new(None),
            closing: watch::Sender::new(0),
        });
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let connections = TaskTracker::new();
                tokio::select! {
                    _ = stopped => {}
                    () = accept_all(&connections, state) => {}
                }
            });
        });
        Self { url, seen, state: shared, _stop: stop }
    }

    /// Passes every request but the probes through `gate`. Requests that pass are handled
    /// as by any other server, except that event streams are opened.
    pub(crate) fn set_gate(&self, gate: Gate) {
        *self.state.gate.lock().unwrap() = Some(gate);
    }

    /// Closes all open sockets with a code.
    pub(crate) fn close_sockets(&self, code: u16) {
        self.state.closing.send_replace(code);
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(&self.url).await.unwrap()
    }

    /// A client whose clock the test moves.
    pub(crate) async fn client_with(&self, clock: &Arc<ManualClock>) -> Client {
        Client::builder().address(&self.url).clock(clock.clock()).connect().await.unwrap()
    }

    /// Stops replying on all connections, like a stopped process.
    pub(crate) fn freeze(&self) {
        self.state.frozen.store(true, Ordering::SeqCst);
    }

    /// Whether `readyz` says that the server is ready.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.state.ready.store(ready, Ordering::SeqCst);
    }

    /// How many sessions were opened so far.
    pub(crate) fn sessions(&self) -> usize {
        self.state.sessions.load(Ordering::SeqCst)
    }

    /// All requests so far.
    pub(crate) fn seen(&self) -> Vec<ReceivedRequest> {
        self.seen.borrow().clone()
    }

    /// The requests for one operation so far.
    pub(crate) fn seen_of(&self, operation: &str) -> Vec<ReceivedRequest> {
        self.seen().into_iter().filter(|request| request.operation() == operation).collect()
    }

    /// Waits until `count` requests for an operation have arrived.
    pub(crate) async fn wait_for(&self, operation: &str, count: usize) -> Vec<ReceivedRequest> {
        let arrived =
            |seen: &Vec<ReceivedRequest>| seen.iter().filter(|r| r.operation() == operation).count() >= count;
        let waited = tokio::time::timeout(Duration::from_secs(60), async {
            self.seen.clone().wait_for(arrived).await.map(drop)
        });
        waited.await.unwrap_or_else(|_| panic!("no {count} × {operation} in {:?}", self.seen())).unwrap();
        self.seen_of(operation)
    }
}

/// What all connections share.
pub(crate) struct ScriptState {
    script: Mutex<Script>,
    pub(crate) session: Mutex<SessionMode>,
    pub(crate) frozen: AtomicBool,
    ready: AtomicBool,
    pub(crate) seen: watch::Sender<Vec<ReceivedRequest>>,
    pub(crate) sessions: AtomicUsize,
    gate: Mutex<Option<Gate>>,
    /// The code to close the open sockets with.
    pub(crate) closing: watch::Sender<u16>,
}

impl ScriptState {
    /// What the gate replies; `None` if it lets the request pass.
    fn gate(&self, request: &ReceivedRequest) -> Option<ScriptedReply> {
        self.gate.lock().unwrap().as_mut().and_then(|gate| gate(request))
    }

    fn has_gate(&self) -> bool {
        self.gate.lock().unwrap().is_some()
    }
}

/// A connection, with or without TLS.
pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for T {}

pub(crate) type Connection = BufReader<Box<dyn ByteStream>>;

async fn accept(stream: TcpStream, tls: Option<TlsAcceptor>, state: Arc<ScriptState>) {
    let stream: Box<dyn ByteStream> = match tls {
        None => Box::new(stream),
        Some(tls) => match tls.accept(stream).await {
            Ok(stream) => Box::new(stream),
            // The client rejects the certificate.
            Err(_) => return,
        },
    };
    serve(BufReader::new(stream), state).await;
}

async fn serve(mut stream: Connection, state: Arc<ScriptState>) {
    while let Ok(Some(request)) = read(&mut stream).await {
        let websocket_key = request.websocket_key.clone();
        let reply = if state.frozen.load(Ordering::SeqCst) {
            ScriptedReply::Silence
        } else if request.path == "/readyz" && !state.ready.load(Ordering::SeqCst) {
            ScriptedReply::Json(503, problem(503, "unavailable", None))
        } else if request.path == "/readyz" || request.path == "/livez" {
            ScriptedReply::Json(200, json!({}))
        } else if let Some(reply) = state.gate(&request) {
            reply
        } else if request.websocket_key.is_some() && request.path != "/v1/session" && state.has_gate() {
            return events(stream, &state, &request).await;
        } else if request.path == "/v1/session" {
            let rejection = match &*state.session.lock().unwrap() {
                SessionMode::Open(..) | SessionMode::Flap => None,
                SessionMode::Cut => Some(ScriptedReply::Cut),
                SessionMode::Forbidden => Some(ScriptedReply::Json(404, problem(404, "not-found", None))),
            };
            match rejection {
                Some(rejection) => rejection,
                None => return session(stream, Arc::clone(&state), &request).await,
            }
        } else {
            // The script runs first, so that its effects are visible to `wait_for`.
            let reply = (state.script.lock().unwrap())(&request);
            state.seen.send_modify(|seen| seen.push(request));
            reply
        };
        if let ScriptedReply::Flap = reply {
            accept_upgrade(&mut stream, &websocket_key.unwrap(), EVENTS_PROTOCOL).await;
            return;
        }
        if write(&mut stream, reply).await.is_err() {
            return;
        }
    }
}
