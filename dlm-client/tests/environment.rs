//! A client that is configured by the variables of its process.
#![expect(clippy::unwrap_used, reason = "a panic fails the test")]

use std::process::Command;
use std::time::Duration;

use dlm_client::Client;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpListener;

const REPLY: &str = r#"{"principal": "api", "rules": [], "expires_at": null}"#;

/// Is ready, says who the client is, and returns the `Authorization` of that request.
async fn serve(listener: TcpListener) -> Option<String> {
    loop {
        let mut stream = BufReader::new(listener.accept().await.unwrap().0);
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            match line.trim_end() {
                "" => break,
                line => lines.push(line.to_owned()),
            }
        }
        let body = format!("content-length: {}\r\nconnection: close\r\n\r\n{REPLY}", REPLY.len());
        let head = "HTTP/1.1 200 x\r\ncontent-type: application/json\r\n";
        match lines.first() {
            Some(line) if line.contains("/v1/session") => {
                stream.write_all(b"HTTP/1.1 404 x\r\ncontent-length: 0\r\n\r\n").await.unwrap();
            }
            _ => stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap(),
        }
        if lines.first().is_some_and(|line| line.contains("/v1/whoami")) {
            return lines.iter().find_map(|line| line.strip_prefix("authorization: ")).map(str::to_owned);
        }
    }
}

/// Runs itself in another process, because a process must not change its own variables.
#[tokio::test]
async fn client_connects_as_its_environment_says() {
    if std::env::var_os("DLM_URL").is_some() {
        let client = Client::from_env().await.unwrap();
        assert_eq!(client.whoami().await.unwrap().principal, "api");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "of-the-file\n").unwrap();
    for (name, value, expected) in [
        ("DLM_TOKEN", "of-the-variable", "Bearer of-the-variable"),
        ("DLM_TOKEN_FILE", file.to_str().unwrap(), "Bearer of-the-file"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", "client_connects_as_its_environment_says"]).env(name, value);
        child.env("DLM_URL", format!("http://{}", listener.local_addr().unwrap()));
        let output = tokio::task::spawn_blocking(move || child.output().unwrap());
        let serving = tokio::time::timeout(Duration::from_secs(60), serve(listener));
        let (served, output) = tokio::join!(serving, output);
        let output = output.unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(served.unwrap().as_deref(), Some(expected));
    }
}
