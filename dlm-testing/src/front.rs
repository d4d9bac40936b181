//! Accepts the connections of clients, and passes their requests on to the server.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;

use bytes::Bytes;
use dlm_protocol::SESSION_PROTOCOL;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{CONTENT_TYPE, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::sync::watch;
use tokio_tungstenite::client_async;
use tokio_tungstenite::tungstenite::Error as WsError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_util::task::TaskTracker;

use crate::bridge;
use crate::faults::{Faults, Verdict};
use crate::transport::{ByteStream, FrontListener, ServerAddress};

type Reply = Response<Full<Bytes>>;
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Front {
    /// The server behind.
    pub(crate) server: ServerAddress,
    pub(crate) faults: Faults,
    /// Whether the server is away.
    pub(crate) away: watch::Sender<bool>,
    /// Whether the time is being moved: that of the clients is ahead of the server's.
    pub(crate) moving: watch::Sender<bool>,
    pub(crate) tasks: TaskTracker,
}

impl Front {
    /// Accepts connections. While the server is away, they are closed at once.
    pub(crate) async fn serve(self: Arc<Self>, listener: FrontListener) {
        while let Ok(stream) = listener.accept().await {
            let front = Arc::clone(&self);
            self.tasks.spawn(async move { front.until_away(front.connection(stream)).await });
        }
    }

    /// Drops the work, with its connections, when the server goes away.
    async fn until_away(&self, work: impl Future<Output = ()>) {
        let mut away = self.away.subscribe();
        tokio::select! {
            biased;
            _ = away.wait_for(|away| *away) => {}
            () = work => {}
        }
    }

    /// Waits while the time is moved, so that no request that a client has sent after the move is
    /// executed before it: the server's term of a lease would be shorter than the client's.
    pub(crate) async fn time_stands_still(&self) {
        // The sender is part of `self`.
        self.moving.subscribe().wait_for(|moving| !moving).await.ok();
    }

    async fn connection(self: &Arc<Self>, stream: Box<dyn ByteStream>) {
        let service = service_fn(|request| async move {
            Ok::<_, Infallible>(self.reply(request).await.unwrap_or_else(|failure| failed(&*failure)))
        });
        let connection = server::Builder::new().serve_connection(TokioIo::new(stream), service);
        // A client may hang up at any time.
        connection.with_upgrades().await.ok();
    }

    async fn reply(self: &Arc<Self>, request: Request<Incoming>) -> Result<Reply, Failure> {
        if hyper_tungstenite::is_upgrade_request(&request) {
            return self.upgrade(request).await;
        }
        let (head, body) = request.into_parts();
        let body = body.collect().await?.to_bytes();
        self.time_stands_still().await;
        if let Some(name) = acquired(head.uri.path()) {
            match self.faults.on_http(&name, &body) {
                Verdict::PassOn => {}
                Verdict::Swallow => pending().await,
                Verdict::Reply(problem) => {
                    let mut reply = Response::new(serde_json::to_vec(&*problem)?.into());
                    *reply.status_mut() = StatusCode::from_u16(problem.status)?;
                    let media_type = HeaderValue::from_static("application/problem+json");
                    reply.headers_mut().insert(CONTENT_TYPE, media_type);
                    return Ok(reply);
                }
            }
        }
        let stream = self.server.connect().await?;
        let (mut sender, connection) = client::handshake(TokioIo::new(stream)).await?;
        let exchange = async {
            let response = sender.send_request(Request::from_parts(head, Full::new(body))).await?;
            let (head, body) = response.into_parts();
            Ok::<_, hyper::Error>(Response::from_parts(head, Full::new(body.collect().await?.to_bytes())))
        };
        tokio::select! {
            reply = exchange => Ok(reply?),
            ended = connection => Err(ended.map_or_else(Into::into, |()| "the server hung up".into())),
        }
    }

    /// Opens a WebSocket at the server, and then the client's.
    async fn upgrade(self: &Arc<Self>, mut request: Request<Incoming>) -> Result<Reply, Failure> {
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        let mut to_server = format!("ws://localhost{path}").into_client_request()?;
        let protocol = request.headers().get(SEC_WEBSOCKET_PROTOCOL).cloned();
        if let Some(protocol) = &protocol {
            to_server.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol.clone());
        }
        let stream = self.server.connect().await?;
        let server = match client_async(to_server, stream).await {
            Ok((server, _)) => server,
            Err(WsError::Http(rejection)) => {
                let (head, body) = rejection.into_parts();
                return Ok(Response::from_parts(head, body.unwrap_or_default().into()));
            }
            Err(error) => return Err(error.into()),
        };
        let is_session = protocol.as_ref().is_some_and(|protocol| protocol == SESSION_PROTOCOL);
        let (mut reply, client) = hyper_tungstenite::upgrade(&mut request, None)?;
        if let Some(protocol) = protocol {
            reply.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, protocol);
        }
        let front = Arc::clone(self);
        self.tasks.spawn(async move {
            let bridge = async {
                if let Ok(client) = client.await {
                    // One side has ended, and the other is closed by that.
                    bridge::run(client, server, is_session.then_some(&*front)).await.ok();
                }
            };
            front.until_away(bridge).await;
        });
        Ok(reply)
    }
}

/// The name of the lock that a request to this path acquires.
fn acquired(path: &str) -> Option<String> {
    let segment = path.strip_prefix("/v1/locks/")?.strip_suffix("/acquire")?;
    percent_decode_str(segment).decode_utf8().ok().map(Into::into)
}

fn failed(failure: &(dyn std::error::Error + Send + Sync)) -> Reply {
    let mut reply = Response::new(Full::from(failure.to_string()));
    *reply.status_mut() = StatusCode::BAD_GATEWAY;
    reply
}
