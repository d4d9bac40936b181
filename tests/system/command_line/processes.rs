//! The processes of a command: none of them is left behind.

use std::future::ready;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::TestServer;
use super::dlm::{Dlm, Running, all_dead, children, is_alive, state};
use crate::harness::{MachineDelay, binary, eventually, now, quiet_test_lock};

/// A command with a child in the background, and a daemon: forked twice, in a session of its own.
const FAMILY: &str = "sleep 1000 & echo $! >child; \
    (setsid bash -c 'echo $$ >daemon; exec sleep 1000' &); \
    echo $$ >command; wait";

/// Waits for the processes of [`FAMILY`].
async fn family(dlm: &Dlm) -> [Pid; 3] {
    [dlm.pid("command").await, dlm.pid("child").await, dlm.pid("daemon").await]
}

#[tokio::test]
async fn p06_termination_reaches_the_whole_group_and_daemons() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut run = dlm.start_script(&[], FAMILY);
    let family = family(&dlm).await;
    run.signal(Signal::TERM);
    assert_eq!(run.code().await, Some(143));
    assert!(!family.into_iter().any(is_alive), "none is left when dlm exits");
    assert_eq!(server.api().event_kinds("a").await, ["granted", "released"]);
}

#[tokio::test]
async fn p06_daemon_that_ignores_termination_is_killed() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let script = "(setsid bash -c 'trap \"\" TERM; echo $$ >daemon; while :; do sleep 1; done' &); echo $$ >command; sleep 1000";
    let mut run = dlm.start_script(&[], script);
    let family = [dlm.pid("daemon").await, dlm.pid("command").await];
    run.signal(Signal::TERM);
    assert_eq!(run.code().await, Some(143));
    assert!(!family.into_iter().any(is_alive));
}

#[tokio::test]
async fn p08_killed_wrapper_takes_the_command_and_its_daemons_along() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let run = dlm.start_script(&[], FAMILY);
    let family = family(&dlm).await;
    let supervisor = run.supervisor().await;
    run.signal(Signal::KILL);
    let killed = now();
    all_dead(&family).await;
    delay.assert_within("their death", killed.elapsed(), Duration::from_secs(1));
    all_dead(&[supervisor]).await;
}

#[tokio::test]
async fn p08_next_one_runs_within_the_ttl_of_a_killed_wrapper() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let first = dlm.start_script(&["--ttl", "6s"], FAMILY);
    let family = family(&dlm).await;
    let mut next = dlm.start(&["run", "a", "--", "true"]);
    next.tells("waiting: position 1").await;
    first.signal(Signal::KILL);
    assert_eq!(next.code().await, Some(0));
    assert!(!family.into_iter().any(is_alive), "they died before the next one ran");
    assert_eq!(server.api().event_kinds("a").await, ["granted", "queued", "expired", "granted", "released"]);
}

#[tokio::test]
async fn killed_supervisor_takes_everything_along_and_the_lock_is_released() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut run = dlm.start_script(&[], FAMILY);
    let family = family(&dlm).await;
    kill_process(run.supervisor().await, Signal::KILL).unwrap();
    assert_eq!(run.code().await, Some(70));
    assert!(!family.into_iter().any(is_alive));
    assert_eq!(server.api().event_kinds("a").await, ["granted", "released"]);
}

#[tokio::test]
async fn p10_lock_is_released_only_after_the_last_process_has_ended() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    let script =
        "(setsid bash -c 'echo >daemon; until [ -e stop ]; do sleep 0.02; done; echo >done' &); exit 3";
    let mut run = dlm.start_script(&[], script);
    dlm.line("daemon").await;
    run.tells("what it left behind ends (processes: 1)").await;
    assert_eq!(api.status("a").await["state"], "held");
    std::fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!(run.code().await, Some(3), "the code of the command");
    assert_eq!(dlm.read("done"), "\n");
    assert_eq!(api.event_kinds("a").await, ["granted", "released"]);
}

#[tokio::test]
async fn processes_that_the_command_leaves_behind_can_be_ended() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let script = "(setsid bash -c 'echo $$ >daemon; exec sleep 1000' &); until [ -e daemon ]; do sleep 0.02; done; exit 3";
    let mut run = dlm.start_script(&["--leftover", "kill"], script);
    let daemon = dlm.pid("daemon").await;
    assert_eq!(run.code().await, Some(3));
    assert!(!is_alive(daemon));
}

#[tokio::test]
async fn p16_orphans_are_reaped_below_the_command() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    // Orphans that end while the command runs.
    let script = "for i in 1 2 3 4 5; do (setsid sh -c 'exit 0' &); done; echo $PPID >supervisor; \
        until [ -e stop ]; do sleep 0.02; done";
    let mut run = dlm.start_script(&[], script);
    let supervisor = dlm.pid("supervisor").await;
    eventually("they are reaped", || ready(children(supervisor).len() == 1)).await;
    std::fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!(run.code().await, Some(0));
}

/// As in a container: `docker exec` starts processes beside the command, whose orphans become
/// children of process 1.
#[tokio::test]
async fn p16_orphans_are_reaped_as_process_1() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut command = Command::new("setsid");
    dlm.set_up(&mut command);
    command.args(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    let mut enter = Command::new("nsenter");
    enter.args(["--pid", "--mount"]);
    if !rustix::process::geteuid().is_root() {
        command.arg("--map-root-user");
        enter.args(["--user", "--preserve-credentials"]);
    }
    let script = "echo $PPID >parent; until [ -e stop ]; do sleep 0.02; done; exit 6";
    command.arg(binary("dlm")).args(["run", "a", "--", "sh", "-c", script]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = Running::new(command);
    dlm.line("parent").await;
    let first = children(run.pid())[0];
    let supervisor = children(first)[0];
    let orphans = "for i in 1 2 3 4 5; do (setsid sh -c 'sleep 0.1' &); done";
    let entered = enter.args(["--target", &first.to_string(), "sh", "-c", orphans]).status();
    assert!(entered.unwrap().success());
    eventually("they are reaped", || ready(children(first) == [supervisor])).await;
    assert_eq!(state(first), Some('S'));
    std::fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!(run.code().await, Some(6), "{}", run.stderr());
}
