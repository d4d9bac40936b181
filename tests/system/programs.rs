//! The programs that the README tells of, and its lines for `curl`.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::harness::{Server, Sqlite, alone, binary, eventually, now};

type TestServer = Server<Sqlite>;

fn run(program: &str, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(binary(program)).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

/// A scheduler, which ends with the test.
struct Scheduler(Child);

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

#[tokio::test]
async fn a_leader_that_is_killed_is_replaced_within_its_ttl() {
    const TTL: Duration = Duration::from_secs(2);
    let _alone = alone();
    let server = TestServer::start();
    let api = server.api();
    let mut schedulers: Vec<(String, Scheduler)> = ["one", "two", "three"]
        .map(|name| {
            let mut command = Command::new(binary("leader"));
            command.args(["--server", server.url(), "--name", name, "--every-ms", "50"]);
            command.args(["--ttl-ms", &TTL.as_millis().to_string()]);
            (name.to_owned(), Scheduler(command.stdout(Stdio::null()).spawn().unwrap()))
        })
        .into();
    let leads = async || {
        let status = api.status("scheduler/leader").await;
        status["holders"][0]["owner"].as_str().map(str::to_owned)
    };
    eventually("one leads and two wait", || async { api.queue_len("scheduler/leader").await == 2 }).await;
    for waiting in [1, 0] {
        let leader = leads().await.unwrap();
        let index = schedulers.iter().position(|(name, _)| *name == leader).unwrap();
        drop(schedulers.swap_remove(index));
        let killed = now();
        eventually("another leads", || async { leads().await.is_some_and(|other| other != leader) }).await;
        let took = killed.elapsed();
        assert!(took < TTL + Duration::from_millis(500), "{took:?}");
        assert_eq!(api.queue_len("scheduler/leader").await, waiting);
    }
    // Each death bumps, and so does each grant.
    assert_eq!(api.status("scheduler/leader").await["holders"][0]["fencing_token"], 5);
    let alive = schedulers.iter_mut().all(|(_, scheduler)| scheduler.0.try_wait().unwrap().is_none());
    assert!(alive, "the last one leads on");
}

#[tokio::test]
async fn a_fenced_writer_loses_no_update_and_an_unfenced_one_does() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    for (file, fence, right, says) in [
        ("fenced.db", None, true, "No update is lost."),
        ("unfenced.db", Some("--unfenced"), false, "An update is LOST."),
    ] {
        let storage = folder.path().join(file).display().to_string();
        let mut arguments = vec!["--server", server.url(), "--storage", &storage];
        arguments.extend(fence);
        let (output, text) = run("fenced_writer", &arguments);
        assert_eq!(output.status.success(), right, "{output:?}");
        assert!(text.contains(says), "{text}");
        let late = if right { "refused" } else { "accepted" };
        assert!(text.contains(&format!("slow: goes on and writes 1: {late}")), "{text}");
    }
}

#[tokio::test]
async fn workers_that_share_out_a_tree_count_right_with_locks_and_wrong_without() {
    let server = TestServer::start();
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    std::fs::create_dir_all(tree.join("deeper")).unwrap();
    for file in 0..24_usize {
        let place = if file % 2 == 0 { tree.clone() } else { tree.join("deeper") };
        std::fs::write(place.join(format!("{file}.txt")), "word ".repeat(file + 1)).unwrap();
    }
    let tree = tree.display().to_string();
    for (file, locks, right, says) in [
        ("locked.db", None, true, "The totals are equal."),
        ("unlocked.db", Some("--no-locks"), false, "The totals are WRONG."),
    ] {
        let totals = folder.path().join(file).display().to_string();
        let mut arguments = vec!["run", &tree, "--totals", &totals, "--server", server.url()];
        arguments.extend(["--workers", "3", "--work-ms", "20"]);
        arguments.extend(locks);
        let (output, text) = run("index_files", &arguments);
        assert_eq!(output.status.success(), right, "{output:?}");
        assert!(text.contains(says), "{text}");
        assert!(
            text.lines().any(|line| line.starts_with("words, single pass:") && line.ends_with(" 300")),
            "{text}"
        );
    }
    let held = server.api().get("/v1/locks?prefix=index").await.ok();
    assert_eq!(held["locks"].as_array().unwrap().len(), 0, "all locks were given back");
}

#[tokio::test]
async fn the_readme_s_lines_for_curl_take_watch_renew_and_release_a_lock() {
    let server = TestServer::start();
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let lines: Vec<&str> = blocks.filter(|block| block.contains("curl -s")).collect();
    let [lines] = lines[..] else { panic!("{} blocks use curl", lines.len()) };
    assert!(lines.contains("http://127.0.0.1:7420/"), "{lines}");
    let here = lines.replace("http://127.0.0.1:7420", server.url());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &here]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let answers: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect();
    let [status, renewed, released] = &answers[..] else { panic!("{text}") };
    assert_eq!((&status["state"], &status["holders"][0]["owner"]), (&"held".into(), &"me".into()));
    assert_eq!(renewed["fencing_token"], 1);
    assert!(renewed["expires_at"].as_str() > status["holders"][0]["expires_at"].as_str(), "{text}");
    assert_eq!(released["released"], true);
    assert_eq!(server.api().kinds("orders/42").await, ["granted", "released"]);
}
