//! `dlm run` at a terminal.

use std::future::ready;
use std::process::Command;

use rustix::process::{Signal, kill_process};

use super::TestServer;
use super::dlm::{Dlm, all_dead, parent, state};
use super::pty::Pty;
use crate::harness::{Acquire, binary, eventually};

/// An interactive shell in the directory of the test, in which `dlm` is a command.
async fn shell(dlm: &Dlm) -> Pty {
    let mut command = Command::new("bash");
    command.args(["--norc", "--noprofile", "-i"]);
    dlm.set_up(&mut command);
    let directory = binary("dlm").parent().unwrap().display().to_string();
    command.env("PATH", format!("{directory}:{}", std::env::var("PATH").unwrap())).env("TERM", "dumb");
    command.env("PS1", "READY$ ").env_remove("PROMPT_COMMAND");
    let mut shell = Pty::start(&command);
    shell.shows("READY$").await;
    shell.type_in("bind 'set enable-bracketed-paste off'; stty -echo; PS1='rea''dy$ '\n");
    shell.shows("ready$ ").await;
    shell
}

#[tokio::test]
async fn p05_ctrl_c_is_delivered_once_to_the_command_and_ends_the_script_around_it() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut shell = shell(&dlm).await;
    let script = "trap 'echo int >>got' INT; echo >ready; until [ -e stop ]; do sleep 0.02; done; exit 3";
    std::fs::write(dlm.path("command"), script).unwrap();
    shell.type_in("dlm run a -- bash command; echo code=$?\n");
    dlm.line("ready").await;
    shell.type_in("\u{3}");
    dlm.line("got").await;
    // A second delivery would be at the same time.
    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    assert_eq!(dlm.read("got"), "int\n");
    std::fs::write(dlm.path("stop"), "").unwrap();
    shell.shows("code=3").await;
    // A script ends by Ctrl-C if the program that it runs does.
    std::fs::write(
        dlm.path("script"),
        "dlm run a -- sh -c 'echo >started; exec sleep 1000'; echo >went-on\n",
    )
    .unwrap();
    shell.type_in("bash script\n");
    dlm.line("started").await;
    shell.type_in("\u{3}");
    // The shell itself drops the rest of a line after Ctrl-C.
    eventually("the lock is free", || async { server.api().status("a").await["state"] == "free" }).await;
    shell.type_in("echo code=$?\n");
    shell.shows("code=130").await;
    assert!(!dlm.path("went-on").exists());
}

#[tokio::test]
async fn p11_ctrl_c_while_queued_leaves_the_queue_and_ends_the_script_around_it() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let mut shell = shell(&dlm).await;
    std::fs::write(dlm.path("script"), "dlm run a -- true; echo >went-on\n").unwrap();
    shell.type_in("bash script\n");
    shell.shows("waiting: position 1").await;
    shell.type_in("\u{3}");
    eventually("it has left the queue", || async { api.queue_len("a").await == 0 }).await;
    shell.type_in("echo code=$?\n");
    shell.shows("code=130").await;
    assert!(!dlm.path("went-on").exists());
}

#[tokio::test]
async fn p14_command_reads_standard_input_and_the_terminal() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut shell = shell(&dlm).await;
    shell.type_in("printf pi''ped | dlm run a -- cat; echo\n");
    shell.shows("piped").await;
    shell.type_in("dlm run a -- bash -c 'read -p ques\"\"tion: line; echo got $line; tty; stty size'\n");
    shell.shows("question:").await;
    shell.type_in("answer\n");
    shell.shows("got answer").await;
    shell.shows("/dev/pts/").await;
    shell.shows("24 100").await;
    // As `ssh` and `sudo` ask for a password, while standard input is something else.
    shell.type_in("dlm run a -- bash -c 'read line </dev/tty; echo typed $line' </dev/null\n");
    eventually("it runs", || async { server.api().status("a").await["state"] == "held" }).await;
    shell.type_in("secret\n");
    shell.shows("typed secret").await;
}

#[tokio::test]
async fn p14_job_is_stopped_and_continued_in_the_foreground_and_background() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut shell = shell(&dlm).await;
    shell
        .type_in("dlm run a -- bash -c 'echo $$ >pid; while read line; do echo got $line; done; echo bye'\n");
    dlm.pid("pid").await;
    shell.type_in("\u{1a}");
    shell.shows("Stopped").await;
    shell.type_in("echo shell wor''ks\n");
    shell.shows("shell works").await;
    shell.type_in("fg\n");
    shell.type_in("one\n");
    shell.shows("got one").await;
    shell.type_in("\u{1a}");
    shell.shows_times("Stopped", 2).await;
    // In the background it reads from the terminal, which stops it again.
    shell.type_in("bg\n");
    shell.type_in("jobs; echo lis''ted\n");
    shell.shows("listed").await;
    shell.type_in("fg\n");
    shell.type_in("two\n");
    shell.shows("got two").await;
    shell.type_in("\u{4}");
    shell.shows("bye").await;
    shell.type_in("echo code=$?\n");
    shell.shows("code=0").await;
    assert_eq!(server.api().event_kinds("a").await, ["granted", "released"]);
}

#[tokio::test]
async fn p14_command_goes_on_when_only_the_wrapper_is_continued() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut shell = shell(&dlm).await;
    shell.type_in("dlm run a -- bash -c 'echo $PPID >supervisor; echo $$ >pid; exec sleep 1000'\n");
    let command = dlm.pid("pid").await;
    let supervisor = dlm.pid("supervisor").await;
    let wrapper = parent(supervisor);
    kill_process(wrapper, Signal::TSTP).unwrap();
    shell.shows("Stopped").await;
    assert_eq!((state(wrapper), state(command)), (Some('T'), Some('T')));
    kill_process(wrapper, Signal::CONT).unwrap();
    eventually("both go on", || ready([wrapper, command].iter().all(|pid| state(*pid) == Some('S')))).await;
}

#[tokio::test]
async fn p14_program_that_reads_the_terminal_works_behind_a_pipe() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut shell = shell(&dlm).await;
    // As in `dlm run a -- journalctl | less`.
    shell.type_in("dlm run a -- echo text | bash -c 'read a; read b </dev/tty; echo both $a $b'\n");
    eventually("it ran", || async { server.api().event_kinds("a").await.ends_with(&["released".into()]) })
        .await;
    shell.type_in("key\n");
    shell.shows("both text key").await;
}

#[tokio::test]
async fn p14_modes_of_the_terminal_are_restored_when_the_command_is_killed() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut command = Command::new(binary("dlm"));
    dlm.set_up(&mut command);
    command.args(["run", "a", "--", "bash", "-c", "stty raw -echo; echo $$ >pid; exec sleep 1000"]);
    let mut pty = Pty::start(&command);
    let raw = rustix::termios::LocalModes::ICANON;
    let pid = dlm.pid("pid").await;
    assert!(!pty.modes().local_modes.contains(raw));
    kill_process(pid, Signal::KILL).unwrap();
    assert_eq!(pty.code().await, Some(137));
    all_dead(&[pid]).await;
    assert!(pty.modes().local_modes.contains(raw));
}
