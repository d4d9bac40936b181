//! Rows are found by their places, which are hints.

use super::*;
use crate::harness::{Api, exclusive_test_lock};

/// Where the rows of `a` and `b` are.
const PLACES: &str = "ARRAY[(SELECT ctid::text FROM resources WHERE name = 'a'), \
    (SELECT ctid::text FROM resources WHERE name = 'b')]";

#[tokio::test]
async fn call_finds_rows_by_their_places() {
    for caller in CALLERS {
        let database = database();
        allow_lag(&database, 60_000_000);
        assert!(release_at(&database, caller, &clock(-100), 7, PLACES) > 0);
        assert_eq!(written(&database), 2);
    }
}

#[tokio::test]
async fn call_writes_no_row_that_has_moved_since() {
    for caller in CALLERS {
        let database = database();
        allow_lag(&database, 60_000_000);
        let places = "ARRAY['(0,1)', '(0,2)']";
        // As a maintenance of the database does: without a write by a server.
        database.execute("UPDATE resources SET queue_len = queue_len");
        // All is refused, or both are left out.
        let expected = if caller == Caller::AllOrNothing { -1 } else { 0 };
        assert_eq!(release_at(&database, caller, &clock(-100), 7, places), expected);
        assert_eq!(written(&database), 0);
    }
}

#[tokio::test]
async fn call_does_not_write_the_row_of_another_lock_at_a_place() {
    for caller in CALLERS {
        let database = database();
        allow_lag(&database, 60_000_000);
        database.execute("UPDATE resources SET holder_key = name");
        let swapped = "ARRAY[(SELECT ctid::text FROM resources WHERE name = 'b'), \
            (SELECT ctid::text FROM resources WHERE name = 'a')]";
        let expected = if caller == Caller::AllOrNothing { -1 } else { 0 };
        assert_eq!(release_at(&database, caller, &clock(-100), 7, swapped), expected);
        assert_eq!(written(&database), 0);
        // Otherwise each lock gets the state of the other.
        for position in ["asked.item", "written[i]"] {
            mutate(&database, &format!("AND (resources.name = names[{position}]) IS TRUE"), "");
        }
        assert!(release_at(&database, caller, &clock(-100), 7, swapped) > 0);
        assert_eq!(written(&database), 2);
    }
}

#[tokio::test]
async fn server_goes_on_after_rows_have_moved() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    let lease = api.lock("a", &Acquire::exclusive()).await;
    for _ in 0..3 {
        database.execute("UPDATE resources SET queue_len = queue_len");
        api.renew("a", &lease).await.ok();
    }
    api.release("a", &lease).await.ok();
    assert_eq!(api.lock("a", &Acquire::exclusive()).await["fencing_token"], 2);
}

/// A row that is found by its place leaves old versions on its page, which would become full. Then each
/// change would move the row to another page.
#[tokio::test]
async fn rows_stay_on_their_pages() {
    let _alone = exclusive_test_lock();
    for in_one_call in [true, false] {
        let server = ServerProcess::<Postgres>::start();
        let (api, database) = (server.api(), server.database());
        if !in_one_call {
            mutate(database, "IF decided_at > clock OR", "IF TRUE OR");
        }
        let long_name = "long".repeat(60);
        // About as many changes as fill a page, and some more.
        for (name, cycles) in [("a", 40), (&*long_name, 12)] {
            let moves = moves(database, &api, name, cycles).await;
            // While anything has a snapshot, such as an ANALYZE on a busy machine, old versions stay.
            assert!(moves <= ROUNDS - 4, "in one call: {in_one_call}; {moves} moves of {name:?}");
        }
        // Proof.
        let nothing = "CREATE OR REPLACE FUNCTION prune_pages(pages BIGINT[]) RETURNS BIGINT LANGUAGE sql AS 'SELECT 0'";
        database.execute(nothing);
        for (name, cycles) in [("a", 40), (&*long_name, 12)] {
            let moves = moves(database, &api, name, cycles).await;
            assert!(moves >= ROUNDS - 1, "in one call: {in_one_call}; {moves} moves of {name:?}");
        }
    }
}

const ROUNDS: usize = 10;

/// In how many rounds of so many cycles the row of a lock has moved to another page.
async fn moves(database: &Postgres, api: &Api, name: &str, cycles: usize) -> usize {
    cycle(api, name, 1).await;
    let page = || {
        database.query_i64(&format!(
            "SELECT (ctid::text::point)[0]::bigint AS value FROM resources WHERE name = '{name}'"
        ))
    };
    let mut moves = 0;
    let mut last = page();
    for _ in 0..ROUNDS {
        cycle(api, name, cycles).await;
        moves += usize::from(page() != last);
        last = page();
    }
    moves
}

/// Old versions of rows can't be removed while a transaction is open that may see them. An index
/// leads to all of them.
#[tokio::test]
async fn batches_do_not_read_more_and_more_while_a_transaction_stays_open() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    for number in 0..50 {
        let name = format!("other/{number}");
        let lease = api.lock(&name, &Acquire::exclusive()).await;
        api.release(&name, &lease).await.ok();
    }
    // With statistics of few rows, other plans look cheap.
    database.execute("VACUUM ANALYZE resources");
    database.execute("VACUUM ANALYZE resource_names");
    let _open =
        database.begin("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM resources");
    cycle(&api, "a", 20).await;
    let before = blocks_read(database, &api).await;
    cycle(&api, "a", 50).await;
    let early = blocks_read(database, &api).await - before;
    cycle(&api, "a", 1_500).await;
    let before = blocks_read(database, &api).await;
    cycle(&api, "a", 50).await;
    let late = blocks_read(database, &api).await - before;
    assert!(late < early * 3, "{early} blocks, then {late}");
}

/// Acquires and releases a lock so many times.
async fn cycle(api: &Api, name: &str, times: usize) {
    for _ in 0..times {
        let lease = api.lock(name, &Acquire::exclusive()).await;
        api.release(name, &lease).await.ok();
    }
}

/// How many blocks of the table of resources have been read.
async fn blocks_read(database: &Postgres, api: &Api) -> i64 {
    // A connection reports what it has read with the first statement after a second.
    tokio::time::sleep(Duration::from_millis(1_200)).await;
    cycle(api, "a", 1).await;
    database.query_i64(
        "SELECT (heap_blks_read + heap_blks_hit + idx_blks_read + idx_blks_hit)::bigint AS value \
         FROM pg_statio_user_tables WHERE relname = 'resources'",
    )
}
