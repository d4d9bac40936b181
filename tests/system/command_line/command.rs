//! What the command of `dlm run` sees, and what the caller sees of it.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};

use super::TestServer;
use super::dlm::{Dlm, Running, stderr, stdout};
use crate::harness::{Acquire, AuthFile, binary, principal};

#[tokio::test]
async fn p01_command_gets_its_arguments_and_no_shell_interprets_them() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let arguments = ["$HOME", "*", "a  b", "", "`id`;", "--json", "--"];
    let mut command = dlm.command(&[&["run", "a", "--", "printf", "%s\n"], arguments.as_slice()].concat());
    command.arg(std::ffi::OsStr::from_bytes(b"\xff"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, [arguments.join("\n").as_bytes(), b"\n\xff\n"].concat());
}

#[tokio::test]
async fn p02_exit_code_is_the_commands_or_128_and_its_signal() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    for code in [0, 1, 3, 64, 79, 125, 255] {
        let output = dlm.run(&["run", "a", "--", "sh", "-c", &format!("exit {code}")]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
    for signal in [1, 2, 9, 10, 15, 34] {
        let output = dlm.run(&["run", "a", "--", "sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!(output.status.code(), Some(128 + signal), "{output:?}");
    }
}

/// Some daemons ignore SIGCHLD, and what they start does so, too. The kernel then keeps no exit codes.
#[tokio::test]
async fn p02_exit_code_is_known_although_child_signals_are_ignored() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let mut command = Command::new("env");
    dlm.set_up(&mut command);
    command.arg("--ignore-signal=CHLD").arg(binary("dlm"));
    command.args(["run", "a", "--", "sh", "-c", "exit 3"]).stdin(Stdio::null());
    assert_eq!(command.output().unwrap().status.code(), Some(3));
}

#[tokio::test]
async fn p03_own_exit_codes_are_distinct_and_can_be_set() {
    let auth = AuthFile::new(&principal("api", &["dlm_reader"], &[("observe", "")]));
    let protected = TestServer::start_with(&["--auth-file", &auth.path()]);
    let server = TestServer::start();
    server.api().lock("held", &Acquire::exclusive().ttl(60_000)).await;
    let (open, dlm) = (Dlm::new(server.url()), Dlm::new(protected.url()));
    let settings =
        ["--exit-code", "not-acquired=31", "--exit-code=unreachable=32", "--exit-code", "denied=33"];
    let settings = [settings.as_slice(), &["--exit-code", "usage=34"]].concat();
    let run = |dlm: &Dlm, before: &[&str], options: &[&str], token: Option<&str>| {
        let arguments = [before, &["run"], options, &["--", "echo", "ran"]].concat();
        let mut command = dlm.command(&arguments);
        token.map(|token| command.env("DLM_TOKEN", token));
        let output = command.output().unwrap();
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{output:?}");
        output.status.code().unwrap()
    };
    let nobody = ["--url", "http://127.0.0.1:9"];
    for (set, expected) in [(&[][..], [75, 75, 69, 77, 77, 64]), (&settings, [31, 31, 32, 33, 33, 34])] {
        let with = |options: &[&'static str]| [set, options].concat();
        let codes = [
            run(&open, &[], &with(&["held", "--try"]), None),
            run(&open, &[], &with(&["held", "--wait", "100ms"]), None),
            run(&open, &nobody, &with(&["held"]), None),
            run(&dlm, &[], &with(&["a"]), None),
            run(&dlm, &[], &with(&["a"]), Some("dlm_reader")),
            run(&open, &[], &with(&["a", "--ttl", "1ms"]), None),
        ];
        assert_eq!(codes, expected);
    }
}

#[tokio::test]
async fn p03_command_that_does_not_exist_gives_127_and_one_that_cannot_run_126() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    for (command, code) in
        [("no-such-command", 127), ("/no/such/file", 127), ("/etc/passwd", 126), ("/", 126)]
    {
        let output = dlm.run(&["run", "a", "--", command]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(stderr(&output).contains(command), "{output:?}");
    }
}

#[tokio::test]
async fn p13_command_that_cannot_be_started_releases_the_lock() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let output = dlm.run(&["run", "a", "--", "no-such-command"]);
    assert_eq!(output.status.code(), Some(127));
    assert_eq!(server.api().event_kinds("a").await, ["granted", "released"]);
}

#[tokio::test]
async fn p15_command_inherits_no_descriptor_of_the_wrapper() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let list = |mut command: Command| {
        let output = command.stdin(Stdio::null()).stdout(Stdio::piped()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    let script = "ls /proc/self/fd 3</dev/null";
    let mut directly = Command::new("setsid");
    directly.args(["sh", "-c", script]).stderr(Stdio::piped());
    let mut under_lock = Command::new("sh");
    dlm.set_up(&mut under_lock);
    let dlm_run = format!("exec setsid {} run a -- ls /proc/self/fd 3</dev/null", binary("dlm").display());
    under_lock.args(["-c", &dlm_run]).stderr(Stdio::piped());
    let expected = list(directly);
    // 3 was given to both; `ls` itself opens one more.
    assert!(
        ["0", "1", "2", "3"].iter().all(|given| expected.lines().any(|line| line == *given)),
        "{expected}"
    );
    assert_eq!(list(under_lock), expected);
}

#[tokio::test]
async fn p17_lock_is_in_the_environment_and_no_secret_is() {
    let auth = AuthFile::new(&principal("api", &["dlm_s3cret"], &[("lock", "")]));
    let server = TestServer::start_with(&["--auth-file", &auth.path()]);
    let dlm = Dlm::new(server.url());
    let api = server.api().with_token("dlm_s3cret");
    let run = |options: &[&str]| {
        let script = "tr '\\0' '\\n' </proc/$$/environ; echo ---; tr '\\0' '\\n' </proc/$$/cmdline; \
            echo ---; tr '\\0' '\\n' </proc/$PPID/cmdline; tr '\\0' '\\n' </proc/$PPID/environ";
        let mut command = dlm.command(&[&["run", "jobs/é"], options, &["--", "sh", "-c", script]].concat());
        command.env("DLM_TOKEN", "dlm_s3cret").env("DLM_FENCING_TOKEN", "stale").env("DLM_RESOURCE", "stale");
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    let before: Vec<String> = std::env::vars().map(|(name, _)| name).collect();
    let shown = run(&[]);
    let (environment, arguments) = shown.split_once("---\n").unwrap();
    let set: Vec<&str> = environment.lines().filter(|line| line.starts_with("DLM_")).collect();
    let url = format!("DLM_URL={}", server.url());
    for expected in [url.as_str(), "DLM_RESOURCE=jobs/é", "DLM_FENCING_TOKEN=1", "DLM_HELD=jobs/é"] {
        assert!(set.contains(&expected), "{expected} in {set:?}");
    }
    assert_eq!(set.len(), 4, "{set:?}");
    assert!(!shown.contains("s3cret") && !shown.contains("stale"), "{shown}");
    assert!(arguments.starts_with("sh\n-c\n"), "{arguments}");
    // A lease id is longer than anything that the wrapper adds.
    let added = environment.lines().filter_map(|line| line.split_once('='));
    let added: Vec<&str> =
        added.map(|(name, _)| name).filter(|name| !before.iter().any(|old| old == name)).collect();
    let known = [
        "DLM_URL",
        "DLM_RESOURCE",
        "DLM_FENCING_TOKEN",
        "DLM_HELD",
        "XDG_CONFIG_HOME",
        "PWD",
        "_",
        "SHLVL",
        "OLDPWD",
    ];
    assert!(added.iter().all(|name| known.contains(name)), "{added:?}");
    assert_eq!(api.status("jobs/é").await["current_token"], 1);
    assert!(run(&["--pass-token"]).contains("DLM_TOKEN=dlm_s3cret"));
}

#[tokio::test]
async fn p20_standard_output_is_the_commands_and_reports_go_to_standard_error() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive().ttl(60_000)).await;
    let mut run = dlm.start(&["run", "a", "--", "sh", "-c", "echo out; echo err >&2"]);
    run.tells("waiting: position 1 for `a`").await;
    api.release("a", &lease).await.ok();
    assert_eq!(run.code().await, Some(0));
    assert_eq!(run.stdout(), "out\n");
    assert!(run.stderr().ends_with("dlm: acquired `a`, token 2\nerr\n"), "{}", run.stderr());
}

#[tokio::test]
async fn p20_reports_go_to_a_chosen_descriptor_as_json() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    fs::write(dlm.path("reports"), "before\n").unwrap();
    let script = format!(
        "exec setsid {} --json run a --report-fd 5 -- sh -c 'echo out; echo err >&2' 5>>reports",
        binary("dlm").display()
    );
    let mut command = Command::new("sh");
    dlm.set_up(&mut command);
    let output = command.args(["-c", &script]).output().unwrap();
    assert_eq!((stdout(&output).as_str(), stderr(&output).as_str()), ("out\n", "err\n"));
    let reports = dlm.read("reports");
    let objects = reports.strip_prefix("before\n").expect("the file is not overwritten").lines();
    let kinds: Vec<_> = objects
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|object| {
            (object["type"].as_str().unwrap().to_owned(), object["resource"].as_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(kinds, [("acquired".to_owned(), "a".to_owned()), ("released".to_owned(), "a".to_owned())]);
    let output = dlm.run(&["run", "a", "--report-fd", "77", "--", "true"]);
    assert_eq!(output.status.code(), Some(64));
    assert!(stderr(&output).contains("descriptor 77"), "{output:?}");
}

/// The reports need a reader neither to be there nor to read.
#[tokio::test]
async fn p20_reports_that_nobody_takes_do_not_keep_the_command() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let run = format!("{} --json run a --report-fd 5 -- echo out", binary("dlm").display());
    for (kind, setup) in [
        ("no reader", "mkfifo a; exec 4<>a 5>a 4<&-"),
        ("full pipe", "mkfifo b; exec 5<>b; dd if=/dev/zero of=/dev/fd/5 oflag=nonblock 2>/dev/null"),
    ] {
        let mut command = Command::new("sh");
        dlm.set_up(&mut command);
        let script = format!("{setup}; exec setsid {run}");
        let mut running = Running::new({
            command.args(["-c", &script]).stdin(Stdio::null());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command
        });
        assert_eq!(running.code().await, Some(0), "{kind}: {}", running.stderr());
        assert_eq!((running.stdout().as_str(), running.stderr().as_str()), ("out\n", ""), "{kind}");
    }
}
