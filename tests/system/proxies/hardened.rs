//! Proxies with TLS, in front of a server with TLS that authenticates, as the security
//! manual configures them.

use std::net::Ipv4Addr;

use dlm_client::{BearerToken, Client, EventItem, TransportKind};
use dlm_protocol::limits::MAX_HOLD_MS;
use reqwest::{Method, Version};

use super::{TestServer, documented};
use crate::harness::{
    Acquire, Api, AuthFile, Authority, Identity, ReverseProxy, Trust, eventually, principal, spawn,
};

const TOKEN: &str = "api-token";
const NAMES: [&str; 5] = ["orders/42", "orders/a//b", "orders/a/../b", "orders/a%2Fb", "orders/🔒"];

/// A server as the manual starts it, and what clients of its proxy need.
struct Setup {
    server: TestServer,
    /// Signs all certificates.
    authority: Authority,
    identity: Identity,
    _auth_file: AuthFile,
}

/// The language of a proxy's configuration, and how the proxy is started.
type ProxyKind = (&'static str, fn(&str) -> ReverseProxy);

const NGINX: ProxyKind = ("nginx", ReverseProxy::nginx);
const HAPROXY: ProxyKind = ("haproxy", ReverseProxy::haproxy);

impl Setup {
    fn new() -> Self {
        let authority = Authority::new();
        let identity = authority.issue("dlm", "IP:127.0.0.1,DNS:dlm.example.org");
        let auth_file = AuthFile::new(&principal("api", &[TOKEN], &[("lock", "orders/")]));
        let commands = documented("SECURITY.md", "sh");
        let [command] = &commands[..] else { panic!("{} commands", commands.len()) };
        let command = command
            .replace("/etc/dlm/tls.crt", identity.certificate.to_str().unwrap())
            .replace("/etc/dlm/tls.key", identity.key.to_str().unwrap())
            .replace("/etc/dlm/auth.toml", &auth_file.path());
        let words: Vec<&str> = command.split_whitespace().filter(|word| *word != "\\").collect();
        let ["dlm-server", "--listen", "127.0.0.1:7420", options @ ..] = &words[..] else {
            panic!("{command}")
        };
        let server = TestServer::start_with(&[options, &["--log", "dlm_server=debug"]].concat());
        Self { server, authority, identity, _auth_file: auth_file }
    }

    /// Starts the proxy. It trusts certificates of this authority.
    fn proxy(&self, (language, start): ProxyKind, trusted: &Authority) -> ReverseProxy {
        let Identity { certificate, key } = &self.identity;
        let both = [certificate, key].map(|file| std::fs::read_to_string(file).unwrap()).concat();
        let pem = certificate.with_extension("both");
        std::fs::write(&pem, both).unwrap();
        let mut configuration = documented("SECURITY.md", language)[0].clone();
        for (documented, used) in [
            ("listen 443 ", "listen 127.0.0.1:PORT ".to_owned()),
            ("bind :443 ", "bind 127.0.0.1:PORT ".to_owned()),
            ("127.0.0.1:7420", self.server.url().trim_start_matches("https://").to_owned()),
            ("/etc/nginx/dlm.crt", certificate.display().to_string()),
            ("/etc/nginx/dlm.key", key.display().to_string()),
            ("/etc/haproxy/dlm.pem", pem.display().to_string()),
            ("/etc/nginx/dlm-ca.crt", trusted.file().display().to_string()),
            ("/etc/haproxy/dlm-ca.crt", trusted.file().display().to_string()),
        ] {
            configuration = configuration.replace(documented, &used);
        }
        assert!(!configuration.contains("/etc/") && configuration.contains(":PORT"), "{configuration}");
        start(&configuration)
    }

    fn trust(&self) -> Trust {
        Trust::new(&[&self.authority])
    }

    /// Locks over HTTP/1.1 and HTTP/2, with and without a token.
    async fn requests_work_through(&self, url: &str) {
        for (protocol, version) in [("http/1.1", Version::HTTP_11), ("h2", Version::HTTP_2)] {
            let open = Api::over_tls(url, self.trust().speaking(&[protocol]).config());
            let refused = open.get("/v1/whoami").await;
            refused.problem(401, "unauthenticated");
            assert_eq!(
                (refused.version, &refused.headers["www-authenticate"]),
                (version, &"Bearer".parse().unwrap())
            );
            let api = open.with_token(TOKEN);
            for name in NAMES {
                let lease = api.lock(name, &Acquire::exclusive()).await;
                assert_eq!(lease["resource"], name);
                api.renew(name, &lease).await.ok();
                api.release(name, &lease).await.ok();
            }
            api.acquire("other", &Acquire::exclusive()).await.problem(403, "forbidden");
            // The server compares the page's origin with `Host` and with the proxy's scheme.
            for (origin, status) in [
                (url, 200),
                (url.replace("https:", "http:").as_str(), 403),
                ("https://other.example.org", 403),
            ] {
                let response = api.send(Method::GET, "/v1/whoami", &[("origin", origin)], None).await;
                assert_eq!(response.status, status, "{origin}: {}", response.text);
            }
        }
    }

    /// The client library with its session, and the event stream.
    async fn sockets_work_through(&self, url: &str) {
        let builder = Client::builder().address(url).root_certificate(self.authority.pem());
        let token = BearerToken::new(TOKEN).unwrap();
        let client = builder.bearer_token(token).transport(TransportKind::Session).connect().await.unwrap();
        let mut events = client.events().prefix("orders/");
        assert!(matches!(events.next().await.unwrap().unwrap(), EventItem::Synced));
        let held = client.lock("orders/sdk").await.unwrap();
        let waiting = spawn({
            let client = client.clone();
            async move { client.lock("orders/sdk").await }
        });
        let mut kinds = Vec::new();
        let mut held = Some(held);
        while kinds.len() < 4 {
            let Some(item) = events.next().await else { panic!("{kinds:?}") };
            let EventItem::Event(event) = item.unwrap() else { continue };
            kinds.push(event.kind.as_str());
            if event.kind.as_str() == "queued" {
                held.take().unwrap().release().await.unwrap();
            }
        }
        assert_eq!(kinds, ["granted", "queued", "released", "granted"]);
        waiting.await.unwrap().unwrap().release().await.unwrap();
    }

    /// A waiter over HTTP that hangs up leaves at once.
    async fn hang_ups_pass_through(&self, url: &str) {
        let api = Api::over_tls(url, self.trust().config()).with_token(TOKEN);
        let held = api.lock("orders/1", &Acquire::exclusive()).await;
        let waiting = {
            let api = Api::over_tls(url, self.trust().config()).with_token(TOKEN);
            spawn(async move { api.acquire("orders/1", &Acquire::exclusive().wait(60_000)).await })
        };
        eventually("the acquire is queued", || async { api.queue_len("orders/1").await == 1 }).await;
        waiting.abort();
        eventually("the waiter has left", || async { api.queue_len("orders/1").await == 0 }).await;
        api.release("orders/1", &held).await.ok();
    }

    /// The log has the address of the client, whatever the client claims.
    async fn address_is_logged_through(&self, name: &str, url: &str) {
        let client = reqwest::Client::builder()
            .no_proxy()
            .tls_backend_preconfigured(self.trust().config())
            .local_address(std::net::IpAddr::from(Ipv4Addr::new(127, 0, 0, 2)))
            .build()
            .unwrap();
        let request = client.get(format!("{url}/v1/whoami")).bearer_auth(TOKEN).header("x-request-id", name);
        let response = request.header("x-forwarded-for", "203.0.113.9").send().await.unwrap();
        assert_eq!(response.status(), 200);
        let logged = format!("request answered request_id=\"{name}\" client=127.0.0.2 ");
        eventually(&logged, || async { self.server.logs().contains(&logged) }).await;
    }
}

#[tokio::test]
async fn hardened_proxies_as_documented_pass_tokens_sockets_addresses_and_hang_ups() {
    let setup = Setup::new();
    for kind in [NGINX, HAPROXY] {
        let proxy = setup.proxy(kind, &setup.authority);
        let url = proxy.https_url();
        // HAProxy answers 503 until it has checked the server.
        let api = Api::over_tls(&url, setup.trust().config());
        eventually("the server is found", || async { api.get("/readyz").await.status == 200 }).await;
        setup.requests_work_through(&url).await;
        setup.sockets_work_through(&url).await;
        setup.hang_ups_pass_through(&url).await;
        setup.address_is_logged_through(kind.0, &url).await;
    }
}

#[tokio::test]
async fn hardened_proxies_as_documented_refuse_a_server_with_another_certificate() {
    let setup = Setup::new();
    let other = Authority::new();
    for kind in [NGINX, HAPROXY] {
        let proxy = setup.proxy(kind, &other);
        let api = Api::over_tls(&proxy.https_url(), setup.trust().config()).with_token(TOKEN);
        eventually("the server is refused", || async {
            matches!(api.get("/v1/whoami").await.status, 502 | 503)
        })
        .await;
    }
}

#[test]
fn documented_timeouts_of_proxies_are_longer_than_a_request_is_held() {
    let mut seconds = Vec::new();
    for document in ["OPERATIONS.md", "SECURITY.md"] {
        for block in [documented(document, "nginx"), documented(document, "haproxy")].concat() {
            for line in block.lines().filter(|line| line.contains("timeout ") && !line.contains("connect")) {
                let value = line.split_whitespace().last().unwrap().trim_end_matches(';');
                let value: u64 = value.strip_suffix('s').unwrap().parse().unwrap();
                assert!(value * 1000 > 2 * MAX_HOLD_MS, "{line}");
                seconds.push(value);
            }
        }
    }
    // `read` of nginx, and `client`, `server` and `tunnel` of HAProxy; nginx's `send` in one.
    assert_eq!(seconds.len(), 9, "{seconds:?}");
}
