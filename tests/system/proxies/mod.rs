//! Reverse proxies in front of a server.
//!
//! - `hardened`: with TLS, in front of a server with TLS that authenticates

mod hardened;

use dlm_client::{Client, TransportKind};
use serde_json::json;

use crate::harness::{Acquire, Api, ReverseProxy, ServerProcess, Sqlite, WebSocket, eventually, spawn};

type TestServer = ServerProcess<Sqlite>;

const NAMES: [&str; 8] = ["orders/42", "a//b", "a/../b", "%", "a%2Fb", "a b+c", "🔒", "acquire"];

/// The blocks in this language of a document.
fn documented(document: &str, language: &str) -> Vec<String> {
    let file = format!("{}/../docs/{document}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(file).unwrap();
    let fence = format!("```{language}\n");
    let blocks = text.split(&fence).skip(1);
    blocks.map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

/// Starts nginx as the manual says, with another `location` if one is given.
fn nginx(server: &TestServer, location: Option<&str>) -> ReverseProxy {
    let mut configuration =
        documented("OPERATIONS.md", "nginx")[0].replace("listen 8080", "listen 127.0.0.1:PORT");
    if let Some(location) = location {
        let begin = configuration.find("    location / {\n").unwrap();
        configuration.truncate(begin);
        configuration.push_str(location);
        configuration.push('}');
    }
    assert!(configuration.contains("127.0.0.1:7420"), "{configuration}");
    ReverseProxy::nginx(&configuration.replace("127.0.0.1:7420", server.url().trim_start_matches("http://")))
}

/// Every name, and the client with its session.
async fn locks_work_through(server: &TestServer, url: &str) {
    let (api, direct) = (Api::new(url), server.api());
    for name in NAMES {
        let lease = api.lock(name, &Acquire::exclusive()).await;
        assert_eq!(lease["resource"], name);
        assert_eq!(direct.status(name).await["state"], "held", "{name}");
        api.renew(name, &lease).await.ok();
        api.release(name, &lease).await.ok();
    }
    let client = Client::builder().address(url).transport(TransportKind::Session).connect().await.unwrap();
    client.lock("b").await.unwrap().release().await.unwrap();
    assert_eq!(direct.event_kinds("b").await, ["granted", "released"]);
}

/// Waits and sockets.
async fn waits_work_through(server: &TestServer, url: &str) {
    let (api, direct) = (Api::new(url), server.api());
    // A waiter over HTTP that hangs up leaves at once.
    let held = api.lock("a", &Acquire::exclusive()).await;
    let waiting = {
        let api = api.clone();
        spawn(async move { api.acquire("a", &Acquire::exclusive().wait(60_000)).await })
    };
    eventually("the acquire is queued", || async { direct.queue_len("a").await == 1 }).await;
    waiting.abort();
    eventually("the waiter has left", || async { direct.queue_len("a").await == 0 }).await;
    let mut events = WebSocket::events(url, "?resource=a").await;
    assert_eq!(events.next_event().await["type"], "synced");
    let mut session = WebSocket::session(url).await;
    let id = session.send("acquire", json!({"resource": "a", "wait_ms": 60_000})).await;
    assert_eq!(events.next_event().await["kind"], "queued");
    api.release("a", &held).await.ok();
    assert_eq!(session.response(id).await["lease"]["fencing_token"], 2);
}

#[tokio::test]
async fn nginx_as_documented_passes_names_waits_and_sockets() {
    let server = TestServer::start();
    let nginx = nginx(&server, None);
    locks_work_through(&server, &nginx.url()).await;
    waits_work_through(&server, &nginx.url()).await;
}

#[tokio::test]
async fn nginx_as_documented_serves_below_a_prefix() {
    let server = TestServer::start();
    let [server_block, location] = &documented("OPERATIONS.md", "nginx")[..] else {
        panic!("two configurations")
    };
    let directives = server_block.lines().filter(|line| line.contains("    proxy_")).skip(1);
    let directives = directives.collect::<Vec<_>>().join("\n");
    let location = location.replace("# … and the other directives as above", &directives);
    let nginx = nginx(&server, Some(&location));
    locks_work_through(&server, &format!("{}/dlm", nginx.url())).await;
}

#[tokio::test]
async fn proxy_that_decodes_names_is_recognized() {
    let server = TestServer::start();
    let location = "location / { proxy_pass http://127.0.0.1:7420/; proxy_set_header Host $http_host; }\n";
    let nginx = nginx(&server, Some(location));
    let api = Api::new(&nginx.url());
    api.lock("orders", &Acquire::exclusive()).await;
    for response in [
        api.acquire("orders/42", &Acquire::exclusive()).await,
        api.get("/v1/locks/orders%2F42").await,
        api.get("/locks/orders%2F42").await,
    ] {
        let problem = response.problem(404, "not-found");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("%2F") && detail.contains("proxy"), "{problem}");
    }
    let elsewhere = server.api().get("/v1/lock").await.problem(404, "not-found");
    assert!(!elsewhere["detail"].as_str().unwrap().contains("proxy"), "{elsewhere}");
}
