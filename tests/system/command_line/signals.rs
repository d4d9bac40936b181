//! Signals to `dlm run`.

use std::future::ready;

use rustix::process::Signal;

use super::TestServer;
use super::dlm::{Dlm, children, is_alive, state};
use crate::harness::{Acquire, MachineDelay, eventually, now, quiet_test_lock};

#[tokio::test]
async fn p04_signals_are_forwarded_each_once() {
    const FORWARDED: [(&str, Signal); 9] = [
        ("USR1", Signal::USR1),
        ("USR2", Signal::USR2),
        ("WINCH", Signal::WINCH),
        ("TERM", Signal::TERM),
        ("INT", Signal::INT),
        ("HUP", Signal::HUP),
        ("QUIT", Signal::QUIT),
        ("TSTP", Signal::TSTP),
        ("CONT", Signal::CONT),
    ];
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let traps: String = FORWARDED.map(|(name, _)| format!("trap 'echo {name} >>got' {name}; ")).concat();
    let script = format!("{traps} echo >ready; while [ ! -e stop ]; do sleep 0.02 & wait; done; exit 5");
    let mut run = dlm.start_script(&[], &script);
    dlm.line("ready").await;
    for (name, signal) in FORWARDED {
        run.signal(signal);
        eventually(name, || ready(dlm.read("got").ends_with(&format!("{name}\n")))).await;
    }
    std::fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!(run.code().await, Some(5));
    assert_eq!(dlm.read("got").lines().collect::<Vec<_>>(), FORWARDED.map(|(name, _)| name));
}

#[tokio::test]
async fn p04_ignored_signal_stays_ignored_as_below_nohup() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut command = std::process::Command::new("setsid");
    dlm.set_up(&mut command);
    let dlm_path = crate::harness::binary("dlm");
    let script = "echo >ready; until [ -e stop ]; do sleep 0.02; done; grep SigIgn /proc/$$/status";
    command.args(["nohup".as_ref(), dlm_path.as_os_str()]).args(["run", "a", "--", "bash", "-c", script]);
    command.stdin(std::process::Stdio::null());
    command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    let mut run = super::dlm::Running::new(command);
    dlm.line("ready").await;
    run.signal(Signal::HUP);
    std::fs::write(dlm.path("stop"), "").unwrap();
    assert_eq!(run.code().await, Some(0), "{}", run.stderr());
    let ignored = u64::from_str_radix(run.stdout().trim().rsplit('\t').next().unwrap(), 16).unwrap();
    assert_eq!(ignored & 1, 1, "the command ignores SIGHUP too");
}

#[tokio::test]
async fn p11_signal_while_queued_leaves_the_queue_at_once() {
    let _quiet = quiet_test_lock();
    let delay = MachineDelay::watch();
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129), (Signal::QUIT, 131)] {
        let mut run = dlm.start(&["run", "a", "--", "touch", "ran"]);
        eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
        run.signal(signal);
        let sent = now();
        assert_eq!(run.code().await, Some(code));
        // A waiter that only disappears keeps its place for 10 s.
        assert_eq!(api.queue_len("a").await, 0);
        delay.assert_within("leaving", sent.elapsed(), std::time::Duration::from_secs(1));
    }
    assert!(!dlm.path("ran").exists());
}

#[tokio::test]
async fn p12_signal_between_the_grant_and_the_start_runs_nothing_and_releases() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let mut run = dlm.start(&["run", "a", "--", "touch", "ran"]);
    eventually("it waits", || async { api.queue_len("a").await == 1 }).await;
    run.signal(Signal::STOP);
    eventually("it is stopped", || ready(state(run.pid()) == Some('T'))).await;
    api.release("a", &lease).await.ok();
    eventually("it is granted", || async { api.status("a").await["holders"][0]["fencing_token"] == 2 }).await;
    run.signal(Signal::TERM);
    run.signal(Signal::CONT);
    assert_eq!(run.code().await, Some(143), "{}", run.stderr());
    assert!(!dlm.path("ran").exists());
    assert_eq!(api.status("a").await["state"], "free");
}

/// Whenever a signal comes, the command either does not run, or gets the signal.
#[tokio::test]
async fn p12_signal_around_the_start_is_never_lost() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    // Later and later, until the supervisor was there first several times: however slow the machine is,
    // some signals come in between.
    let mut came_late = 0;
    for round in 0..500_u64 {
        let mut run = dlm.start(&["run", "a", "--", "sleep", "1000"]);
        tokio::time::sleep(std::time::Duration::from_millis(round * 2)).await;
        // Before it blocks them, a signal ends it as any program.
        if state(run.pid()).is_some() {
            came_late += u32::from(!children(run.pid()).is_empty());
            run.signal(Signal::TERM);
        }
        let code = run.code().await;
        assert!(code == Some(143) || code.is_none(), "{code:?} in round {round}: {}", run.stderr());
        let status = server.api().status("a").await;
        assert!(code.is_none() || status["state"] == "free", "round {round}: {status}");
        if came_late == 5 {
            return;
        }
    }
    panic!("the command was not started in any round");
}

#[tokio::test]
async fn command_that_is_stopped_without_a_terminal_keeps_its_lock() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let run = dlm.start_script(&["--ttl", "4s"], "echo $$ >pid; exec sleep 1000");
    let command = dlm.pid("pid").await;
    run.signal(Signal::TSTP);
    eventually("it is stopped", || ready(state(command) == Some('T'))).await;
    tokio::time::sleep(std::time::Duration::from_secs(6)).await;
    assert!(is_alive(command), "{}", run.stderr());
    run.signal(Signal::CONT);
    eventually("it goes on", || ready(state(command) == Some('S'))).await;
}
