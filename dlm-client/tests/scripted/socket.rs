//! The session of the scripted server.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::server::{Play, Request, Said, Session, lease, new_lease_id};

/// Carries one session until the client ends it.
pub(crate) async fn session(mut stream: BufReader<TcpStream>, play: Arc<Play>, opening: &Request) {
    let pause = match &*play.session.lock().unwrap() {
        Session::Open(pause, _) => *pause,
        Session::Forbidden | Session::Cut => Duration::ZERO,
    };
    tokio::time::sleep(pause).await;
    let accept = derive_accept_key(opening.websocket_key.as_deref().unwrap().as_bytes());
    let head = format!(
        "HTTP/1.1 101 x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: {accept}\r\n\
         sec-websocket-protocol: dlm.session.v1\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(Ok(message)) = socket.next().await {
        let Message::Text(text) = message else { continue };
        let request = Request::of_frame(serde_json::from_str(&text).unwrap());
        let said = match &mut *play.session.lock().unwrap() {
            Session::Open(_, script) => script(&request),
            Session::Forbidden | Session::Cut => return,
        };
        let id = request.body["id"].clone();
        play.seen.send_modify(|seen| seen.push(request));
        let messages = match said {
            Said::Answer(mut answer) => {
                answer["id"] = id;
                vec![answer]
            }
            Said::Messages(messages) => messages,
            Said::Freeze => {
                play.frozen.store(true, Ordering::SeqCst);
                pending().await
            }
        };
        for message in messages {
            if socket.feed(Message::text(message.to_string())).await.is_err() {
                return;
            }
        }
        if socket.flush().await.is_err() {
            return;
        }
    }
}

/// Grants, renews and releases over a session whatever it is asked to.
pub(crate) fn obliging_frame(request: &Request, ttl_ms: u64) -> Said {
    let leases = request.body["leases"].as_array().cloned().unwrap_or_default();
    let renewed = |item: &Value| json!({"lease": lease(item["lease_id"].as_str().unwrap(), ttl_ms)});
    Said::Answer(match request.operation() {
        "acquire" => json!({"lease": lease(&new_lease_id(), ttl_ms)}),
        "renew" if leases.is_empty() => renewed(&request.body),
        "renew" => json!({"results": leases.iter().map(renewed).collect::<Vec<_>>()}),
        "cancel" => json!({"cancel": {"outcome": "cancelled"}}),
        _ => json!({"released": {"released": true, "fencing_token": 7}}),
    })
}
