//! The webhook: troubles are reported to a URL.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use ring::hmac;
use serde_json::{Value, json};

use crate::harness::{Acquire, Api, ServerProcess, Sqlite, eventually, spawn, startup_error};

const SECRET: &str = "0123456789abcdef";

/// A message as it arrived.
#[derive(Debug, Clone)]
struct Received {
    head: Vec<String>,
    body: Vec<u8>,
    status: u16,
}

impl Received {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn header(&self, name: &str) -> &str {
        let of = |line: &String| line.to_ascii_lowercase().starts_with(&format!("{name}: "));
        self.head.iter().find(|line| of(line)).map(|line| line[name.len() + 2..].trim()).unwrap()
    }
}

/// Receives messages, and answers the first ones with these statuses and the others with 204.
struct Receiver {
    url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Receiver {
    fn start(statuses: impl Into<VecDeque<u16>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?team=a", listener.local_addr().unwrap());
        let received = Arc::<Mutex<Vec<Received>>>::default();
        let (log, mut statuses) = (Arc::clone(&received), statuses.into());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let status = statuses.pop_front().unwrap_or(204);
                log.lock().unwrap().extend(receive(connection.unwrap(), status));
            }
        });
        Self { url, received }
    }

    fn accepted(&self) -> Vec<Received> {
        self.received.lock().unwrap().iter().filter(|received| received.status == 204).cloned().collect()
    }

    fn refused(&self) -> Vec<Received> {
        self.received.lock().unwrap().iter().filter(|received| received.status != 204).cloned().collect()
    }

    async fn accepts(&self, count: usize) -> Vec<Received> {
        eventually("the message arrives", || async { self.accepted().len() >= count }).await;
        self.accepted()
    }
}

/// Receives one message; `None` if the connection broke before.
fn receive(mut connection: TcpStream, status: u16) -> Option<Received> {
    let mut reader = BufReader::new(connection.try_clone().ok()?);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let received = Received { head, body: Vec::new(), status };
    let mut body = vec![0; received.header("content-length").parse().unwrap()];
    reader.read_exact(&mut body).ok()?;
    write!(connection, "HTTP/1.1 {status} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").ok()?;
    Some(Received { body, ..received })
}

fn server(receiver: &Receiver, secret: &std::path::Path, wait: &str) -> ServerProcess<Sqlite> {
    let secret = secret.to_str().unwrap();
    ServerProcess::start_with(&[
        "--webhook",
        &receiver.url,
        "--webhook-secret-file",
        secret,
        "--trouble-wait",
        wait,
    ])
}

fn secret() -> (tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secret");
    std::fs::write(&path, format!("{SECRET}\n")).unwrap();
    (directory, path)
}

fn wait_for(api: &Api, name: &'static str, owner: &'static str) {
    let api = api.clone();
    spawn(async move {
        // It ends with the server.
        api.try_acquire(name, &Acquire::exclusive().wait(600_000).with("owner", owner)).await.ok();
    });
}

async fn messages_with(api: &Api, result: &str) -> bool {
    let metrics = api.get("/metrics").await.text;
    let name = format!("dlm_webhook_messages_total{{result=\"{result}\"}}");
    metrics.lines().any(|line| line.starts_with(&name) && !line.ends_with(" 0"))
}

#[tokio::test]
async fn long_wait_is_reported_signed_and_retried_until_it_arrives() {
    let receiver = Receiver::start([500, 503, 302]);
    let (_directory, path) = secret();
    let server = server(&receiver, &path, "1s");
    let api = server.api();
    let held = api.lock("a", &Acquire::exclusive().ttl(600_000).with("owner", "holder")).await;
    api.lock("free", &Acquire::exclusive()).await;
    wait_for(&api, "a", "waiter");
    let began = receiver.accepts(1).await;
    let message = began[0].json();
    let lock = &message["lock"];
    assert_eq!(
        message,
        json!({"event": "began", "id": "long_wait:a", "kind": "long_wait", "at": message["at"],
            "began_at": message["at"], "lock": {"resource": "a", "queue_len": 1, "blocked": 1,
            "oldest_enqueued_at": lock["oldest_enqueued_at"], "holder_count": 1, "holders": lock["holders"]}})
    );
    assert_eq!(lock["holders"][0]["owner"], "holder");
    assert_eq!(began[0].head[0], "POST /hook?team=a HTTP/1.1");
    assert_eq!(began[0].header("content-type"), "application/json");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let digest = hmac::sign(&key, &began[0].body);
    let signature: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(began[0].header("dlm-signature"), format!("sha256={signature}"));
    let refused = receiver.refused();
    assert_eq!(refused.iter().map(|refused| refused.status).collect::<Vec<_>>(), [500, 503, 302]);
    assert!(refused.iter().all(|refused| refused.body == began[0].body), "each attempt is the same message");
    api.release("a", &held).await.ok();
    let ended = receiver.accepts(2).await[1].json();
    assert_eq!((&ended["event"], &ended["id"]), (&json!("ended"), &json!("long_wait:a")));
    assert_eq!(ended["began_at"], message["at"]);
    eventually("it is counted", || async { messages_with(&api, "sent").await }).await;
    assert!(messages_with(&api, "retried").await);
    assert_eq!(receiver.accepted().len(), 2, "a trouble that goes on is reported once");
    assert!(!server.logs().contains("team=a"), "the URL may be secret");
}

#[tokio::test]
async fn possible_deadlock_is_reported_before_anyone_has_waited_long() {
    let receiver = Receiver::start([]);
    let (_directory, path) = secret();
    let server = server(&receiver, &path, "1h");
    let api = server.api();
    for (name, owner) in [("a", "one"), ("b", "two")] {
        api.lock(name, &Acquire::exclusive().ttl(600_000).with("owner", owner)).await;
    }
    wait_for(&api, "a", "two");
    wait_for(&api, "b", "one");
    let began = receiver.accepts(1).await[0].json();
    assert_eq!((&began["event"], &began["kind"]), (&json!("began"), &json!("possible_deadlock")));
    let holders = began["deadlock"]["holders"].as_array().unwrap();
    let mut owners: Vec<_> = holders.iter().map(|holder| holder["owner"].as_str().unwrap()).collect();
    owners.sort_unstable();
    assert_eq!(owners, ["one", "two"]);
}

#[tokio::test]
async fn webhook_that_is_away_keeps_nobody_waiting() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // It accepts connections and never answers.
    let receiver =
        Receiver { url: format!("http://{}", listener.local_addr().unwrap()), received: Arc::default() };
    let (_directory, path) = secret();
    let mut server = server(&receiver, &path, "1s");
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(600_000)).await;
    wait_for(&api, "a", "waiter");
    let connection = tokio::task::spawn_blocking(move || listener.accept().unwrap()).await.unwrap();
    api.lock("b", &Acquire::exclusive()).await;
    assert!(server.terminate().success(), "the shutdown does not wait for it");
    drop(connection);
}

#[test]
fn webhook_is_checked_at_the_start() {
    let (_directory, path) = secret();
    let path = path.to_str().unwrap();
    let refused = |arguments: &[&str], expected: &str| {
        let error = startup_error(arguments);
        assert!(error.contains(expected), "{arguments:?}: {error}");
        assert!(!error.contains("hunter2"), "the URL may be secret: {error}");
    };
    refused(&["--webhook", "ftp://hunter2", "--webhook-secret-file", path], "--webhook must be a URL");
    refused(&["--webhook", "http://hunter2.example", "--webhook-secret-file", "/none"], "can't be read");
    let short = tempfile::NamedTempFile::new().unwrap();
    let short = short.path().to_str().unwrap();
    refused(&["--webhook", "http://hunter2.example", "--webhook-secret-file", short], "at least 16 bytes");
}
