//! The example programs that do a job under a lock.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use rustix::process::Signal;

use crate::harness::{
    Backend, KillOnDrop, Postgres, S3Storage, ServerProcess, Sqlite, binary, eventually, send_signal, spawn,
};

type TestServer = ServerProcess<Sqlite>;

fn command(program: &str, server: &TestServer, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary(program));
    command.args(["--server", server.url()]).args(arguments);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn start(program: &str, server: &TestServer, arguments: &[&str]) -> Child {
    command(program, server, arguments).spawn().unwrap()
}

/// Waits for a program, which must succeed, and returns its output.
fn output_of(program: Child) -> String {
    let Output { status, stdout, stderr } = program.wait_with_output().unwrap();
    assert!(status.success(), "{status}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

fn path(directory: &tempfile::TempDir, name: &str) -> String {
    directory.path().join(name).display().to_string()
}

#[tokio::test]
async fn cron_once_runs_the_job_on_one_host_only() {
    let server = TestServer::start();
    let directory = tempfile::tempdir().unwrap();
    let report = path(&directory, "report");
    let arguments = ["--report", &report];
    let hosts: Vec<_> = (0..3).map(|_| start("cron_once", &server, &arguments)).collect();
    let mut said: Vec<_> = hosts.into_iter().map(output_of).collect();
    // A host whose clock is late.
    said.push(output_of(start("cron_once", &server, &arguments)));
    let ran = said.iter().filter(|text| text.contains("the report is written")).count();
    assert_eq!((ran, said.iter().filter(|text| text.contains("another host")).count()), (1, 3), "{said:?}");
    assert_eq!(std::fs::read_to_string(report).unwrap(), "report of run 1\n");
}

/// Starts an instance of the web service, and returns its URL.
fn start_service(server: &TestServer, ship_ms: &str) -> (KillOnDrop, String) {
    let arguments = ["--listen", "127.0.0.1:0", "--wait-ms", "60000", "--ship-ms", ship_ms];
    let mut service = KillOnDrop(start("axum_service", server, &arguments));
    let mut line = String::new();
    BufReader::new(service.0.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    (service, line.trim().strip_prefix("listening on ").unwrap().to_owned())
}

async fn ship(url: String, id: &str) -> (u16, String) {
    let response = reqwest::Client::new().post(format!("{url}/orders/{id}/ship")).send().await.unwrap();
    (response.status().as_u16(), response.text().await.unwrap())
}

#[tokio::test]
async fn axum_service_ships_an_order_once_at_a_time_on_all_instances() {
    let server = TestServer::start();
    let (_one, first) = start_service(&server, "50");
    let (_two, second) = start_service(&server, "50");
    let urls = [&first, &second, &first, &second];
    let requests = urls.map(|url| spawn(ship(url.clone(), "42")));
    let mut texts = Vec::new();
    for request in requests {
        let (status, text) = request.await.unwrap();
        assert_eq!(status, 200, "{text}");
        texts.push(text);
    }
    texts.sort();
    assert_eq!(texts, [1, 2, 3, 4].map(|token| format!("order 42 shipped under token {token}\n")));
    let mut kinds = server.api().event_kinds("orders/42").await;
    // How many have to wait depends on when they come.
    kinds.retain(|kind| kind != "queued");
    assert_eq!(kinds, ["granted", "released"].repeat(4));
}

#[tokio::test]
async fn axum_service_finishes_its_requests_on_sigterm_and_releases_their_locks() {
    let server = TestServer::start();
    let api = server.api();
    let (mut service, url) = start_service(&server, "2000");
    let request = spawn(ship(url.clone(), "42"));
    eventually("the order is locked", || async { api.status("orders/42").await["state"] == "held" }).await;
    send_signal(&service.0, Signal::TERM);
    eventually("no connection is accepted", || async {
        reqwest::Client::new().get(&url).send().await.is_err_and(|error| error.is_connect())
    })
    .await;
    assert_eq!(request.await.unwrap(), (200, "order 42 shipped under token 1\n".into()));
    assert!(service.ended().await.success());
    let mut said = String::new();
    service.0.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "all locks are released\n");
    assert_eq!(api.event_kinds("orders/42").await, ["granted", "released"]);
}

#[tokio::test]
async fn blocking_loses_no_increment_of_threads_and_processes() {
    let server = TestServer::start();
    let directory = tempfile::tempdir().unwrap();
    let counter = path(&directory, "counter");
    let arguments = ["--counter", &counter, "--threads", "3", "--increments", "10"];
    let processes: Vec<_> = (0..2).map(|_| start("blocking", &server, &arguments)).collect();
    processes.into_iter().for_each(|process| drop(output_of(process)));
    assert_eq!(std::fs::read_to_string(counter).unwrap(), "60");
    assert_eq!(server.api().status("counter").await["state"], "free");
}

#[tokio::test]
async fn hand_over_keeps_the_lock_from_one_process_to_the_next() {
    let server = TestServer::start();
    let directory = tempfile::tempdir().unwrap();
    let lease = path(&directory, "lease");
    let arguments = |step| ["--lease", &lease, step];
    let first = output_of(start("hand_over", &server, &arguments("begin")));
    assert!(first.contains("begin: holds the lock with token 1"), "{first}");
    assert_eq!(server.api().status("migration").await["state"], "held");
    assert_eq!(std::fs::metadata(&lease).unwrap().permissions().mode() & 0o777, 0o600);
    let second = output_of(start("hand_over", &server, &arguments("finish")));
    assert!(second.contains("finish: adopted the lock with token 1"), "{second}");
    assert_eq!(server.api().event_kinds("migration").await, ["granted", "released"]);
    assert!(!Path::new(&lease).exists());
}

/// Runs the program twice: the second time the row has a fence already.
fn refuses_the_write_of_a_stale_holder(program: &str) {
    let server = TestServer::start();
    let database = Postgres::new();
    // A lease that expires raises the counter once more.
    for (fast, balance) in [(3, 110), (6, 120)] {
        let said = output_of(start(program, &server, &["--database-url", &database.url()]));
        assert!(said.contains(&format!("fast: token {fast},")), "{said}");
        assert!(said.contains(": refused"), "{said}");
        assert_eq!(database.query_i64("SELECT balance FROM accounts WHERE id = 1"), balance);
        assert_eq!(database.query_i64("SELECT fence FROM accounts WHERE id = 1"), fast);
    }
}

#[tokio::test]
async fn postgres_fence_refuses_the_write_of_a_stale_holder() {
    refuses_the_write_of_a_stale_holder("postgres_fence");
}

#[tokio::test]
async fn postgres_fence_sqlx_refuses_the_write_of_a_stale_holder() {
    refuses_the_write_of_a_stale_holder("postgres_fence_sqlx");
}

/// The program blocks a thread; the storage needs another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn s3_fence_refuses_the_write_of_a_stale_holder() {
    let server = TestServer::start();
    let storage = S3Storage::start().await;
    for (fast, balance) in [(3, 110), (6, 120)] {
        let arguments = ["--endpoint", storage.url(), "--bucket", S3Storage::BUCKET];
        let mut command = command("s3_fence", &server, &arguments);
        S3Storage::set_credentials(&mut command);
        let said = output_of(command.spawn().unwrap());
        assert!(said.contains(&format!("fast: token {fast},")), "{said}");
        assert!(said.contains(": refused"), "{said}");
        let expected = format!(r#"{{"balance":{balance},"fence":{fast}}}"#);
        assert_eq!(storage.content("accounts/1.json"), expected);
    }
}

#[tokio::test]
async fn queue_workers_do_the_job_of_a_worker_that_was_killed() {
    let server = TestServer::start();
    let api = server.api();
    let directory = tempfile::tempdir().unwrap();
    for job in 0..12 {
        std::fs::write(directory.path().join(format!("{job}.job")), "").unwrap();
    }
    let jobs = directory.path().display().to_string();
    let worker = |name: &str, job_ms: &str| {
        let arguments = ["--jobs", &jobs, "--ttl-ms", "1500", "--name", name, "--job-ms", job_ms];
        start("queue_workers", &server, &arguments)
    };
    let mut doomed = KillOnDrop(worker("doomed", "600000"));
    let holder = async || api.status("jobs/0.job").await["holders"][0]["owner"].clone();
    eventually("it does a job", || async { holder().await == "doomed" }).await;
    send_signal(&doomed.0, Signal::KILL);
    doomed.ended().await;
    let workers: Vec<_> = ["one", "two"].map(|name| worker(name, "20")).into();
    let said: Vec<_> = workers.into_iter().map(output_of).collect();
    let did = |text: &String| text.lines().filter(|line| line.contains(": did ")).count();
    assert_eq!(said.iter().map(did).sum::<usize>(), 12, "each job is done once: {said:?}");
    assert_eq!(api.event_kinds("jobs/0.job").await, ["granted", "expired", "granted", "released"]);
}
