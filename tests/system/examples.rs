//! The example programs, and the README's commands.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::harness::{
    Acquire, KillOnDrop, MachineDelay, ServerProcess, Sqlite, binary, eventually, now, quiet_test_lock,
    send_signal,
};

type TestServer = ServerProcess<Sqlite>;

fn run(program: &str, arguments: &[&str]) -> (Output, String) {
    let output = Command::new(binary(program)).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (output, text)
}

#[tokio::test]
async fn killed_leader_is_replaced_within_its_ttl() {
    const TTL: Duration = Duration::from_secs(5);
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let api = server.api();
    let mut schedulers: Vec<(String, KillOnDrop)> = ["one", "two", "three"]
        .map(|name| {
            let mut command = Command::new(binary("leader"));
            command.args(["--server", server.url(), "--name", name, "--every-ms", "50"]);
            command.args(["--ttl-ms", &TTL.as_millis().to_string()]);
            (name.to_owned(), KillOnDrop(command.stdout(Stdio::null()).spawn().unwrap()))
        })
        .into();
    let leader_name = async || {
        let status = api.status("scheduler/leader").await;
        status["holders"][0]["owner"].as_str().map(str::to_owned)
    };
    eventually("one process leads and two wait", || async { api.queue_len("scheduler/leader").await == 2 })
        .await;
    for waiting in [1, 0] {
        let leader = leader_name().await.unwrap();
        let index = schedulers.iter().position(|(name, _)| *name == leader).unwrap();
        drop(schedulers.swap_remove(index));
        let killed = now();
        eventually("another process leads", || async {
            leader_name().await.is_some_and(|other| other != leader)
        })
        .await;
        delay.assert_within("the change", killed.elapsed(), TTL + Duration::from_millis(500));
        assert_eq!(api.queue_len("scheduler/leader").await, waiting);
    }
    // Three grants and two expiries.
    assert_eq!(api.status("scheduler/leader").await["holders"][0]["fencing_token"], 5);
    let alive = schedulers.iter_mut().all(|(_, scheduler)| scheduler.0.try_wait().unwrap().is_none());
    assert!(alive, "the last process still runs");
}

#[tokio::test]
async fn leader_releases_the_lock_on_sigterm() {
    let server = TestServer::start();
    let api = server.api();
    let mut command = Command::new(binary("leader"));
    command.args(["--server", server.url(), "--name", "one", "--ttl-ms", "60000"]);
    let mut leader = KillOnDrop(command.stdout(Stdio::null()).spawn().unwrap());
    eventually("it leads", || async { api.status("scheduler/leader").await["state"] == "held" }).await;
    send_signal(&leader.0, Signal::TERM);
    let status = leader.ended().await;
    assert!(status.success(), "{status}");
    assert_eq!(api.event_kinds("scheduler/leader").await, ["granted", "released"]);
}

/// As in `leader | head -1`.
#[tokio::test]
async fn programs_do_not_panic_when_nobody_reads_their_output() {
    let server = TestServer::start();
    let api = server.api();
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join("a.txt"), "word").unwrap();
    let tree = tree.display().to_string();
    let storage = directory.path().join("storage.db").display().to_string();
    let totals = directory.path().join("totals.db").display().to_string();
    let server_argument = ["--server", server.url()];
    for (program, arguments) in [
        ("leader", vec!["--name", "one", "--every-ms", "20"]),
        ("fenced_writer", vec!["--storage", &storage]),
        ("index_files", vec!["run", &tree, "--totals", &totals]),
        ("watch", vec![]),
        ("watch", vec!["--json"]),
    ] {
        let mut command = Command::new(binary(program));
        command.args(arguments).args(server_argument);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = KillOnDrop(command.spawn().unwrap());
        let mut first = String::new();
        BufReader::new(child.0.stdout.take().unwrap()).read_line(&mut first).unwrap();
        // Events for `watch` to print.
        let lease = api.lock("watched", &Acquire::exclusive()).await;
        api.release("watched", &lease).await.ok();
        let status = child.ended().await;
        let mut errors = String::new();
        child.0.stderr.take().unwrap().read_to_string(&mut errors).unwrap();
        assert!(status.success() && errors.is_empty(), "{program}: {status} {errors}");
    }
    let held = api.get("/v1/locks").await.ok();
    assert_eq!(held["locks"].as_array().unwrap().len(), 0, "all locks were released: {held}");
}

#[tokio::test]
async fn fenced_writer_loses_no_update_and_unfenced_writer_does() {
    let server = TestServer::start();
    let directory = tempfile::tempdir().unwrap();
    for (file, flag, succeeds, verdict) in [
        ("fenced.db", None, true, "No update is lost."),
        ("unfenced.db", Some("--unfenced"), false, "An update is LOST."),
    ] {
        let storage = directory.path().join(file).display().to_string();
        let mut arguments = vec!["--server", server.url(), "--storage", &storage];
        arguments.extend(flag);
        let (output, text) = run("fenced_writer", &arguments);
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        assert!(text.contains(verdict), "{text}");
        let late_write = if succeeds { "refused" } else { "accepted" };
        assert!(text.contains(&format!("slow: resumes and writes 1: {late_write}")), "{text}");
    }
}

#[tokio::test]
async fn index_files_counts_correctly_with_locks_and_wrongly_without() {
    let server = TestServer::start();
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    std::fs::create_dir_all(tree.join("nested")).unwrap();
    for file in 0..24_usize {
        let parent = if file % 2 == 0 { tree.clone() } else { tree.join("nested") };
        std::fs::write(parent.join(format!("{file}.txt")), "word ".repeat(file + 1)).unwrap();
    }
    let tree = tree.display().to_string();
    for (file, flag, succeeds, verdict) in [
        ("locked.db", None, true, "The totals are equal."),
        ("unlocked.db", Some("--no-locks"), false, "The totals are WRONG."),
    ] {
        let totals = directory.path().join(file).display().to_string();
        let mut arguments = vec!["run", &tree, "--totals", &totals, "--server", server.url()];
        arguments.extend(["--workers", "3", "--work-ms", "20"]);
        arguments.extend(flag);
        let (output, text) = run("index_files", &arguments);
        assert_eq!(output.status.success(), succeeds, "{output:?}");
        assert!(text.contains(verdict), "{text}");
        assert!(
            text.lines().any(|line| line.starts_with("words, single pass:") && line.ends_with(" 300")),
            "{text}"
        );
    }
    let held = server.api().get("/v1/locks?prefix=index").await.ok();
    assert_eq!(held["locks"].as_array().unwrap().len(), 0, "all locks were released");
}

#[tokio::test]
async fn readme_curl_commands_acquire_show_renew_and_release_a_lock() {
    let server = TestServer::start();
    let commands = readme_commands("U=http://");
    assert!(commands.contains("http://127.0.0.1:7420/"), "{commands}");
    let script = commands.replace("http://127.0.0.1:7420", server.url());
    let output = Command::new("bash").args(["-euo", "pipefail", "-c", &script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let replies: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect();
    let [status, renewed, released] = &replies[..] else { panic!("{text}") };
    assert_eq!((&status["state"], &status["holders"][0]["owner"]), (&"held".into(), &"me".into()));
    assert_eq!(renewed["fencing_token"], 1);
    assert!(renewed["expires_at"].as_str() > status["holders"][0]["expires_at"].as_str(), "{text}");
    assert_eq!(released["released"], true);
    assert_eq!(server.api().event_kinds("orders/42").await, ["granted", "released"]);
}

#[tokio::test]
async fn readme_commands_for_a_network_start_a_server_that_clients_use_with_the_token() {
    let directory = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = |commands: &str| {
        let commands = commands.replace("dlm.example.org:7420", &format!("localhost:{port}"));
        let commands = commands.replace("0.0.0.0:7420", &format!("127.0.0.1:{port}"));
        let server = binary("dlm-server");
        let path = format!("{}:{}", server.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        // The last command replaces the shell, so that it is what is stopped.
        command.args([
            "-euo",
            "pipefail",
            "-c",
            &commands.replace("\ndlm-server --listen", "\nexec dlm-server --listen"),
        ]);
        command.env("PATH", path).current_dir(directory.path());
        command
    };
    let mut server = KillOnDrop(run(&readme_commands("openssl req")).stdout(Stdio::piped()).spawn().unwrap());
    let mut line = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, format!("listening on https://127.0.0.1:{port}\n"));
    for file in ["token", "tls.key", "auth.toml"] {
        let mode = std::fs::metadata(directory.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{file}");
    }
    let output = run(&readme_commands("export DLM_URL")).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let replies: Vec<serde_json::Value> =
        serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect();
    let [who, lease] = &replies[..] else { panic!("{text}") };
    assert_eq!((&who["principal"], &lease["fencing_token"]), (&"api".into(), &1.into()));
    let read = |file: &str| std::fs::read_to_string(directory.path().join(file)).unwrap();
    let client = dlm_client::Client::builder()
        .address(format!("https://localhost:{port}"))
        .root_certificate(read("tls.crt"))
        .bearer_token(dlm_client::BearerToken::new(read("token").trim()).unwrap());
    let client = client.connect().await.unwrap();
    client.lock("orders/43").await.unwrap().release().await.unwrap();
    assert!(client.lock("other").await.is_err());
}

/// The block of commands in the README that has this text.
fn readme_commands(text: &str) -> String {
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md");
    let readme = std::fs::read_to_string(readme).unwrap();
    let blocks = readme.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let found: Vec<&str> = blocks.filter(|block| block.contains(text)).collect();
    let [commands] = found[..] else { panic!("{} blocks have {text}", found.len()) };
    commands.to_owned()
}
