//! The commands that look at locks, `dlm force-release` and `dlm request-release`.

use std::process::Command;

use serde_json::Value;

use super::TestServer;
use super::dlm::{Dlm, stderr, stdout};
use super::pty::Pty;
use crate::harness::{Acquire, AuthFile, binary, client, eventually, principal};

fn objects(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A held lock with a waiter, a free one and another held one.
async fn locks(server: &TestServer) {
    let api = server.api();
    let held = Acquire::exclusive().ttl(600_000).with("owner", "api-7");
    api.lock("jobs/a", &held).await;
    api.lock("other", &held).await;
    let lease = api.lock("jobs/free", &held).await;
    api.release("jobs/free", &lease).await.ok();
    let waiting = server.api();
    crate::harness::spawn(async move {
        waiting.try_acquire("jobs/a", &Acquire::shared().wait(600_000).with("owner", "api-8")).await.ok();
    });
    eventually("it waits", || async { api.queue_len("jobs/a").await == 1 }).await;
}

#[tokio::test]
async fn locks_are_listed_by_state_and_prefix_as_text_and_as_json() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let names = |arguments: &[&str]| {
        let output = dlm.run(&[&["--json", "ls"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        let rows = objects(&stdout(&output));
        rows.iter().map(|row| row["resource"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&[]), ["jobs/a", "other"]);
    assert_eq!(names(&["--held"]), ["jobs/a", "other"]);
    assert_eq!(names(&["--waiting"]), ["jobs/a"]);
    assert_eq!(names(&["--all", "jobs/"]), ["jobs/a", "jobs/free"]);
    assert_eq!(names(&["--all", "-n", "1"]), ["jobs/a"]);
    let text = stdout(&dlm.run(&["ls", "jobs/"]));
    let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0][..4], ["NAME", "MODE", "HOLDER", "TOKEN"]);
    assert_eq!(words[1][..4], ["jobs/a", "exclusive", "api-7", "1"]);
    assert_eq!(words[1].last(), Some(&"1"));
    assert!(!text.contains('\x1b'), "no colors without a terminal");
}

#[tokio::test]
async fn explain_and_owners_tell_who_blocks_whom() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let explanation = stdout(&dlm.run(&["explain", "jobs/a", "--owner", "api-8"]));
    for text in [
        "jobs/a: held, 1 waiting",
        "held by api-7, token 1",
        "next: 1. api-8, shared",
        "1. api-8, shared, waits",
    ] {
        assert!(explanation.contains(text), "{text} in {explanation}");
    }
    let explanation = &objects(&stdout(&dlm.run(&["explain", "jobs/a", "--json"])))[0];
    assert_eq!((&explanation["next"][0]["owner"], &explanation["waiter"]), (&"api-8".into(), &Value::Null));
    let owners = || objects(&stdout(&dlm.run(&["owners", "--json"])));
    eventually("the owners are shown", || async { owners().len() == 2 }).await;
    let blocks: Vec<_> = owners().iter().map(|row| (row["owner"].clone(), row["blocked"].clone())).collect();
    assert_eq!(blocks, [("api-7".into(), 1.into()), ("api-8".into(), 0.into())]);
    let table = stdout(&dlm.run(&["owners", "-n", "1"]));
    let words: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!((words.len(), &words[1][..4]), (2, &["api-7", "1", "2", "0"][..]));
    let owner = stdout(&dlm.run(&["owners", "api-8"]));
    assert!(
        owner.contains("waits for jobs/a, place 1, shared") && owner.contains("held by api-7"),
        "{owner}"
    );
    assert_eq!(objects(&stdout(&dlm.run(&["owners", "api-7", "--json"])))[0]["hold_count"], 2);
    let refused = dlm.run(&["owners", ".."]);
    assert!(!refused.status.success() && stderr(&refused).contains("can't be in a URL"), "{refused:?}");
}

#[tokio::test]
async fn principal_is_shown_with_the_locks_of_its_owners() {
    let token = "dlm_test-token-of-the-api";
    let file = AuthFile::new(&principal("api", &[token], &[("lock", "")]));
    let server = TestServer::start_with(&["--auth-file", &file.path()]);
    let dlm = Dlm::new(server.url());
    let run = |arguments: &[&str]| dlm.command(arguments).env("DLM_TOKEN", token).output().unwrap();
    let api = server.api().with_token(token);
    api.lock("jobs/a", &Acquire::exclusive().with("owner", "api-7")).await;
    api.lock("jobs/b", &Acquire::exclusive().with("owner", "api-8")).await;
    let found = stdout(&run(&["principal", "api"]));
    assert!(found.contains("api: 2 owners hold 2, wait for 0, block 0"), "{found}");
    assert!(found.contains("holds jobs/b by api-8, token 1, exclusive"), "{found}");
    assert_eq!(objects(&stdout(&run(&["principal", "api", "--json"])))[0]["owner_count"], 2);
    let refused = run(&["principal", ""]);
    assert!(!refused.status.success() && stderr(&refused).contains("a principal has a name"), "{refused:?}");
}

#[tokio::test]
async fn status_history_and_check_tell_about_one_lock() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let status = stdout(&dlm.run(&["status", "jobs/a"]));
    for text in ["jobs/a: held, exclusive, token 1", "held by api-7", "expires in ", "1. api-8 waits, shared"]
    {
        assert!(status.contains(text), "{text} in {status}");
    }
    assert_eq!(
        objects(&stdout(&dlm.run(&["status", "jobs/a", "--json"])))[0]["waiters"][0]["owner"],
        "api-8"
    );
    let history = stdout(&dlm.run(&["history", "jobs/free"]));
    let kinds: Vec<&str> = history
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.ends_with("ed")))
        .collect();
    assert_eq!(kinds, ["granted", "released"], "{history}");
    let newest = objects(&stdout(&dlm.run(&["history", "jobs/free", "-n", "1", "--json"])));
    assert_eq!((newest.len(), newest[0]["kind"].as_str()), (1, Some("released")));
    let check = |token| dlm.run(&["check", "jobs/a", "--token", token]);
    assert_eq!(check("1").status.code(), Some(0));
    let stale = check("0");
    assert_eq!(stale.status.code(), Some(1));
    assert!(stderr(&stale).contains("the current token is 1"), "{stale:?}");
    assert_eq!(check("x").status.code(), Some(64));
}

#[tokio::test]
async fn history_refuses_a_limit_that_is_no_page() {
    let server = TestServer::start();
    let client = client(server.url()).await;
    for limit in [0, 1_001] {
        assert!(client.history("a", limit).await.unwrap_err().is_invalid());
    }
    assert_eq!(client.history("a", 1_000).await.unwrap(), []);
}

#[tokio::test]
async fn watch_prints_events_as_they_happen() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    let api = server.api();
    let text = dlm.start(&["watch", "jobs/"]);
    let json = dlm.start(&["watch", "--name", "jobs/a", "--json", "--renewals"]);
    eventually("both are live", || async {
        text.stdout().contains("live from here on") && json.stdout().contains("synced")
    })
    .await;
    for name in ["other", "jobs/a", "jobs/b"] {
        let lease = api.lock(name, &Acquire::exclusive().with("owner", "api-7")).await;
        api.renew(name, &lease).await.ok();
    }
    eventually("both have all", || async {
        text.stdout().contains("jobs/b #1 api-7") && json.stdout().contains("renewed")
    })
    .await;
    assert!(!text.stdout().contains("other"), "{}", text.stdout());
    let events = objects(&json.stdout());
    let types: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["synced", "event", "renewed"]);
}

#[tokio::test]
async fn request_release_asks_the_holder_with_the_token() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let ask = |token: &str, within: &str, more: &[&str]| {
        let arguments =
            ["request-release", "other", "--token", token, "--reason", "deploy", "--within", within];
        dlm.run(&[&arguments[..], more].concat())
    };
    let changed = ask("99", "30s", &[]);
    assert_eq!(changed.status.code(), Some(1), "{changed:?}");
    assert!(
        stderr(&changed).contains("it is held by `api-7` with token 1")
            || stderr(&changed).contains("token 1")
    );
    let short = ask("1", "1ms", &[]);
    assert_eq!(short.status.code(), Some(64), "{short:?}");
    let asked = ask("1", "10m", &["--force"]);
    assert_eq!(asked.status.code(), Some(0), "{asked:?}");
    let text = stdout(&asked);
    assert!(
        text.contains("is asked to let go: deadline in ") && text.contains("then force-released"),
        "{text}"
    );
    let status = stdout(&dlm.run(&["status", "other"]));
    assert!(status.contains("asked to let go: deploy; deadline in "), "{status}");
    assert!(status.contains(", then force-released"), "{status}");
    for (within, more) in [("5s", &["--force"][..]), ("10m", &[])] {
        let text = stdout(&ask("1", within, more));
        assert!(text.contains("was asked before, and") && text.contains("then force-released"), "{text}");
    }
    let text = stdout(&ask("1", "10m", &["--force"]));
    assert!(text.contains("is asked to let go: deadline"), "a repeated request is the same one: {text}");
    let repeated = objects(&stdout(&ask("1", "10m", &["--json"])));
    let shown = &server.api().status("other").await["holders"][0]["release_requested"];
    assert_eq!((&repeated[0]["deadline"], &repeated[0]["forced"]), (&shown["deadline"], &true.into()));
}

#[tokio::test]
async fn force_release_ends_the_lease_with_the_token_and_asks_before() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let api = server.api();
    let arguments = ["force-release", "other", "--token", "1", "--reason", "host is gone"];
    let output = dlm.run(&arguments);
    assert_eq!(output.status.code(), Some(64), "nobody can be asked: {output:?}");
    assert!(stderr(&output).contains("--yes"), "{output:?}");
    let mut command = Command::new(binary("dlm"));
    dlm.set_up(&mut command);
    for (answer, code) in [("n\n", 1), ("y\n", 0)] {
        let mut pty = Pty::start(command.args(if answer == "n\n" { &arguments[..] } else { &[] }));
        pty.shows("Force-release it? [y/N]").await;
        assert_eq!(api.status("other").await["state"], "held");
        pty.type_in(answer);
        assert_eq!(pty.code().await, Some(code), "{}", pty.shown());
    }
    assert_eq!(api.status("other").await["state"], "free");
    assert_eq!(api.events("other").await.last().unwrap()["reason"], "host is gone");
    let other = dlm.run(&["force-release", "jobs/a", "--token", "9", "--reason", "x", "--yes"]);
    assert_eq!(other.status.code(), Some(1));
    assert!(stderr(&other).contains("held by api-7 with token 1"), "{other:?}");
    let output = dlm.run(&["force-release", "jobs/a", "--token", "1", "--reason", "x", "--yes", "--json"]);
    assert_eq!(objects(&stdout(&output))[0]["released"]["owner"], "api-7");
}

#[tokio::test]
async fn colors_are_for_terminals_and_not_with_no_color() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let mut command = Command::new(binary("dlm"));
    dlm.set_up(&mut command);
    command.args(["status", "jobs/a"]);
    let mut colored = Pty::start(&command);
    colored.shows("1. api-8 waits").await;
    assert_eq!(colored.code().await, Some(0));
    assert!(colored.shown().contains("\x1b["), "{}", colored.shown());
    let plain = Pty::start(command.env("NO_COLOR", "1"));
    plain.shows("1. api-8 waits").await;
    assert!(!plain.shown().contains('\x1b'), "{}", plain.shown());
    let forced = dlm.run(&["status", "jobs/a", "--color", "always"]);
    assert!(stdout(&forced).contains("\x1b["));
}

#[tokio::test]
async fn top_shows_a_held_lock_force_releases_it_and_restores_the_terminal() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let mut command = Command::new(binary("dlm"));
    dlm.set_up(&mut command);
    let mut pty = Pty::start(command.env("TERM", "xterm").arg("top"));
    pty.shows("jobs/a").await;
    pty.shows("api-7").await;
    // An event is followed.
    server.api().lock("jobs/later", &Acquire::exclusive()).await;
    pty.shows("jobs/later").await;
    assert!(!pty.modes().local_modes.contains(rustix::termios::LocalModes::ICANON));
    pty.type_in("fgone\r");
    pty.shows("[y/N]").await;
    pty.type_in("y");
    eventually("the waiter is granted", || async {
        server.api().status("jobs/a").await["holders"][0]["owner"] == "api-8"
    })
    .await;
    pty.type_in("q");
    assert_eq!(pty.code().await, Some(0), "{}", pty.shown());
    assert!(pty.shown().contains("\x1b[?1049h"));
    // The screen is restored. What was written last is read after the program has exited.
    pty.shows("\x1b[?1049l").await;
    assert!(pty.modes().local_modes.contains(rustix::termios::LocalModes::ICANON));
    let output = dlm.run(&["top"]);
    assert_eq!(output.status.code(), Some(64), "{output:?}");
}

#[tokio::test]
async fn completions_and_man_pages_are_generated() {
    let dlm = Dlm::new("http://127.0.0.1:9");
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&dlm.run(&["completions", shell]));
        assert!(script.contains("force-release") && !script.contains("__supervise"), "{shell}");
    }
    let pages = dlm.path("man");
    assert!(dlm.run(&["man", pages.to_str().unwrap()]).status.success());
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("dlm.1").contains("Exit codes:"));
    assert!(page("dlm-run.1").contains("on\\-lost") && page("dlm-run.1").contains("Exit codes:"));
    assert!(page("dlm-force-release.1").contains("token"));
}

#[tokio::test]
async fn closed_output_is_no_failure() {
    let server = TestServer::start();
    let dlm = Dlm::new(server.url());
    locks(&server).await;
    let mut command = dlm.command(&["ls", "--json"]);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((stderr(&output).as_str(), output.status.code()), ("", Some(0)));
}
