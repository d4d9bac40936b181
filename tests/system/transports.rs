//! What the transports do at their limits: many operations at once, peers that
//! do not answer, a database that is away at the end.

use serde_json::{Value, json};

use crate::harness::{Acquire, Server, Sqlite};

type TestServer = Server<Sqlite>;

#[tokio::test]
async fn what_is_no_lease_id_is_the_id_of_no_lease() {
    let server = TestServer::start();
    let api = server.api();
    let lease = api.lock("a", &Acquire::exclusive()).await;
    for id in ["", "é", "with space", &"x".repeat(2000)] {
        let body = json!({"lease_id": id});
        api.post("/v1/locks/a/renew", &body).await.problem(403, "not-holder");
        api.post("/v1/locks/a/release", &body).await.problem(403, "not-holder");
        let item = |id: &Value| json!({"resource": "a", "lease_id": id});
        let leases = json!({"leases": [item(&json!(id)), item(&lease["lease_id"])]});
        let results = api.post("/v1/renew", &leases).await.ok()["results"].clone();
        assert_eq!(results[0]["problem"]["code"], "not-holder", "{results}");
        assert_eq!(results[1]["lease"]["fencing_token"], 1, "{results}");
    }
}
