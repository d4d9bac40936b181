//! How long a page of held locks takes among many names that nobody holds, beside the
//! same page among few, and the same for the page of contended locks, the newest events of one
//! name, and the overview. How long a search takes for a part of a name that none has. And how long the wait-for graph takes at its limit: of a thousand
//! locks with twenty waiters each.
//!
//! `cargo bench -p dlm-server --bench lists -- [names]`, by default 400,000. The
//! databases are SQLite files with full sync, or new ones beside the Postgres database of
//! `DLM_BENCH_DATABASE_URL`.

mod service;

use std::time::{Duration, Instant};

use dlm_protocol::{AcquireRequest, ReleaseRequest, StateFilter, Ttl, Wait};
use dlm_server::{EventsQuery, ListQuery, Operation, Outcome, Principal, Service};
use service::{acquire, block_on, open};

const FEW: usize = 1_000;
/// Of all names, as many as a page has are held; one of ten of these has a waiter.
const HELD: usize = 100;
const ROUNDS: usize = 50;
/// How often the overview is measured. It is recomputed only after ten times as long as it took.
const OVERVIEWS: usize = 5;
/// The locks with waiters of the wait-for graph, and the waiters of each.
const QUEUES: usize = 1_000;
const WAITERS: usize = 20;
/// How many callers create the names.
const CALLERS: usize = 256;

fn main() {
    let names = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(400_000);
    block_on(async move {
        let worlds = [world("few", FEW).await, world("many", names).await];
        for what in
            [Read::Page(StateFilter::Held), Read::Page(StateFilter::Waiting), Read::History, Read::Overview]
        {
            let mut times = [const { Vec::new() }; 2];
            let rounds = if matches!(what, Read::Overview) { OVERVIEWS } else { ROUNDS };
            for _ in 0..rounds {
                for ((_directory, service), times) in worlds.iter().zip(&mut times) {
                    times.push(what.measure(service).await);
                }
            }
            let [few, many] = times.map(median);
            let (few, many) = (few.as_secs_f64() * 1e3, many.as_secs_f64() * 1e3);
            println!(
                "{what:?}: {few:.2} ms among {FEW} names, {many:.2} ms among {names}, ratio {:.2}",
                many / few
            );
        }
        for (_, service) in &worlds {
            let requests = search(service).await;
            let longest = requests.iter().max().expect("a request").as_secs_f64() * 1e3;
            let all = requests.iter().sum::<Duration>().as_secs_f64() * 1e3;
            println!("Search: {} requests, {all:.0} ms, the longest {longest:.0} ms", requests.len());
        }
        for (_, service) in worlds {
            service.close().await;
        }
        println!(
            "wait-for graph of {QUEUES} locks with {WAITERS} waiters each: {:.0} ms",
            wait_graph().await.as_secs_f64() * 1e3
        );
    });
}

/// How long the wait-for graph takes. The holder of each lock waits for the next one.
#[expect(clippy::disallowed_methods, reason = "a benchmark spawns its callers and reads the clock")]
async fn wait_graph() -> Duration {
    let (_directory, service) = open(Some("queues")).await;
    let request = |owner: String| AcquireRequest {
        ttl_ms: Ttl::from_millis(3_600_000).expect("a TTL"),
        owner: owner.try_into().expect("an owner"),
        ..AcquireRequest::default()
    };
    for queue in 0..QUEUES {
        let held = acquire(&service, &format!("queue/{queue:04}"), request(format!("holder {queue}"))).await;
        assert!(matches!(held.1, Ok(Outcome::Lease(_))), "a free lock was not granted: {:?}", held.1);
    }
    for queue in 0..QUEUES {
        for waiter in 0..WAITERS {
            let owner = match waiter {
                0 => format!("holder {}", (queue + 1) % QUEUES),
                _ => format!("waiter {queue}/{waiter}"),
            };
            let (service, request) =
                (service.clone(), AcquireRequest { wait_ms: Wait::MAX, ..request(owner) });
            // It waits to the end.
            tokio::spawn(async move { acquire(&service, &format!("queue/{queue:04}"), request).await });
        }
    }
    let mut times = Vec::new();
    while times.len() < 5 {
        // Until the last answer is not used any more.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let began = Instant::now();
        let reply = service.call(&Principal::anonymous(), Operation::WaitGraph { limit: QUEUES }).await;
        let took = began.elapsed();
        let Ok(Outcome::WaitGraph(graph)) = reply else { panic!("no graph: {reply:?}") };
        if graph.locks.iter().map(|lock| lock.queue_len).sum::<u64>() == (QUEUES * WAITERS) as u64 {
            assert_eq!(graph.possible_deadlocks[0].holders.len(), QUEUES);
            times.push(took);
        }
    }
    service.close().await;
    median(times)
}

/// How long each request takes of a search for a part that no name has.
#[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
async fn search(service: &Service) -> Vec<Duration> {
    let (mut times, mut after) = (Vec::new(), None);
    loop {
        let (prefix, contains, state) = (String::new(), "lost".to_owned(), StateFilter::All);
        let query = ListQuery { prefix, contains, state, limit: HELD, after };
        let began = Instant::now();
        let reply = service.call(&Principal::anonymous(), Operation::List(query)).await;
        times.push(began.elapsed());
        let Ok(Outcome::Locks(page)) = reply else { panic!("no page: {reply:?}") };
        assert!(page.locks.is_empty(), "no name has it");
        after = page.next;
        if after.is_none() {
            return times;
        }
    }
}

/// A service that has seen this many names.
async fn world(database: &str, names: usize) -> (tempfile::TempDir, Service) {
    let (directory, service) = open(Some(database)).await;
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..CALLERS {
        let service = service.clone();
        callers.spawn(async move {
            for name in (caller..names).step_by(CALLERS) {
                one_name(&service, name, names).await;
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.expect("a caller");
    }
    (directory, service)
}

/// Acquires a name, and releases it unless it is one that stays held.
#[expect(clippy::disallowed_methods, reason = "a benchmark spawns its callers")]
async fn one_name(service: &Service, index: usize, names: usize) {
    let name = format!("orders/{index:07}");
    let held = index.is_multiple_of(names / HELD);
    let ttl_ms = Ttl::from_millis(3_600_000).expect("a TTL");
    let request = AcquireRequest { ttl_ms, ..AcquireRequest::default() };
    let (resource, reply) = acquire(service, &name, request.clone()).await;
    let Ok(Outcome::Lease(lease)) = reply else { panic!("a free lock was not granted: {reply:?}") };
    if !held {
        let release = Operation::Release { resource, request: ReleaseRequest { lease_id: lease.lease_id } };
        service.call(&Principal::anonymous(), release).await.expect("a release");
    } else if index.is_multiple_of(names / HELD * 10) {
        let service = service.clone();
        let wait_ms = Wait::MAX;
        // It waits to the end.
        tokio::spawn(async move { acquire(&service, &name, AcquireRequest { wait_ms, ..request }).await });
    }
}

/// What is measured in both worlds.
#[derive(Debug, Clone, Copy)]
enum Read {
    Page(StateFilter),
    /// The newest events of the first name, which is held.
    History,
    Overview,
}

impl Read {
    #[expect(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
    async fn measure(self, service: &Service) -> Duration {
        let began = Instant::now();
        let reply = service.call(&Principal::anonymous(), self.operation()).await;
        let took = began.elapsed();
        match (self, reply) {
            (Self::Page(state), Ok(Outcome::Locks(page))) => {
                let expected = if state == StateFilter::Held { HELD } else { HELD / 10 };
                assert_eq!(page.locks.len(), expected, "the page shows all of these locks");
            }
            (Self::History, Ok(Outcome::Events(page))) => assert!(page.events.len() <= 2),
            (Self::Overview, Ok(Outcome::Overview(overview))) => {
                assert_eq!(overview.held, HELD as u64);
                // Until this one is not used any more.
                tokio::time::sleep(11 * took + Duration::from_millis(100)).await;
            }
            (_, reply) => panic!("no reply: {reply:?}"),
        }
        took
    }

    fn operation(self) -> Operation {
        match self {
            Self::Page(state) => {
                let (prefix, contains) = (String::new(), String::new());
                Operation::List(ListQuery { prefix, contains, state, limit: HELD, after: None })
            }
            Self::History => {
                let resource = Some("orders/0000000".try_into().expect("a name"));
                Operation::Events(EventsQuery { resource, limit: 10, newest: true, ..EventsQuery::default() })
            }
            Self::Overview => Operation::Overview { seconds: 1 },
        }
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}
