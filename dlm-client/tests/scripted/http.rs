//! HTTP/1.1, as far as the scripted server speaks it.

use std::collections::HashMap;
use std::io;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt};

use super::server::{Connection, ReceivedRequest, ScriptedReply};

pub(super) async fn read(stream: &mut Connection) -> io::Result<Option<ReceivedRequest>> {
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
    Ok(Some(ReceivedRequest { path, key, body, websocket_key, headers }))
}

pub(super) async fn write(stream: &mut Connection, reply: ScriptedReply) -> io::Result<()> {
    let (status, media_type, retry_after, body) = match reply {
        ScriptedReply::Json(status, body) => {
            let media_type = if status < 400 { "application/json" } else { "application/problem+json" };
            (status, media_type, None, body.to_string())
        }
        ScriptedReply::Other { status, media_type, retry_after, body } => {
            (status, media_type, retry_after, body)
        }
        ScriptedReply::Redirect(location) => {
            let head = format!("HTTP/1.1 307 x\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            return stream.flush().await;
        }
        ScriptedReply::Cut | ScriptedReply::Flap => return Err(io::ErrorKind::ConnectionAborted.into()),
        ScriptedReply::Silence => std::future::pending().await,
        ScriptedReply::After(pause, reply) => {
            tokio::time::sleep(pause).await;
            return Box::pin(write(stream, *reply)).await;
        }
    };
    let retry_after = retry_after.map(|seconds| format!("retry-after: {seconds}\r\n")).unwrap_or_default();
    let length = body.len();
    let head = format!("HTTP/1.1 {status} x\r\ncontent-type: {media_type}\r\ncontent-length: {length}\r\n");
    stream.write_all(format!("{head}{retry_after}\r\n{body}").as_bytes()).await?;
    stream.flush().await
}
