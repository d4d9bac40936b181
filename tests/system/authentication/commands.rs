//! The commands that make tokens and check files, and the options of a server.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output};

use rustix::process::Signal;

use super::{TestServer, api, server, three_principals};
use crate::harness::{
    Acquire, Api, AuthFile, binary, eventually, send_signal, server_command, startup_error,
};

fn run(arguments: &[&str]) -> Output {
    Command::new(binary("dlm-server")).args(arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// The token and the block that `token new` prints.
fn new_token(arguments: &[&str]) -> (String, String) {
    let output = run(&[&["token", "new"], arguments].concat());
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let (token, block) = text(&output.stdout).split_once("\n\n").expect("a token and a block");
    (token.to_owned(), block.to_owned())
}

#[tokio::test]
async fn a_new_token_works_once_its_block_is_in_the_file() {
    let (token, block) = new_token(&["api", "--role", "lock", "--prefix", "orders/", "--expires", "90d"]);
    assert!(token.len() == 47 && token.starts_with("dlm_") && !block.contains(&token), "{block}");
    let file = AuthFile::new(&three_principals().replace("\"api\"", "\"other\""));
    let server = server(&file);
    api(&server, &token).get("/v1/whoami").await.problem(401, "unauthenticated");
    file.replace(&format!("{}\n{block}", std::fs::read_to_string(file.path()).unwrap()));
    let checked = run(&["auth", "check", &file.path()]);
    assert!(checked.status.success(), "{checked:?}");
    let summary = "4 principals, 4 rules, 4 tokens (0 expired), 0 certificate names, 0 JWT keys\n";
    assert_eq!(text(&checked.stdout), summary);
    let is_accepted = || async { api(&server, &token).get("/v1/whoami").await.status == 200 };
    eventually("the token is accepted", is_accepted).await;
    let who = api(&server, &token).get("/v1/whoami").await.ok();
    assert_eq!((&who["principal"], &who["rules"][0]["prefix"]), (&"api".into(), &"orders/".into()));
    assert!(who["expires_at"].is_string(), "{who}");
    let lease = api(&server, &token).lock("orders/1", &Acquire::exclusive()).await;
    api(&server, &token).release("orders/1", &lease).await.ok();
    let (other, _) = new_token(&["api", "--role", "admin", "--prefix", ""]);
    assert_ne!(token, other);
}

#[tokio::test]
async fn impossible_commands_fail_with_the_reason() {
    for (arguments, reason) in [
        (&["token", "new", "system", "--role", "lock", "--prefix", ""][..], "must not be `system`"),
        (&["token", "new", "a b", "--role", "lock", "--prefix", ""], "visible ASCII"),
        (&["token", "new", "a", "--role", "lock", "--prefix", "", "--expires", "0s"], "1 second"),
        (&["token", "new", "a", "--role", "root", "--prefix", ""], "possible values: observe, lock, admin"),
        (&["token", "new", "a", "--role", "lock"], "--prefix"),
        (&["auth", "check", "/nowhere/auth.toml"], "/nowhere/auth.toml: No such file"),
    ] {
        let output = run(arguments);
        assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert!(text(&output.stderr).contains(reason), "{reason}: {output:?}");
    }
    let file = AuthFile::new("[[principal]]\nname = \"a\"\nrule = []\n");
    let output = run(&["auth", "check", &file.path()]);
    assert_eq!(output.status.code(), Some(1));
    let reason = format!("{}: line 3: unknown key `rule`; known here: `name`", file.path());
    assert!(text(&output.stderr).contains(&reason), "{output:?}");
}

#[tokio::test]
async fn a_server_does_not_start_with_a_mistake_or_a_contradiction() {
    let good = AuthFile::new(&three_principals());
    let bad =
        AuthFile::new("[[principal]]\nname = \"api\"\ntokens = [{ sha256 = \"dlm_CANARY\" }]\nrules = []\n");
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", directory.path().join("a.db").display());
    let error = |arguments: &[&str]| startup_error(&[&["--database-url", &database], arguments].concat());
    let refused = error(&["--auth-file", &bad.path(), "--listen", "127.0.0.1:0"]);
    assert!(refused.contains("auth.toml: line 3: `sha256` must be the SHA-256 of a token"), "{refused}");
    assert!(!refused.contains("CANARY"), "{refused}");
    let refused = error(&["--auth-file", "/nowhere/auth.toml", "--listen", "127.0.0.1:0"]);
    assert!(refused.contains("/nowhere/auth.toml: No such file"), "{refused}");
    let refused = error(&["--auth-file", &good.path(), "--insecure-no-auth", "--listen", "127.0.0.1:0"]);
    assert!(refused.contains("contradict each other"), "{refused}");
    let refused = error(&["--listen", "0.0.0.0:0"]);
    assert!(
        refused.contains("no authentication is configured") && refused.contains("--auth-file"),
        "{refused}"
    );
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing was opened");
}

#[tokio::test]
async fn off_loopback_an_auth_file_suffices_and_the_missing_encryption_is_logged() {
    let file = AuthFile::new(&three_principals());
    let directory = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}", directory.path().join("a.db").display());
    let mut child =
        server_command(&database, "0.0.0.0:0").args(["--auth-file", &file.path()]).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let port = line.trim().strip_prefix("listening on http://0.0.0.0:").expect("the address");
    let api = Api::new(&format!("http://127.0.0.1:{port}"));
    api.get("/v1/locks").await.problem(401, "unauthenticated");
    let api = api.with_token("ops-token");
    api.get("/v1/locks").await.ok();
    assert_eq!(api.metric("dlm_insecure_no_auth").await, Some(0.0));
    send_signal(&child, Signal::TERM);
    let output = child.wait_with_output().unwrap();
    let log = text(&output.stderr);
    assert!(log.contains("WARN") && log.contains("connections are not encrypted"), "{log}");
}

#[tokio::test]
async fn insecure_no_auth_is_logged_at_every_start_and_in_the_metrics() {
    let mut server = TestServer::start_with(&["--insecure-no-auth"]);
    for starts in 1..=2 {
        server.logged_times("no authentication: everyone", starts).await;
        let warned = server.logs().matches("WARN").count();
        assert_eq!(server.logs().matches("no authentication: everyone").count(), starts);
        assert!(warned >= starts, "{}", server.logs());
        assert_eq!(server.api().metric("dlm_insecure_no_auth").await, Some(1.0));
        server.kill9_and_restart();
    }
}
