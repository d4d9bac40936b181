//! Who does what in the world.

use std::sync::Arc;
use std::time::Duration;

use dlm_client::{Client, Error, LockGuard, TransportKind};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::sync::Mutex;
use tokio::time::Interval;

use super::crew::Crew;
use super::job::{Job, Work};
use super::{WorldOptions, names};
use crate::BoxError;
use crate::servers::Servers;

const HOT_LOCK: &str = "billing/invoice-number";
/// Enough that someone always waits.
const HOT_WORKERS: usize = 16;
const QUEUE_LOCK: &str = "migrate/db/main";
const SHARED_LOCK: &str = "config/feature-flags";
/// How many acquires may be in flight while the world is built.
const AT_ONCE: usize = 256;
/// A lease of a lock that is held all the time needs few renewals.
const LONG_TTL: Duration = Duration::from_secs(600);

/// The hot lock and the many locks have clients of their own, which delay no one else.
pub(super) struct Clients {
    hot: Client,
    crowd: Client,
    shelves: Client,
}

impl Clients {
    pub(super) async fn connect(servers: &Servers, transport: TransportKind) -> Result<Self, BoxError> {
        let connect = async || -> Result<Client, BoxError> {
            Ok(servers.access().client()?.addresses(servers.urls()).transport(transport).connect().await?)
        };
        Ok(Self { hot: connect().await?, crowd: connect().await?, shelves: connect().await? })
    }

    /// Waits until the guards that were dropped are released.
    pub(super) async fn close(&self, timeout: Duration) -> Result<(), Error> {
        for client in [&self.hot, &self.crowd, &self.shelves] {
            client.close(timeout).await?;
        }
        Ok(())
    }
}

/// Starts all workers. Returns when all who hold and wait do so.
pub(super) async fn build(crew: &mut Crew, options: &WorldOptions, clients: &Clients) -> Result<(), Error> {
    let crowd = &clients.crowd;
    let shelf = |number: usize| {
        let lock = format!("inventory/shelf-{:03}/item-{number:05}", number / 50);
        Job::new(&clients.shelves, format!("stocktaker-{:02}", number % 25), lock).ttl(LONG_TTL)
    };
    stay(crew, (0..options.locks).map(shelf)).await?;
    if !options.plain_names {
        stay(crew, names::HOSTILE.iter().map(|name| Job::new(crowd, *name, *name))).await?;
        let alike = names::LOOK_ALIKE.iter().enumerate();
        stay(crew, alike.map(|(number, name)| Job::new(crowd, format!("settler-{number}"), *name))).await?;
    }
    readers(crew, options.readers, crowd).await?;
    queue(crew, options.queue, crowd).await?;
    deadlock(crew, options.deadlock, crowd).await?;
    chain(crew, options.chain, crowd).await?;
    for number in 0..options.expiring {
        let job = Job::new(crowd, format!("crashed-{number}"), format!("uploads/part-{number}"));
        let ttl = Duration::from_millis(1_000 + 370 * (number as u64 % 10));
        crew.hire(job.ttl(ttl).work(Work::Crash), None);
    }
    for number in 0..options.passing {
        passer_by(crew, number, crowd);
    }
    hot_lock(crew, options.hot_rate, &clients.hot);
    Ok(())
}

/// Starts a worker for each job once all of them hold their locks.
async fn stay(crew: &mut Crew, jobs: impl Iterator<Item = Job>) -> Result<(), Error> {
    let acquired = stream::iter(jobs).map(async |job: Job| Ok::<_, Error>((job.acquire().await?, job)));
    let holders: Vec<(LockGuard, Job)> = acquired.buffer_unordered(AT_ONCE).try_collect().await?;
    for (guard, job) in holders {
        crew.hire(job, Some(guard));
    }
    Ok(())
}

/// Many holders of a shared lock, and a writer that waits for all of them.
async fn readers(crew: &mut Crew, count: usize, client: &Client) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    let reader =
        |number| Job::new(client, format!("api-{number:03}@web-{}", number % 8), SHARED_LOCK).shared();
    stay(crew, (1..=count).map(reader)).await?;
    crew.hire(Job::new(client, "flag-publisher@admin-1", SHARED_LOCK), None);
    queued(client, SHARED_LOCK, 1).await
}

/// One holder, and many that wait for it.
async fn queue(crew: &mut Crew, count: usize, client: &Client) -> Result<(), Error> {
    if count == 0 {
        return Ok(());
    }
    stay(crew, std::iter::once(Job::new(client, "flyway@deploy-9921", QUEUE_LOCK))).await?;
    for number in 1..=count {
        let job = Job::new(client, format!("orders-{number:03}@web-{}", number % 8), QUEUE_LOCK);
        crew.hire(job.work(Work::Brief(Duration::from_millis(200))), None);
    }
    queued(client, QUEUE_LOCK, count).await
}

/// Owners in a ring, of whom each holds a lock and waits for that of the next.
async fn deadlock(crew: &mut Crew, count: usize, client: &Client) -> Result<(), Error> {
    let lock = |number: usize| format!("accounts/{}", number % count.max(1) + 1);
    let transfer = |number| {
        let job = Job::new(client, format!("transfer-{}@bank-{}", number + 1, number + 1), lock(number));
        job.work(Work::WaitFor(lock(number + 1)))
    };
    stay(crew, (0..count).map(transfer)).await?;
    for number in 0..count {
        queued(client, &lock(number), 1).await?;
    }
    Ok(())
}

/// Owners in a row, of whom each holds a lock and waits for that of the one before.
async fn chain(crew: &mut Crew, count: usize, client: &Client) -> Result<(), Error> {
    let lock = |number: usize| format!("pipeline/stage-{number}");
    let stage = |number: usize| {
        let job = Job::new(client, format!("pipeline-{number}@batch-{number}"), lock(number));
        if number == 1 { job } else { job.work(Work::WaitFor(lock(number - 1))) }
    };
    stay(crew, (1..=count).map(stage)).await?;
    for number in 1..count {
        queued(client, &lock(number), 1).await?;
    }
    Ok(())
}

/// A worker that works on one order after the other, and sometimes tries the long queue in vain.
fn passer_by(crew: &mut Crew, number: usize, client: &Client) {
    let (client, owner) = (client.clone(), format!("picker-{number}@warehouse-{}", number % 4));
    let mut round = number * 31;
    crew.repeat(owner.clone(), move || {
        let (client, owner) = (client.clone(), owner.clone());
        round += 37;
        let order = round;
        async move {
            let in_vain = order.is_multiple_of(10);
            let lock = if in_vain { QUEUE_LOCK.to_owned() } else { format!("orders/{}", order % 101) };
            match client.lock(lock).owner(owner).wait(Duration::from_secs(1)).await {
                Ok(guard) => {
                    tokio::time::sleep(Duration::from_millis(100 + 53 * (order as u64 % 23))).await;
                    guard.release().await
                }
                Err(error) if error.is_timeout() => Ok(()),
                Err(error) => Err(error),
            }
        }
    });
}

/// Workers that hand over one lock at this rate. The one that holds it lets go at the next tick.
fn hot_lock(crew: &mut Crew, rate: u32, client: &Client) {
    if rate == 0 {
        return;
    }
    let pace: Arc<Mutex<Interval>> =
        Arc::new(Mutex::new(tokio::time::interval(Duration::from_secs(1) / rate)));
    for number in 1..=HOT_WORKERS {
        let (client, owner) = (client.clone(), format!("billing-{number:02}@worker-{}", number % 4));
        let pace = Arc::clone(&pace);
        crew.repeat(owner.clone(), move || {
            let (client, owner, pace) = (client.clone(), owner.clone(), Arc::clone(&pace));
            async move {
                let guard = client.lock(HOT_LOCK).owner(owner).await?;
                pace.lock().await.tick().await;
                guard.release().await
            }
        });
    }
}

/// Waits until so many wait for a lock.
async fn queued(client: &Client, lock: &str, count: usize) -> Result<(), Error> {
    while client.status(lock).await?.queue_len < count as u64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
