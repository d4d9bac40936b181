//! The audit log.
//!
//! - `denials`: each kind, over each transport
//! - `force_releases`: what is recorded of them, and of grants; `--audit-strict`
//! - `output`: rotation, reloads, and a log that can't be written

mod denials;
mod force_releases;
mod output;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{Api, AuthFile, ServerProcess, Sqlite, eventually, principal, wall_clock_micros};

type TestServer = ServerProcess<Sqlite>;

/// The instant this many seconds ago or ahead, as TOML writes it.
fn in_seconds(seconds: i64) -> String {
    dlm_protocol::Timestamp::from_micros(wall_clock_micros() + seconds * 1_000_000).to_string()
}

/// `api` may lock below `orders/`, and `ops` do everything. `old` was a token of `api`.
fn principals() -> String {
    let old = format!("old-token expires = {}", in_seconds(-60));
    principal("api", &["api-token", &old], &[("lock", "orders/")])
        + &principal("ops", &["ops-token"], &[("admin", "")])
}

/// The records in a file.
fn records(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    // The last line may not be complete.
    let lines = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The records of one request, once there are so many.
async fn of_request(path: &Path, id: &str, count: usize) -> Vec<Value> {
    let mut found = Vec::new();
    eventually(&format!("the records of {id}"), || {
        found = records(path).into_iter().filter(|record| record["request_id"] == id).collect();
        let enough = found.len() >= count;
        async move { enough }
    })
    .await;
    assert_eq!(found.len(), count, "{found:?}");
    found
}

/// Asserts the members of a record.
#[track_caller]
fn assert_record(record: &Value, expected: &Value) {
    for (name, value) in expected.as_object().unwrap() {
        assert_eq!(&record[name], value, "{name}: {record}");
    }
    for name in [
        "time",
        "principal",
        "address",
        "request_id",
        "verb",
        "resource",
        "token",
        "outcome",
        "code",
        "reason",
    ] {
        assert!(record.get(name).is_some(), "{name}: {record}");
    }
}

async fn lost(api: &Api) -> u64 {
    let text = api.get("/metrics").await.text;
    let line = text.lines().find_map(|line| line.strip_prefix("dlm_audit_records_lost_total "));
    line.expect("the metric").parse().unwrap()
}

/// A directory with an auth file and an audit log.
struct Setup {
    file: AuthFile,
    log: PathBuf,
}

impl Setup {
    fn new() -> Self {
        let file = AuthFile::new(&principals());
        let log = file.beside("audit").join("audit.jsonl");
        fs::create_dir(log.parent().unwrap()).unwrap();
        Self { file, log }
    }

    fn start(&self, more: &[&str]) -> TestServer {
        let (auth, log) = (self.file.path(), self.log.display().to_string());
        let arguments = ["--auth-file", &auth, "--audit-log", &log];
        TestServer::start_with(&[&arguments, more].concat())
    }
}
