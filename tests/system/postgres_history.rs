//! On Postgres the events of one lock are read by their links.

use std::sync::Arc;

use crate::harness::{Acquire, Api, Backend, Postgres, ServerProcess, eventually};

/// Acquires and releases the lock `a` so many times, and others in between.
async fn cycle(api: &Api, times: usize) {
    for round in 0..times {
        for name in ["a", &format!("b/{round}"), &format!("c/{round}")] {
            let lease = api.lock(name, &Acquire::exclusive()).await;
            api.release(name, &lease).await.ok();
        }
    }
}

/// The tokens of the newest grants of the lock `a`.
async fn newest_grants(api: &Api) -> Vec<u64> {
    let page = api.get("/v1/events?resource=a&newest=true&kind=granted&limit=100").await.ok();
    let events = page["events"].as_array().unwrap();
    assert!(events.iter().all(|event| event["resource"] == "a"), "{page}");
    events.iter().map(|event| event["fencing_token"].as_u64().unwrap()).collect()
}

/// Removes the links of the batches with events of the lock `a`, except the last so many.
fn unlink(database: &Postgres, all_but: usize) {
    database.execute(&format!(
        "UPDATE batch_events SET events = regexp_replace(events, ',\"earlier\":[0-9]+', '', 'g') \
         WHERE batch IN (SELECT batch FROM batch_events WHERE events LIKE '%\"resource\":\"a\"%' \
             ORDER BY batch DESC OFFSET {all_but})"
    ));
}

#[tokio::test]
async fn history_is_read_by_its_links() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    cycle(&api, 5).await;
    assert_eq!(newest_grants(&api).await, [1, 2, 3, 4, 5]);
    // Proof: with the links to the batches before the last three, these are gone.
    database.execute(
        "UPDATE batch_events SET events = regexp_replace(events, '\"earlier\":[0-9]+', '\"earlier\":0') \
         WHERE batch = (SELECT batch FROM batch_events WHERE events LIKE '%\"resource\":\"a\"%' \
             ORDER BY batch DESC OFFSET 3 LIMIT 1)",
    );
    assert_eq!(newest_grants(&api).await, [4, 5]);
}

/// Otherwise a page that lies far back is never reached: the time for a page is over before.
#[tokio::test]
async fn earlier_page_of_a_history_does_not_begin_at_the_newest_event() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    cycle(&api, 6).await;
    let url = "/v1/events?resource=a&newest=true&kind=granted&limit=2";
    let page = api.get(url).await.ok();
    assert_eq!(page["events"][0]["fencing_token"], 5, "{page}");
    // Proof: the links of the newest batches lead nowhere.
    database.execute(
        "UPDATE batch_events SET events = regexp_replace(events, '\"earlier\":[0-9]+', '\"earlier\":0') \
         WHERE batch IN (SELECT batch FROM batch_events WHERE events LIKE '%\"resource\":\"a\"%' \
             ORDER BY batch DESC LIMIT 3)",
    );
    let before = page["start"].as_str().unwrap();
    let page = api.get(&format!("{url}&before={before}")).await.ok();
    let tokens: Vec<_> =
        page["events"].as_array().unwrap().iter().map(|event| event["fencing_token"].clone()).collect();
    assert_eq!(tokens, [3, 4], "{page}");
}

#[tokio::test]
async fn history_that_an_older_server_wrote_is_searched_for() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    cycle(&api, 5).await;
    for all_but in [3, 0] {
        unlink(database, all_but);
        assert_eq!(newest_grants(&api).await, [1, 2, 3, 4, 5]);
    }
}

#[tokio::test]
async fn history_spans_a_deletion_of_the_lock() {
    let server = ServerProcess::<Postgres>::start_with(&["--idle-retention", "300ms"]);
    let (api, database) = (server.api(), server.database());
    for _ in 0..2 {
        cycle(&api, 2).await;
        let rows = || database.query_i64("SELECT count(*) FROM resources");
        eventually("idle resources are deleted", || async { rows() == 0 }).await;
        assert_eq!(database.query_i64("SELECT count(*) FROM resource_names"), 0);
    }
    cycle(&api, 1).await;
    let tokens = newest_grants(&api).await;
    assert_eq!(tokens.len(), 5, "{tokens:?}");
    assert!(tokens.is_sorted(), "{tokens:?}");
}

#[tokio::test]
async fn history_has_the_events_of_all_servers() {
    let database = Arc::new(Postgres::new());
    let servers: [ServerProcess<Postgres>; 2] = std::array::from_fn(|_| ServerProcess::on(&database, &[]));
    for _ in 0..3 {
        for server in &servers {
            cycle(&server.api(), 1).await;
        }
    }
    assert_eq!(newest_grants(&servers[0].api()).await, [1, 2, 3, 4, 5, 6]);
}

/// Such as one that was rolled back.
#[tokio::test]
async fn history_goes_on_where_a_link_leads_to_a_batch_that_was_never_written() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    cycle(&api, 3).await;
    let number = database.query_i64("SELECT nextval('batches') AS value");
    cycle(&api, 2).await;
    database.execute(&format!(
        "UPDATE batch_events SET events = regexp_replace(events, '\"earlier\":[0-9]+', '\"earlier\":{number}') \
         WHERE batch = (SELECT min(batch) FROM batch_events WHERE batch > {number} AND events LIKE '%\"resource\":\"a\"%')"
    ));
    assert_eq!(newest_grants(&api).await, [1, 2, 3, 4, 5]);
}
