//! Client certificates that name a principal, and the listener for probes.

use serde_json::json;

use super::{TestServer, three_principals};
use crate::harness::{Acquire, Api, AuthFile, Authority, Identity, Trust, eventually};

/// `spiffe` may lock below `spiffe/`, and `dns` observe everything.
fn with_certificates() -> String {
    three_principals()
        + "[[principal]]\nname = \"spiffe\"\ncertificates = [\"spiffe://example.org/api\"]\n\
           rules = [{ role = \"lock\", prefix = \"spiffe/\" }]\n\
           [[principal]]\nname = \"dns\"\ncertificates = [\"API.example.org\"]\n\
           rules = [{ role = \"observe\", prefix = \"\" }]\n"
}

#[tokio::test]
async fn a_client_certificate_names_the_principal() {
    let file = AuthFile::new(&with_certificates());
    let (authority, of_clients) = (Authority::new(), Authority::new());
    let (identity, ca) = (authority.issue("server", "IP:127.0.0.1"), of_clients.file());
    let options = ["--auth-file", &file.path(), "--tls-client-ca", ca.to_str().unwrap()];
    let server = TestServer::start_with(&[&identity.arguments(), &options[..]].concat());
    let api = |presented: Option<&Identity>| {
        let trust = Trust::new(&[&authority]);
        let trust = presented.map_or(trust.clone(), |identity| trust.presenting(identity));
        Api::over_tls(server.url(), trust.config())
    };
    let spiffe = of_clients.issue("spiffe", "DNS:other.example.org,URI:spiffe://example.org/api");
    let dns = of_clients.issue("dns", "DNS:api.EXAMPLE.org");
    let nobody = of_clients.issue("nobody", "DNS:nobody.example.org,DNS:*.example.org");
    let two = of_clients.issue("two", "DNS:api.example.org,URI:spiffe://example.org/api");
    let who = api(Some(&spiffe)).get("/v1/whoami").await.ok();
    assert_eq!((&who["principal"], who["expires_at"].is_string()), (&json!("spiffe"), true));
    assert_eq!(api(Some(&dns)).get("/v1/whoami").await.ok()["principal"], "dns");
    let lease = api(Some(&spiffe)).lock("spiffe/1", &Acquire::exclusive()).await;
    api(Some(&dns)).release("spiffe/1", &lease).await.problem(403, "forbidden");
    api(Some(&spiffe)).acquire("orders/1", &Acquire::exclusive()).await.problem(403, "forbidden");
    // Who has no certificate, or one that names nobody, needs a token.
    for presented in [None, Some(&nobody)] {
        let refused = api(presented).get("/v1/whoami").await;
        refused.problem(401, "unauthenticated");
        assert_eq!(refused.headers["www-authenticate"], "Bearer");
        let who = api(presented).with_token("ops-token").get("/v1/whoami").await.ok();
        assert_eq!(who["principal"], "ops");
    }
    api(Some(&two)).get("/v1/whoami").await.problem(401, "unauthenticated");
    // A token does not lend its rights to another one's connection.
    for token in ["ops-token", "unknown"] {
        api(Some(&spiffe)).with_token(token).get("/v1/whoami").await.problem(401, "unauthenticated");
    }
    // The name is taken away while the connection is open.
    let client = api(Some(&spiffe));
    client.renew("spiffe/1", &lease).await.ok();
    file.replace(&three_principals());
    eventually("the certificate names nobody", || async { client.get("/v1/whoami").await.status == 401 })
        .await;
}

#[tokio::test]
async fn the_listener_for_probes_needs_no_credential() {
    let file = AuthFile::new(&three_principals());
    let server = TestServer::start_with(&["--auth-file", &file.path(), "--probe-listen", "127.0.0.1:0"]);
    let line = server.next_line();
    let probes = Api::new(line.strip_prefix("serving probes on ").expect("the address"));
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(probes.get(path).await.status, 200, "{path}");
    }
    for path in ["/v1/whoami", "/v1/locks", "/openapi.json", "/"] {
        probes.clone().with_token("ops-token").get(path).await.problem(404, "not-found");
    }
    server.api().get("/metrics").await.problem(401, "unauthenticated");
}
