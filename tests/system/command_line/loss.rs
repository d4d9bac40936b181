//! A lock that is lost, or about to be.

use std::fs;
use std::future::ready;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::TestServer;
use super::dlm::{Dlm, all_dead, is_alive, state};
use crate::harness::{
    Api, FaultProxy, MachineDelay, NetworkFault, eventually, micros, now, quiet_test_lock, wait_for_renewal,
    wall_clock_micros,
};

/// Ignores SIGTERM, but notes it.
const STUBBORN: &str = "trap 'echo >>terminated' TERM; echo $$ >pid; while :; do sleep 0.02 & wait; done";

/// When the lease expires, as the server has it.
async fn expiry(api: &Api) -> i64 {
    micros(&api.status("a").await["holders"][0]["expires_at"])
}

#[tokio::test]
async fn p07_command_is_terminated_and_killed_before_the_deadline_when_the_lock_cannot_be_renewed() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let dlm = Dlm::new(&proxy.url);
    let api = server.api();
    let mut run = dlm.start_script(&["--ttl", "6s"], STUBBORN);
    let command = dlm.pid("pid").await;
    let before = crate::harness::expires_at(&api, "a").await;
    wait_for_renewal(&api, "a", &before).await;
    proxy.inject(NetworkFault::DropResponses);
    let expires_at = expiry(&api).await;
    eventually("SIGTERM", || ready(!dlm.read("terminated").is_empty())).await;
    let terminated = wall_clock_micros();
    all_dead(&[command]).await;
    let died = wall_clock_micros();
    let allowed = i64::try_from(delay.extend(Duration::ZERO).as_micros()).unwrap();
    // The server may have renewed once more, unheard: then there was even more time.
    assert!(died < expires_at + allowed, "died {} µs after the expiry", died - expires_at);
    // The machine may have delayed that it was seen to be terminated.
    assert!(died - terminated + allowed > 1_000_000, "it had {} µs to end by itself", died - terminated);
    assert_eq!(run.code().await, Some(79), "{}", run.stderr());
    assert!(run.stderr().contains("could not be renewed in time"), "{}", run.stderr());
}

#[tokio::test]
async fn p07_command_that_ends_on_sigterm_is_not_killed_and_the_code_says_lost() {
    let server = TestServer::start();
    let proxy = FaultProxy::in_front_of(server.url()).await;
    let dlm = Dlm::new(&proxy.url);
    let script = "trap 'echo >cleaned; exit 0' TERM; echo $$ >pid; while :; do sleep 0.02 & wait; done";
    let mut run = dlm.start_script(&["--ttl", "6s", "--exit-code", "lost=7"], script);
    dlm.pid("pid").await;
    proxy.inject(NetworkFault::Reset);
    assert_eq!(run.code().await, Some(7), "{}", run.stderr());
    assert_eq!(dlm.read("cleaned"), "\n");
}

#[tokio::test]
async fn p07_force_release_kills_the_command_and_its_daemons_at_once() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let script = format!("(setsid bash -c 'echo $$ >daemon; exec sleep 1000' &); {STUBBORN}");
    let mut run = dlm.start_script(&["--ttl", "60s"], &script);
    let family = [dlm.pid("pid").await, dlm.pid("daemon").await];
    server.api().force_release("a", &Value::from(1)).await.ok();
    let released = now();
    all_dead(&family).await;
    delay.assert_within("their death", released.elapsed(), Duration::from_secs(1));
    assert_eq!(run.code().await, Some(79));
    assert!(run.stderr().contains("force-released"), "{}", run.stderr());
}

#[tokio::test]
async fn p09_stopped_wrapper_does_not_keep_the_command_beyond_the_deadline() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    let mut run = dlm.start_script(&["--ttl", "3s"], STUBBORN);
    let command = dlm.pid("pid").await;
    run.signal(Signal::STOP);
    let expires_at = expiry(&api).await;
    all_dead(&[command]).await;
    let allowed = i64::try_from(delay.extend(Duration::ZERO).as_micros()).unwrap();
    assert!(wall_clock_micros() < expires_at + allowed, "it died after the lease expired");
    assert_eq!(state(run.pid()), Some('T'), "the wrapper is still stopped");
    run.signal(Signal::CONT);
    assert_eq!(run.code().await, Some(79), "{}", run.stderr());
}

/// Stops a process and waits until it is stopped.
async fn stop(pid: Pid) {
    kill_process(pid, Signal::STOP).unwrap();
    eventually("it is stopped", || ready(state(pid) == Some('T'))).await;
}

#[tokio::test]
async fn p09_command_is_killed_at_once_when_all_wake_up_past_the_ttl() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    let mut run = dlm.start_script(&["--ttl", "3s"], STUBBORN);
    let command = dlm.pid("pid").await;
    let supervisor = run.supervisor().await;
    for pid in [supervisor, run.pid(), command] {
        stop(pid).await;
    }
    eventually("the lease expires", || async { api.status("a").await["state"] == "free" }).await;
    assert!(is_alive(command), "nothing could end it");
    let woken = now();
    for pid in [run.pid(), supervisor, command] {
        kill_process(pid, Signal::CONT).unwrap();
    }
    all_dead(&[command]).await;
    delay.assert_within("its death", woken.elapsed(), Duration::from_millis(300));
    assert_eq!(run.code().await, Some(79), "{}", run.stderr());
}

#[tokio::test]
async fn p18_server_restart_within_the_ttl_goes_unnoticed() {
    let mut server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut run =
        dlm.start_script(&["--ttl", "10s"], "echo >ready; until [ -e stop ]; do sleep 0.02; done; exit 4");
    dlm.line("ready").await;
    server.kill9_and_restart();
    let before = crate::harness::expires_at(&server.api(), "a").await;
    wait_for_renewal(&server.api(), "a", &before).await;
    fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!(run.code().await, Some(4));
    assert_eq!(run.stderr(), "");
    assert_eq!(server.api().event_kinds("a").await, ["granted", "released"]);
}

/// A machine that is suspended stops all processes at once. The clock that goes on meanwhile is
/// that of the supervisor's timer.
#[tokio::test]
async fn p19_time_of_a_suspend_counts() {
    const CLOCK_BOOTTIME: &str = "clockid: 7";
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let run = dlm.start_script(&[], "echo >ready; sleep 1000");
    dlm.line("ready").await;
    let directory = format!("/proc/{}/fdinfo", run.supervisor().await);
    let infos =
        fs::read_dir(directory).unwrap().map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap());
    let timers: Vec<String> = infos.filter(|info| info.contains("clockid:")).collect();
    assert_eq!(timers.len(), 1, "{timers:?}");
    assert!(timers[0].lines().any(|line| line == CLOCK_BOOTTIME), "{timers:?}");
    // It is armed for the time at which the command is terminated.
    assert!(!timers[0].contains("it_value: (0, 0)"), "{timers:?}");
}
