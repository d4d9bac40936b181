//! The load generator `dlm-load`.

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::{AuthFile, Authority, ServerProcess, Sqlite, binary, principal};

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
