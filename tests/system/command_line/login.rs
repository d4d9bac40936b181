//! `dlm login`, and where the URL and the token come from.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};

use super::TestServer;
use super::dlm::{Dlm, stderr, stdout};
use super::pty::Pty;
use crate::harness::{AuthFile, binary, principal};

fn servers() -> (AuthFile, TestServer) {
    let auth = AuthFile::new(&format!(
        "{}{}",
        principal("api", &["dlm_api"], &[("lock", "jobs")]),
        principal("ops", &["dlm_ops"], &[("admin", "")])
    ));
    let server = TestServer::start_with(&["--auth-file", &auth.path()]);
    (auth, server)
}

/// Runs `dlm` without `DLM_URL`, with this on standard input.
fn run(dlm: &Dlm, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Output {
    let mut command = dlm.command(arguments);
    command.env_remove("DLM_URL").envs(environment.iter().copied()).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // It may end without reading.
    child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
    child.wait_with_output().unwrap()
}

fn principal_of(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    let object: serde_json::Value = serde_json::from_str(&stdout(output)).unwrap();
    object["principal"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn login_stores_url_and_token_for_the_user_alone() {
    let (_auth, server) = servers();
    let dlm = Dlm::new(server.url());
    let output = run(&dlm, &["login", server.url()], &[], "dlm_api\n");
    assert!(stdout(&output).contains("as api"), "{output:?}");
    let file = dlm.path("dlm/login.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(principal_of(&run(&dlm, &["whoami", "--json"], &[], "")), "api");
    let denied = run(&dlm, &["ls", "--json"], &[], "");
    assert_eq!(stdout(&denied), "", "nothing is held");
    let denied = run(&dlm, &["status", "other"], &[], "");
    assert_eq!(denied.status.code(), Some(77), "{denied:?}");
    assert!(stderr(&denied).contains("observe"), "{denied:?}");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let open = run(&dlm, &["whoami"], &[], "");
    assert_eq!(open.status.code(), Some(64));
    assert!(stderr(&open).contains("chmod 600"), "{open:?}");
    let all_given = [("DLM_URL", server.url()), ("DLM_TOKEN", "dlm_ops")];
    assert_eq!(principal_of(&run(&dlm, &["whoami", "--json"], &all_given, "")), "ops");
}

#[tokio::test]
async fn flags_come_before_the_environment_and_that_before_the_login() {
    let (_auth, server) = servers();
    let dlm = Dlm::new(server.url());
    run(&dlm, &["login", server.url()], &[], "dlm_api\n");
    let whoami = |arguments: &[&str], environment: &[(&str, &str)]| {
        principal_of(&run(&dlm, &[&["whoami", "--json"], arguments].concat(), environment, ""))
    };
    std::fs::write(dlm.path("ops"), "dlm_ops\n").unwrap();
    std::fs::write(dlm.path("api"), "dlm_api\n").unwrap();
    let (ops, api) = (dlm.path("ops").display().to_string(), dlm.path("api").display().to_string());
    assert_eq!(whoami(&[], &[]), "api");
    assert_eq!(whoami(&[], &[("DLM_TOKEN", "dlm_ops")]), "ops");
    assert_eq!(whoami(&[], &[("DLM_TOKEN_FILE", &ops)]), "ops");
    assert_eq!(whoami(&["--token-file", &api], &[("DLM_TOKEN", "dlm_ops")]), "api");
    assert_eq!(whoami(&["--url", server.url()], &[("DLM_URL", "http://127.0.0.1:9")]), "api");
    let elsewhere = run(&dlm, &["whoami"], &[("DLM_URL", "http://127.0.0.1:9")], "");
    assert_eq!(elsewhere.status.code(), Some(69), "{elsewhere:?}");
}

#[tokio::test]
async fn stored_token_is_sent_to_its_server_only() {
    let ((_one, server), (_two, other)) = (servers(), servers());
    let dlm = Dlm::new(server.url());
    run(&dlm, &["login", server.url()], &[], "dlm_api\n");
    let output = run(&dlm, &["whoami", "--url", other.url()], &[], "");
    assert_eq!(output.status.code(), Some(77), "the other server would know the token: {output:?}");
    assert!(stderr(&output).contains("dlm login"), "{output:?}");
}

#[tokio::test]
async fn wrong_token_is_not_stored_nor_shown() {
    let (_auth, server) = servers();
    let dlm = Dlm::new(server.url());
    let output = run(&dlm, &["login", server.url()], &[], "dlm_wr0ng\n");
    assert_eq!(output.status.code(), Some(77), "{output:?}");
    assert!(!dlm.path("dlm/login.toml").exists());
    assert!(!(stdout(&output) + &stderr(&output)).contains("wr0ng"), "{output:?}");
}

#[tokio::test]
async fn token_that_is_typed_is_not_shown() {
    let (_auth, server) = servers();
    let dlm = Dlm::new(server.url());
    let mut command = Command::new(binary("dlm"));
    dlm.set_up(&mut command);
    let mut pty = Pty::start(command.args(["login", server.url()]));
    pty.shows("Token").await;
    pty.type_in("dlm_ops\n");
    assert_eq!(pty.code().await, Some(0), "{}", pty.shown());
    pty.shows("as ops").await;
    assert!(!pty.shown().contains("dlm_ops"), "{}", pty.shown());
}
