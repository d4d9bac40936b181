//! The options of `dlm run`.

use std::future::ready;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use super::TestServer;
use super::dlm::{Dlm, all_dead, is_alive, stderr};
use crate::harness::{
    Acquire, FaultProxy, MachineDelay, NetworkFault, binary, eventually, micros, now, wall_clock_micros,
};

/// The holder of `a`, once there is one.
async fn holder(server: &TestServer) -> Value {
    let api = server.api();
    eventually("it is held", || async { api.status("a").await["state"] == "held" }).await;
    api.status("a").await["holders"][0].clone()
}

#[tokio::test]
async fn p21_same_lock_nested_fails_at_once_and_says_so() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let dlm_path = binary("dlm").display().to_string();
    let nested = |inner: &str| {
        dlm.run(&["run", "a", "--", &dlm_path, "run", "b", "--", &dlm_path, "run", inner, "--", "true"])
    };
    let output = nested("a");
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(stderr(&output).contains("already runs under the lock `a`"), "{output:?}");
    let output = nested("b");
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert_eq!(nested("c").status.code(), Some(0));
}

#[tokio::test]
async fn p21_shared_lock_nested_in_a_shared_one_fails_too_and_says_why() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let dlm_path = binary("dlm").display().to_string();
    let output =
        dlm.run(&["run", "a", "--shared", "--", &dlm_path, "run", "a", "--shared", "--", "touch", "ran"]);
    assert_eq!(output.status.code(), Some(75), "{output:?}");
    assert!(stderr(&output).contains("whenever an exclusive request waits or holds"), "{output:?}");
    assert!(!dlm.path("ran").exists());
}

#[tokio::test]
async fn p22_try_does_not_wait_and_wait_waits_no_longer() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000).with("owner", "somebody")).await;
    let output = dlm.run(&["run", "a", "--try", "--", "true"]);
    assert_eq!(output.status.code(), Some(75));
    assert_eq!(api.event_kinds("a").await, ["granted"], "it was not queued");
    let started = now();
    let output = dlm.run(&["run", "a", "--wait", "1s", "--", "true"]);
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!(output.status.code(), Some(75));
    assert!(stderr(&output).contains("held by somebody (token 1)"), "{output:?}");
    assert_eq!(api.queue_len("a").await, 0);
}

#[tokio::test]
async fn p22_shared_locks_are_held_together() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let wait = |other: &str| format!("echo >$0; until [ -e {other} ]; do sleep 0.02; done");
    let mut one = dlm.start(&["run", "a", "--shared", "--", "bash", "-c", &wait("two"), "one"]);
    let mut two = dlm.start(&["run", "a", "--shared", "--", "bash", "-c", &wait("one"), "two"]);
    assert_eq!((one.code().await, two.code().await), (Some(0), Some(0)));
}

#[tokio::test]
async fn p22_lease_has_the_given_ttl_owner_and_metadata() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let arguments =
        ["run", "a", "--ttl", "1m 30s", "--owner", "nightly", "--meta", "job=report", "--meta", "run=a=b"];
    let given = dlm.start(&[arguments.as_slice(), &["--", "sleep", "1000"]].concat());
    let shown = holder(&server).await;
    assert_eq!(shown["ttl_ms"], 90_000);
    assert_eq!(shown["owner"], "nightly");
    assert_eq!(shown["metadata"], json!({"job": "report", "run": "a=b"}));
    drop(given);
}

#[tokio::test]
async fn p22_default_owner_is_user_host_and_pid() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut command = dlm.command(&["run", "a", "--", "sleep", "1000"]);
    let run = super::dlm::Running::new({
        command.env("USER", "jo");
        command
    });
    let host = rustix::system::uname().nodename().to_str().unwrap().to_owned();
    assert_eq!(holder(&server).await["owner"], format!("jo@{host}:{}", run.pid()));
}

#[tokio::test]
async fn p22_on_lost_kill_kills_before_the_deadline_and_sends_no_sigterm() {
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let dlm = Dlm::new(&proxy.url);
    let script = "trap 'echo >terminated' TERM; echo $$ >pid; while :; do sleep 0.02 & wait; done";
    let mut run = dlm.start_script(&["--ttl", "6s", "--on-lost", "kill"], script);
    let command = dlm.pid("pid").await;
    proxy.inject(NetworkFault::Reset);
    let expires_at = micros(&holder(&server).await["expires_at"]);
    all_dead(&[command]).await;
    let died = wall_clock_micros();
    let allowed = i64::try_from(delay.extend(Duration::ZERO).as_micros()).unwrap();
    // The server may have renewed once more, unheard: then there was even more time.
    assert!(died < expires_at + allowed, "died {} µs after the expiry", died - expires_at);
    assert_eq!(run.code().await, Some(79), "{}", run.stderr());
    assert!(!dlm.path("terminated").exists());
}

#[tokio::test]
async fn p22_on_lost_ignore_lets_the_command_go_on() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let script = "echo $$ >pid; until [ -e stop ]; do sleep 0.02; done; exit 5";
    let mut run = dlm.start_script(&["--on-lost", "ignore"], script);
    let command = dlm.pid("pid").await;
    server.api().force_release("a", &Value::from(1)).await.ok();
    run.tells("the command goes on without it").await;
    assert!(is_alive(command));
    std::fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!(run.code().await, Some(5));
}

#[tokio::test]
async fn request_to_let_go_is_reported_and_may_end_the_command() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let script = "trap 'exit 5' TERM; echo $$ >>pids; while :; do sleep 0.02 & wait; done";
    for (token, option) in [(1, "ignore"), (2, "term")] {
        let mut run = dlm.start_script(&["--on-release-request", option], script);
        holder(&server).await;
        eventually("it runs", || ready(dlm.read("pids").lines().count() == token)).await;
        let more = json!({"reason": "the disk is full", "within_ms": 60_000});
        server.api().request_release("a", &Value::from(token), &more).await.ok();
        run.tells("asked to let go of `a` until 2").await;
        run.tells(": the disk is full").await;
        if option == "ignore" {
            assert_eq!(server.api().status("a").await["state"], "held");
            run.signal(Signal::TERM);
        }
        assert_eq!(run.code().await, Some(5), "{}", run.stderr());
    }
    assert_eq!(server.api().status("a").await["state"], "free");
}

#[tokio::test]
async fn place_in_the_queue_is_reported_when_it_changes_and_quiet_says_nothing() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(60_000).with("owner", "somebody")).await;
    let mut quiet =
        dlm.start(&["run", "a", "--quiet", "--", "sh", "-c", "until [ -e stop ]; do sleep 0.02; done"]);
    eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
    let mut second = dlm.start(&["run", "a", "--", "true"]);
    second.tells("waiting: position 2 for `a`, held by somebody").await;
    api.release("a", &lease).await.ok();
    second.tells("waiting: position 1 for `a`").await;
    std::fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!((quiet.code().await, second.code().await), (Some(0), Some(0)));
    assert_eq!(quiet.stderr(), "");
}
