//! The auth file is changed while a server runs.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::json;

use super::{TestServer, api, server, three_principals};
use crate::harness::{Acquire, Api, AuthFile, MachineDelay, WebSocket, eventually, now, principal};

/// How long a change on disk may take to be in force.
const WITHIN: Duration = Duration::from_secs(5);
const LOADED: &str = "dlm_auth_file_loads_total{result=\"ok\"}";
const FAILED: &str = "dlm_auth_file_loads_total{result=\"failed\"}";

async fn is_accepted(server: &TestServer, token: &str) -> bool {
    api(server, token).get("/v1/whoami").await.status == 200
}

async fn open_session(server: &TestServer, token: &str) -> WebSocket {
    WebSocket::with_token(server.url(), "/v1/session", "dlm.session.v1", token).await.unwrap()
}

async fn count(api: &Api, name: &str) -> f64 {
    api.metric(name).await.unwrap_or(0.0)
}

#[tokio::test]
async fn tokens_are_rotated_without_a_refused_request() {
    let delay = MachineDelay::watch();
    let tokens = |tokens: &[&str]| principal("api", tokens, &[("admin", "")]);
    let file = AuthFile::new(&tokens(&["old"]));
    let server = server(&file);
    let lease = api(&server, "old").lock("a", &Acquire::exclusive()).await;
    let mut session_of_old = open_session(&server, "old").await;
    file.replace(&tokens(&["old", "new"]));
    let since = now();
    eventually("the new token is accepted", || is_accepted(&server, "new")).await;
    delay.assert_within("the change", since.elapsed(), WITHIN);
    assert!(is_accepted(&server, "old").await);
    let mut session_of_new = open_session(&server, "new").await;
    assert_eq!(session_of_old.request("status", json!({"resource": "a"})).await["status"]["state"], "held");
    file.replace(&tokens(&["new"]));
    assert_eq!(session_of_old.close_code().await, 4401);
    assert!(!is_accepted(&server, "old").await);
    // It is the same principal, so the lease stays usable.
    let renewed =
        session_of_new.request("renew", json!({"resource": "a", "lease_id": lease["lease_id"]})).await;
    assert!(renewed["lease"].is_object(), "{renewed}");
    api(&server, "new").release("a", &lease).await.ok();
}

#[tokio::test]
async fn sighup_reads_the_file_at_once() {
    let delay = MachineDelay::watch();
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    let mut session = open_session(&server, "api-token").await;
    file.replace(&three_principals().replace("orders/", "bills/"));
    server.signal(Signal::HUP);
    let since = now();
    assert_eq!(session.close_code().await, 4403, "a right was taken away");
    delay.assert_within("the change", since.elapsed(), Duration::from_secs(1));
    let client = api(&server, "api-token");
    client.acquire("orders/1", &Acquire::exclusive()).await.problem(403, "forbidden");
    client.lock("bills/1", &Acquire::exclusive()).await;
    server.logged("auth file reloaded").await;
    let log = server.logs();
    let line = log.lines().find(|line| line.contains("auth file reloaded")).expect("a line");
    for part in ["3 principals", "3 tokens", "added=0", "removed=0", "changed=1", "jwt_changed=false"] {
        assert!(line.contains(part), "{part}: {line}");
    }
}

#[tokio::test]
async fn a_file_with_a_mistake_keeps_the_policy_in_force() {
    let file = AuthFile::new(&three_principals());
    let server = server(&file);
    let ops = api(&server, "ops-token");
    let mut session = open_session(&server, "api-token").await;
    let (loaded, loaded_at) = (count(&ops, LOADED).await, "dlm_auth_file_loaded_timestamp_seconds");
    let since = count(&ops, loaded_at).await;
    assert_eq!(loaded, 1.0);
    let unknown_role = three_principals().replace("\"observe\"", "\"viewer\"");
    for (bad, why) in [
        (unknown_role.as_str(), "line 8: `role` must be `observe`, `lock` or `admin`"),
        ("[[principal]]\nname = \"a", "line 2: not valid TOML"),
        ("", "line 1: the file has no `[[principal]]`"),
    ] {
        let failed = count(&ops, FAILED).await;
        file.replace(bad);
        eventually("the file is refused", || async { count(&ops, FAILED).await == failed + 1.0 }).await;
        server.logged(&format!("auth.toml: {why}")).await;
    }
    let failed = count(&ops, FAILED).await;
    fs::remove_file(file.path()).unwrap();
    eventually("the file is missed", || async { count(&ops, FAILED).await == failed + 1.0 }).await;
    server.logged("No such file").await;
    server.signal(Signal::HUP);
    eventually("the file is missed again", || async { count(&ops, FAILED).await == failed + 2.0 }).await;
    assert!(is_accepted(&server, "api-token").await && is_accepted(&server, "viewer-token").await);
    assert_eq!((count(&ops, LOADED).await, count(&ops, loaded_at).await), (loaded, since));
    let status = session.request("status", json!({"resource": "orders/1"})).await;
    assert_eq!(status["status"]["state"], "free", "{status}");
    file.replace(&principal("ops", &["ops-token"], &[("admin", "")]));
    assert_eq!(session.close_code().await, 4401, "a principal that was removed has no credential");
    assert!(!is_accepted(&server, "api-token").await);
    assert_eq!(count(&ops, LOADED).await, loaded + 1.0);
    assert!(count(&ops, loaded_at).await > since);
}

#[tokio::test]
async fn a_mounted_secret_is_replaced_by_renaming_a_link_to_its_directory() {
    let delay = MachineDelay::watch();
    let file = AuthFile::new("");
    for (version, token) in [("v1", "old"), ("v2", "new")] {
        fs::create_dir(file.beside(version)).unwrap();
        let text = principal("api", &[token], &[("observe", "")]);
        fs::write(file.beside(version).join("auth.toml"), text).unwrap();
    }
    symlink("v1", file.beside("..data")).unwrap();
    let path = file.beside("mounted.toml");
    symlink("..data/auth.toml", &path).unwrap();
    let server = TestServer::start_with(&["--auth-file", path.to_str().unwrap()]);
    assert!(is_accepted(&server, "old").await);
    symlink("v2", file.beside("..data_tmp")).unwrap();
    fs::rename(file.beside("..data_tmp"), file.beside("..data")).unwrap();
    fs::remove_dir_all(file.beside("v1")).unwrap();
    let since = now();
    eventually("the new token is accepted", || is_accepted(&server, "new")).await;
    delay.assert_within("the change", since.elapsed(), WITHIN);
    assert!(!is_accepted(&server, "old").await);
}

#[tokio::test]
async fn sighup_without_an_auth_file_is_ignored() {
    let server = TestServer::start();
    server.signal(Signal::HUP);
    server.logged("SIGHUP ignored: there is nothing to reload").await;
    server.api().lock("a", &Acquire::exclusive()).await;
}
