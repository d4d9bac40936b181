//! The load generator `dlm-load`.

use std::io::{BufRead, BufReader};
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{
    AuthFile, Authority, KillOnDrop, ServerProcess, Sqlite, binary, eventually, principal, send_signal,
};

/// Runs the load generator for a second. Returns its output, and its report if it has
/// written one.
fn run_load(arguments: &[&str]) -> (Output, Option<Value>) {
    let directory = tempfile::tempdir().unwrap();
    let (database, json) = (directory.path(), directory.path().join("report.json"));
    let mut command = Command::new(binary("dlm-load"));
    command.args(arguments).args(["--workers", "8", "--warm-up", "0", "--seconds", "1"]);
    command.arg("--database-dir").arg(database).arg("--json").arg(&json);
    for variable in ["DLM_TOKEN", "DLM_TOKEN_FILE", "DLM_CA"] {
        command.env_remove(variable);
    }
    let output = command.output().unwrap();
    let report = std::fs::read(json).ok().map(|report| serde_json::from_slice(&report).unwrap());
    (output, report)
}

#[tokio::test]
async fn load_is_put_on_a_server_with_a_token_and_a_certificate() {
    let rules = [("lock", "load/"), ("observe", "")];
    let file = AuthFile::new(&principal("load", &["load-token"], &rules));
    std::fs::write(file.beside("token"), "load-token\n").unwrap();
    let (authority, auth, token) = (Authority::new(), file.path(), file.beside("token"));
    let identity = authority.issue("server", "IP:127.0.0.1");
    let options = ["--auth-file", auth.as_str()];
    let server = ServerProcess::<Sqlite>::start_with(&[&identity.arguments(), &options[..]].concat());
    let authorities = authority.file();
    let given = ["cycle", "--server", server.url(), "--ca", authorities.to_str().unwrap()];
    let (output, report) = run_load(&[&given[..], &["--token-file", token.to_str().unwrap()]].concat());
    assert!(output.status.success(), "{output:?}");
    let report = report.unwrap();
    // The writers' metrics were read too.
    assert!(
        report["cycles"].as_u64() > Some(0) && report["batches_per_second"].as_f64() > Some(0.0),
        "{report}"
    );
    let (output, report) = run_load(&given);
    assert!(!output.status.success() && report.is_none());
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.contains("credential") || error.contains("401"), "{error}");
}

#[tokio::test]
async fn clients_are_spread_over_the_servers() {
    // In a random order, both clients would begin at the same server every other time.
    for round in 0..3 {
        let servers = [ServerProcess::<Sqlite>::start(), ServerProcess::<Sqlite>::start()];
        let urls = servers.each_ref().map(|server| server.url().to_owned()).join(",");
        let (output, _) = run_load(&["cycle", "--server", &urls, "--clients", "2"]);
        assert!(output.status.success(), "{output:?}");
        for server in &servers {
            let page = server.api().get("/v1/events?limit=1").await.ok();
            assert_eq!(page["events"].as_array().unwrap().len(), 1, "round {round}: {page}");
        }
    }
}

#[tokio::test]
async fn idle_sessions_stay_open_on_a_started_server_that_authenticates_over_tls() {
    let (output, report) = run_load(&["sessions", "--auth", "--tls"]);
    assert!(output.status.success(), "{output:?}");
    let report = report.unwrap();
    assert_eq!((&report["cycles"], &report["lost"]), (&8.into(), &0.into()), "{report}");
    assert_eq!((&report["auth"], &report["tls"]), (&true.into(), &true.into()), "{report}");
    assert!(report["server_memory_kb"].as_u64() > Some(0), "{report}");
}

#[tokio::test]
async fn protection_is_compared_with_an_open_server_in_every_round() {
    let (output, report) = run_load(&["cycle", "--compare", "1"]);
    assert!(output.status.success(), "{output:?}");
    let report = report.unwrap();
    let variants = report["variants"].as_array().unwrap();
    let reported = |index: usize| {
        let report = &variants[index]["reports"][0];
        (report["auth"].as_bool().unwrap(), report["tls"].as_bool().unwrap())
    };
    assert_eq!([0, 1, 2].map(reported), [(false, false), (true, false), (true, true)]);
    let cycles = |variant: &Value| variant["reports"][0]["cycles_per_second"].as_f64().unwrap();
    for variant in variants {
        let ratio = variant["ratio"]["median"].as_f64().unwrap();
        assert!((ratio - cycles(variant) / cycles(&variants[0])).abs() < 1e-6, "{report}");
    }
}

/// A busy world on a server, and the lines that it prints.
fn start_world(url: &str, options: &[&str]) -> (KillOnDrop, impl Iterator<Item = String> + use<>) {
    let mut command = Command::new(binary("dlm-load"));
    command.args(["world", "--server", url]).args(options);
    command.env_remove("DLM_TOKEN").env_remove("DLM_TOKEN_FILE").env_remove("DLM_CA");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    (KillOnDrop(child), output.lines().map(Result::unwrap))
}

#[tokio::test]
async fn a_busy_world_stands_when_it_is_ready_and_is_released_when_it_is_stopped() {
    let server = ServerProcess::<Sqlite>::start();
    let api = server.api();
    let options =
        "--hot-rate 50 --queue 12 --readers 7 --deadlock 3 --chain 3 --locks 30 --expiring 2 --passing 2";
    let (mut world, mut lines) = start_world(server.url(), &options.split(' ').collect::<Vec<_>>());
    assert_eq!(lines.next(), Some(format!("server: {}", server.url())));
    assert_eq!(lines.next().as_deref(), Some("ready"));

    let inventory = api.get("/v1/locks?prefix=inventory%2F&limit=1000").await.ok();
    assert_eq!(inventory["locks"].as_array().unwrap().len(), 30);
    assert!(api.queue_len("migrate/db/main").await >= 12);
    assert_eq!(api.status("config/feature-flags").await["holder_count"], 7);
    // The graph is computed once a second at most.
    let deadlocked = || async {
        api.get("/v1/wait-graph").await.ok()["possible_deadlocks"].as_array().unwrap().len() == 1
    };
    eventually("a deadlock", deadlocked).await;
    assert_eq!(api.queue_len("pipeline/stage-1").await, 1);
    assert_eq!(api.status("payments/settle ").await["state"], "held");
    for (lock, kind) in [("uploads/part-0", "expired"), ("billing/invoice-number", "released")] {
        let happened = || async { api.event_kinds(lock).await.iter().any(|event| event == kind) };
        eventually(kind, happened).await;
    }

    send_signal(&world.0, Signal::TERM);
    assert!(world.ended().await.success());
    let left = api.get("/v1/locks?prefix=inventory%2F").await.ok();
    assert_eq!(left["locks"], Value::Array(Vec::new()));
    assert_eq!(api.queue_len("migrate/db/main").await, 0);
}

#[tokio::test]
async fn a_busy_world_refuses_what_has_no_effect_on_it() {
    for (option, message) in
        [("--seconds=5", "--seconds is for measurements"), ("--chain=1", "at least 2 owners")]
    {
        let (mut world, lines) = start_world("http://127.0.0.1:1", &[option]);
        assert!(!world.ended().await.success());
        let error = std::io::read_to_string(world.0.stderr.take().unwrap()).unwrap();
        assert!(error.contains(message), "{error}");
        assert_eq!(lines.count(), 0);
    }
}
