//! Batches that are decided in memory and written with one call. What the call checks is
//! left out in turn, to show that each check is needed.

mod places;

use std::sync::Arc;
use std::time::Duration;

use crate::harness::{
    Acquire, Backend, CommitFault, CommitFaultProxy, DedicatedPostgres, Postgres, ServerProcess, eventually,
    spawn,
};

/// A writer that the test calls the database as.
const WRITER: i64 = 1;

/// Calls `commit_batch_3` with these parameters, each an expression; all others are empty. The
/// result is the number of the batch, 0 if it is valid and nothing was written, -1 if the call was
/// refused, and -2 if it is too early or too late.
const HELPER: &str = "CREATE FUNCTION call(given jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
    DECLARE
        parameters text;
        number bigint;
    BEGIN
        SELECT string_agg(format('%I => %s', name, coalesce(given ->> name, CASE name WHEN 'marker_place' THEN '''''' WHEN 'valid_until' THEN '0' ELSE '''{}''' END)), ', ')
            INTO parameters FROM pg_proc, unnest(proargnames[1:pronargs]) AS name WHERE proname = 'commit_batch_3';
        EXECUTE 'SELECT coalesce(number, CASE WHEN is_valid THEN 0 ELSE -2 END) FROM commit_batch_3(' || parameters || ')' INTO number;
        RETURN number;
    EXCEPTION WHEN SQLSTATE 'DLM02' OR SQLSTATE 'DLM03' THEN
        RETURN -1;
    END $$";

/// A database with the locks `a` and `b`, which are held with token 1, and a marker row.
fn database() -> Arc<Postgres> {
    let database = Arc::new(Postgres::new());
    drop(ServerProcess::<Postgres>::on(&database, &[]));
    database.execute(HELPER);
    // So that tests see what a call does after a wait.
    database.execute("ALTER FUNCTION commit_batch_3 RESET lock_timeout");
    database.execute(&format!(
        "INSERT INTO resources SELECT name, 5, 1, 1, 0, 0, 0, 1, '', 'key' FROM unnest(ARRAY['a', 'b']) AS name; \
         INSERT INTO resource_names SELECT name, 0, true FROM resources; \
         INSERT INTO replicas (id, seen_at) VALUES (1, 0); \
         INSERT INTO writers (id, replica, batch, at) VALUES ({WRITER}, 1, 7, 0)"
    ));
    database
}

/// Replaces a part of the function that writes batches.
fn mutate(database: &Postgres, part: &str, by: &str) {
    database.execute(&format!(
        "DO $do$ DECLARE definition text := pg_get_functiondef('commit_batch_3'::regproc); BEGIN \
             IF position($part${part}$part$ IN definition) = 0 THEN RAISE 'no such part'; END IF; \
             EXECUTE replace(definition, $part${part}$part$, $part${by}$part$); \
         END $do$"
    ));
}

/// The second comparison of the clock.
const LATE: &str = "RAISE EXCEPTION 'the batch was decided too long ago' USING ERRCODE = 'DLM02';";

/// Lets the clock be later than the decision by so many microseconds: the first call of a
/// connection is planned meanwhile.
fn allow_lag(database: &Postgres, micros: i64) {
    mutate(database, "clock - 2000", &format!("clock - {micros}"));
}

/// Whether a call locks its rows before it changes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Caller {
    LocksFirst,
    AllOrNothing,
}

const CALLERS: [Caller; 2] = [Caller::LocksFirst, Caller::AllOrNothing];

/// A batch that ends what holds `a` and `b`, as decided at this instant.
fn release(database: &Postgres, caller: Caller, decided_at: &str, last_batch: i64) -> i64 {
    release_at(database, caller, decided_at, last_batch, "ARRAY[NULL, NULL]::text[]")
}

/// The same, where the rows are said to be at these places.
fn release_at(database: &Postgres, caller: Caller, decided_at: &str, last_batch: i64, places: &str) -> i64 {
    call_release(database, caller, (decided_at, "0"), last_batch, places)
}

/// The same, where no lease expires between two instants.
fn call_release(
    database: &Postgres,
    caller: Caller,
    (decided_at, valid_until): (&str, &str),
    last_batch: i64,
    places: &str,
) -> i64 {
    let (all_or_nothing, marker_place) = match caller {
        Caller::LocksFirst => (0, "''"),
        Caller::AllOrNothing => (1, "(SELECT ctid::text FROM writers WHERE id = 1)"),
    };
    database.query_i64(&format!(
        "SELECT call(jsonb_build_object('decided_at', $x${decided_at}$x$, \
            'valid_until', $x${valid_until}$x$, 'writer', '{WRITER}', \
            'last_batch', '{last_batch}', 'marker_place', $x${marker_place}$x$, 'must_mark', '0', \
            'all_or_nothing', '{all_or_nothing}', 'names', $x$ARRAY['a', 'b']$x$, \
            'basis', $x$ARRAY[5, 1, 5, 1]$x$, 'places', $x${places}$x$, \
            'written', $x$ARRAY[1, 2, 2, 9, 9, 0, 0, NULL, 2, 2, 2, 9, 9, 0, 0, NULL]$x$, \
            'holders', $x$ARRAY[NULL, NULL, NULL, NULL]::text[]$x$, \
            'logged', $x$ARRAY[1, 2, 2]$x$, 'events', $x$ARRAY['1', '2', '3']$x$)) AS value"
    ))
}

/// A batch that finds `a` and `b` held, and changes nothing.
const REFUSAL: &str = "call(jsonb_build_object('decided_at', \
    $x$(extract(epoch FROM clock_timestamp()) * 1000000)::bigint - 100$x$, 'writer', '1', 'last_batch', '7', \
    'must_mark', '0', 'all_or_nothing', '0', 'names', $x$ARRAY['a', 'b']$x$, 'basis', $x$ARRAY[5, 1, 5, 1]$x$, \
    'places', $x$ARRAY[NULL, NULL]::text[]$x$, 'seen', $x$ARRAY[1, 2]$x$))";

/// The database's clock, plus so many microseconds.
fn clock(shift: i64) -> String {
    format!("(extract(epoch FROM clock_timestamp()) * 1000000)::bigint + {shift}")
}

fn written(database: &Postgres) -> i64 {
    database.query_i64("SELECT count(*) AS value FROM resources WHERE version = 2 AND revision = 6")
}

#[tokio::test]
async fn call_writes_nothing_that_was_decided_by_a_clock_that_is_ahead() {
    for caller in CALLERS {
        let database = database();
        assert_eq!(release(&database, caller, &clock(1_000_000), 7), -2);
        assert_eq!(written(&database), 0);
        // Otherwise a lease ends a second early.
        mutate(&database, "decided_at > clock OR", "");
        assert!(release(&database, caller, &clock(1_000_000), 7) > 0);
        assert_eq!(written(&database), 2);
    }
}

#[tokio::test]
async fn call_writes_nothing_that_was_decided_too_long_ago() {
    for caller in CALLERS {
        let database = database();
        assert_eq!(release(&database, caller, &clock(-2_500), 7), -2);
        assert_eq!(written(&database), 0);
        // Otherwise a renewal is written long after the lease has expired.
        mutate(&database, "OR decided_at < clock - 2000", "");
        assert!(release(&database, caller, &clock(-60_000_000), 7) > 0);
        assert_eq!(written(&database), 2);
    }
}

/// A database that is far away, or busy, gets a call late.
#[tokio::test]
async fn late_call_is_written_if_no_lease_has_expired_since_it_was_decided() {
    for caller in CALLERS {
        let places = "ARRAY[NULL, NULL]::text[]";
        let release = |database: &Postgres, decided_at: i64, valid_until: i64| {
            let times = (&*clock(decided_at), &*clock(valid_until));
            call_release(database, caller, times, 7, places)
        };
        let database = database();
        assert_eq!(release(&database, -60_000, 60_000_000), -2, "too late in any case");
        mutate(&database, "clock - 50000", "clock - 60000000");
        assert_eq!(release(&database, -20_000, -10_000), -2);
        assert_eq!(written(&database), 0);
        assert!(release(&database, -20_000, 60_000_000) > 0);
        assert_eq!(written(&database), 2);
        // Otherwise a renewal revives a lease that has expired.
        let database = self::database();
        mutate(&database, "clock - 50000", "clock - 60000000");
        mutate(&database, "clock >= valid_until OR", "");
        assert!(release(&database, -20_000, -10_000) > 0);
    }
}

#[tokio::test]
async fn batches_are_decided_in_advance_though_the_database_is_far() {
    let server = ServerProcess::<Postgres>::start();
    let (api, database) = (server.api(), server.database());
    database.execute("CREATE TABLE calls (at BIGINT)");
    mutate(
        database,
        "is_valid := FALSE;",
        "is_valid := FALSE; PERFORM pg_sleep(0.01); INSERT INTO calls VALUES (decided_at);",
    );
    for _ in 0..50 {
        let lease = api.lock("a", &Acquire::exclusive()).await;
        api.release("a", &lease).await.ok();
    }
    let calls = database.query_i64("SELECT count(*) AS value FROM calls");
    assert!(calls > 50, "{calls} calls were written");
}

/// A call that writes all or nothing locks the rows by changing them, so it may wait for them.
#[tokio::test]
async fn clock_is_compared_after_the_wait_for_a_row() {
    for is_mutated in [false, true] {
        let database = database();
        if is_mutated {
            mutate(&database, LATE, "");
        }
        allow_lag(&database, 200_000);
        let other = database.lock_row("b");
        let releasing = {
            let database = Arc::clone(&database);
            tokio::task::spawn_blocking(move || release(&database, Caller::AllOrNothing, &clock(-100), 7))
        };
        eventually("the call waits", || async { database.connections_waiting_for_locks() > 0 }).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        other.roll_back();
        let number = releasing.await.unwrap();
        assert_eq!(number > 0, is_mutated, "{number}");
        assert_eq!(written(&database), if is_mutated { 2 } else { 0 });
    }
}

#[tokio::test]
async fn call_of_a_server_that_all_or_nothing_is_refused_if_one_lock_is_not_as_assumed() {
    let database = database();
    allow_lag(&database, 60_000_000);
    database.execute("UPDATE resources SET version = 3 WHERE name = 'b'");
    assert_eq!(release(&database, Caller::AllOrNothing, &clock(-100), 7), -1);
    assert_eq!(written(&database), 0);
    // Otherwise the claims and events of the other lock are written all the same.
    mutate(&database, "RAISE EXCEPTION 'a resource is not as assumed' USING ERRCODE = 'DLM03';", "");
    assert!(release(&database, Caller::AllOrNothing, &clock(-100), 7) > 0);
    assert_eq!(database.query_i64("SELECT sum(event_count)::bigint AS value FROM batch_events"), 3);
}

#[tokio::test]
async fn call_that_changes_nothing_neither_locks_nor_commits() {
    let database = database();
    allow_lag(&database, 60_000_000);
    let _elsewhere = database.lock_row("b");
    let refusal = format!("SELECT {REFUSAL} AS value");
    assert_eq!(database.query_i64(&refusal), 0);
    let commits =
        format!("SELECT ({REFUSAL} + 1) * (pg_current_xact_id_if_assigned() IS NOT NULL)::int AS value");
    assert_eq!(database.query_i64(&commits), 0);
    // What it was decided on is compared all the same.
    let omitted = "SELECT cardinality(omitted)::bigint AS value FROM commit_batch_3((extract(epoch FROM \
        clock_timestamp()) * 1000000)::bigint - 100, 0, 1, 7, '', 0, 1, ARRAY['a', 'b'], ARRAY[5, 1, 4, 1], '{NULL, NULL}', \
        '{}', '{}', '{}', '{}', '{}', ARRAY[1, 2], '{}', '{}', '{}', '{}', '{}', '{}', '{}')";
    assert_eq!(database.query_i64(omitted), 1);
}

#[tokio::test]
async fn clock_is_compared_after_the_wait_for_a_new_row() {
    for is_mutated in [false, true] {
        let database = database();
        if is_mutated {
            mutate(&database, LATE, "");
        }
        allow_lag(&database, 200_000);
        let other = database.begin("INSERT INTO resource_names SELECT 'new', 0, true");
        let creating = create(&database, 0);
        eventually("the call waits", || async { database.connections_waiting_for_locks() > 0 }).await;
        tokio::time::sleep(Duration::from_millis(250)).await;
        other.roll_back();
        let number = creating.await.unwrap();
        assert_eq!(number > 0, is_mutated, "{number}");
    }
}

/// Calls as a writer that has new acquire the lock `new` with this floor, on a thread.
fn create(database: &Arc<Postgres>, floor: i64) -> tokio::task::JoinHandle<i64> {
    let database = Arc::clone(database);
    tokio::task::spawn_blocking(move || {
        let decided_at = clock(-100);
        database.query_i64(&format!(
            "SELECT call(jsonb_build_object('decided_at', ({decided_at})::text, 'writer', '{WRITER}', \
                'last_batch', '7', 'must_mark', '0', 'all_or_nothing', '0', 'names', $x$ARRAY['new']$x$, \
                'basis', $x$ARRAY[0, 0]$x$, 'places', $x$ARRAY[NULL]::text[]$x$, \
                'floors', $x$ARRAY[3, {floor}, {floor}, 0]$x$, \
                'written', $x$ARRAY[1, {floor} + 1, {floor} + 1, 9, 9, 0, 0, NULL]$x$, \
                'holders', $x$ARRAY[NULL, NULL]::text[]$x$)) AS value"
        ))
    })
}

#[tokio::test]
async fn token_does_not_fall_when_a_lock_is_forgotten_while_its_insert_waits() {
    let token = |database: &Postgres| {
        database.query_i64("SELECT coalesce(max(token), 0) AS value FROM resources WHERE name = 'new'")
    };
    for is_mutated in [false, true] {
        let database = database();
        allow_lag(&database, 60_000_000);
        if is_mutated {
            // In the statement of the insert, which has a snapshot from before the wait.
            mutate(
                &database,
                "= names[written[i]])\n            ON",
                "= names[written[i]]) \
                AND NOT EXISTS (SELECT FROM floors AS f WHERE f.bucket = floors[1] AND f.token > floors[2]) ON",
            );
            mutate(
                &database,
                "RAISE EXCEPTION 'a floor is higher than assumed' USING ERRCODE = 'DLM02';",
                "",
            );
        }
        let forgetting = database.begin(
            "INSERT INTO resource_names SELECT 'new', 0, true; DELETE FROM resource_names WHERE name = 'new'; \
             INSERT INTO floors (bucket, token, version) VALUES (3, 50, 50)",
        );
        let creating = create(&database, 0);
        eventually("the call waits", || async { database.connections_waiting_for_locks() > 0 }).await;
        forgetting.commit();
        let number = creating.await.unwrap();
        assert_eq!((number > 0, token(&database)), if is_mutated { (true, 1) } else { (false, 0) });
    }
}

#[tokio::test]
async fn lock_that_another_server_changes_is_left_out_without_a_wait() {
    let database = database();
    allow_lag(&database, 60_000_000);
    database.execute("INSERT INTO resource_names SELECT 'new', 0, true");
    let changing = database.begin("UPDATE resource_names SET check_at = 2 WHERE name = 'new'");
    let in_time = tokio::time::timeout(Duration::from_secs(20), create(&database, 60)).await;
    assert_eq!(in_time.expect("it does not wait").unwrap(), 0);
    // Otherwise all locks of the batch stay locked as long as the other server takes to commit.
    mutate(
        &database,
        "AND NOT EXISTS (SELECT FROM resource_names WHERE resource_names.name = names[written[i]])",
        "",
    );
    let creating = create(&database, 60);
    eventually("the call waits", || async { database.connections_waiting_for_locks() > 0 }).await;
    changing.roll_back();
    assert_eq!(creating.await.unwrap(), 0);
}

#[tokio::test]
async fn new_lock_starts_at_its_floor_unless_it_exists() {
    let database = database();
    allow_lag(&database, 60_000_000);
    database.execute("INSERT INTO floors (bucket, token, version) VALUES (3, 50, 50)");
    assert_eq!(create(&database, 49).await.unwrap(), -1);
    assert!(create(&database, 50).await.unwrap() > 0);
    let count = "SELECT count(*) AS value FROM resources WHERE name = 'new' AND token = 51 AND revision = 1";
    assert_eq!(database.query_i64(count), 1);
    database.execute("UPDATE writers SET batch = 7");
    assert_eq!(create(&database, 60).await.unwrap(), 0, "it is left out");
    assert_eq!(database.query_i64(count), 1);
}

#[tokio::test]
async fn lock_that_is_locked_elsewhere_is_left_out_whole_and_the_marker_says_so() {
    let database = database();
    allow_lag(&database, 60_000_000);
    let row_lock = database.lock_row("b");
    let number = release(&database, Caller::LocksFirst, &clock(-100), 7);
    row_lock.commit();
    assert!(number > 0);
    assert_eq!(written(&database), 1);
    let marker = "SELECT count(*) AS value FROM writers WHERE left_out = ARRAY[2::bigint] AND batch = ";
    assert_eq!(database.query_i64(&format!("{marker}{number}")), 1);
    let events =
        "SELECT count(*) AS value FROM batch_events WHERE events = '[1]' AND event_count = 1 AND batch = ";
    assert_eq!(database.query_i64(&format!("{events}{number}")), 1);
    // Its row is not as the batch assumes any more, either.
    assert_eq!(release(&database, Caller::LocksFirst, &clock(-100), number).signum(), 1);
    assert_eq!(written(&database), 2);
}

#[tokio::test]
async fn call_that_was_given_up_writes_nothing_when_it_arrives_later() {
    for caller in CALLERS {
        let database = database();
        allow_lag(&database, 60_000_000);
        database.execute("UPDATE writers SET batch = 8");
        assert_eq!(release(&database, caller, &clock(-100), 7), -1);
        assert_eq!(written(&database), 0);
        // Otherwise its effects come after the batch has run again.
        mutate(&database, "AND writers.batch = last_batch", "");
        assert!(release(&database, caller, &clock(-100), 7) > 0);
        assert_eq!(written(&database), 2);
    }
}

#[tokio::test]
async fn batch_whose_reply_is_lost_while_one_lock_is_locked_elsewhere_applies_once() {
    let postgres = DedicatedPostgres::start();
    let proxy = CommitFaultProxy::in_front_of(postgres.cluster.port());
    let server = postgres.server_through(proxy.port, &["--writers", "1"]);
    // Otherwise its calls apply whole or not at all.
    let _peer = postgres.server(&[]);
    let (api, database) = (server.api(), server.database());
    for name in ["a", "b", "busy"] {
        let lease = api.lock(name, &Acquire::exclusive()).await;
        api.release(name, &lease).await.ok();
    }
    for round in 0..4_u64 {
        // The writer waits for this one again and again, so that the others queue up.
        let locks = [database.lock_row("busy"), database.lock_row("b")];
        let acquire = |name: &'static str| {
            let api = api.clone();
            spawn(async move { api.acquire(name, &Acquire::exclusive().wait(20_000)).await.ok() })
        };
        let busy = acquire("busy");
        eventually("the writer waits", || async { database.connections_waiting_for_locks() > 0 }).await;
        let fault =
            if round % 2 == 0 { CommitFault::AfterDeliveryOfCall } else { CommitFault::BeforeDeliveryOfCall };
        proxy.fail_next_commit(fault);
        let acquires = [acquire("a"), acquire("b")];
        eventually("the call fails", || async { proxy.has_failed_commit() }).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        locks.into_iter().for_each(|lock| lock.commit());
        let names = ["a", "b", "busy"];
        for (name, acquire) in names.into_iter().zip(acquires.into_iter().chain([busy])) {
            let lease = acquire.await.unwrap();
            assert_eq!(lease["fencing_token"], round + 2, "{name} in round {round}");
            api.release(name, &lease).await.ok();
            let kinds = api.event_kinds(name).await;
            assert_eq!(kinds, ["granted", "released"].repeat(usize::try_from(round).unwrap() + 2), "{name}");
        }
    }
    assert!(server.logs().contains("reply lost"), "{}", server.logs());
}

/// A marker with a lower number than the last known one shows that the database has lost commits,
/// not that the batch was applied.
#[tokio::test]
async fn batch_whose_call_is_lost_is_not_taken_for_applied_when_its_marker_went_back() {
    let postgres = DedicatedPostgres::start();
    let proxy = CommitFaultProxy::in_front_of(postgres.cluster.port());
    let server = postgres.server_through(proxy.port, &[]);
    let (api, database) = (server.api(), server.database());
    for change in ["UPDATE writers SET batch = 1", "DELETE FROM writers"] {
        // On a busy machine a batch may lock first, and no call fails.
        for _ in 0..100 {
            // The writer has the lock in memory.
            let lease = api.lock("a", &Acquire::exclusive()).await;
            api.release("a", &lease).await.ok();
            proxy.fail_next_commit(CommitFault::BeforeDeliveryOfCall);
            database.execute(change);
            let lease = api.lock("a", &Acquire::exclusive().wait(20_000)).await;
            let stored = "SELECT token AS value FROM resources WHERE name = 'a' AND holder_count = 1";
            assert_eq!(lease["fencing_token"], database.query_i64(stored), "{change}");
            api.release("a", &lease).await.ok();
            if proxy.has_failed_commit() {
                break;
            }
        }
        assert!(proxy.has_failed_commit(), "{change}");
    }
}

/// The term of a lease begins when the batch was decided, which is before the database has
/// compared the clock. Otherwise a guard would believe in its lease for too long (I8).
#[tokio::test]
async fn term_begins_no_later_than_the_batch_was_decided() {
    let server = ServerProcess::<Postgres>::start();
    let api = server.api();
    let mut early = 0;
    // A batch that locks first has no lag, and on a busy machine there are many.
    for _ in 0..2_000 {
        let lease = api.lock("a", &Acquire::exclusive()).await;
        let elapsed_ms = lease["elapsed_ms"].as_i64().unwrap();
        assert!((-51..=0).contains(&elapsed_ms), "{lease}");
        // Rounded down, so any lag makes it negative.
        early += i32::from(elapsed_ms < 0);
        api.release("a", &lease).await.ok();
        if early == 25 {
            return;
        }
    }
    panic!("only {early} leases were decided by an estimate of the clock");
}

/// A call that locks rows by changing them is cheaper, but one conflict refuses all of it.
#[tokio::test]
async fn calls_lock_rows_first_only_while_two_servers_change_the_same_locks() {
    let database = Arc::new(Postgres::new());
    let servers: [ServerProcess<Postgres>; 2] = std::array::from_fn(|_| ServerProcess::on(&database, &[]));
    let apis = servers.each_ref().map(ServerProcess::api);
    database.execute("CREATE TABLE calls (all_or_nothing BIGINT)");
    mutate(&database, "is_valid := FALSE;", "is_valid := FALSE; INSERT INTO calls VALUES (all_or_nothing);");
    // So that both have found each other, and forgotten conflicts of the start.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let locks_first = async |names: [&str; 2]| {
        database.execute("DELETE FROM calls");
        for _ in 0..10 {
            for (api, name) in apis.iter().zip(names) {
                let lease = api.lock(name, &Acquire::exclusive()).await;
                api.release(name, &lease).await.ok();
            }
        }
        let calls = database.query_i64("SELECT count(*) AS value FROM calls");
        assert!(calls > 20, "{calls} calls");
        database.query_i64("SELECT count(*) AS value FROM calls WHERE all_or_nothing = 0")
    };
    assert_eq!(locks_first(["a", "b"]).await, 0);
    assert!(locks_first(["a", "a"]).await > 10);
    eventually("the conflict is forgotten", || async { locks_first(["a", "b"]).await == 0 }).await;
}
