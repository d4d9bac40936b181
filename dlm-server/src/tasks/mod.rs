//! The work that a server does besides requests.
//!
//! - `sweeper`: ends overdue leases and waits
//! - `key_gc`: deletes expired idempotency keys
//! - `log_trimmer`: trims the event log
//! - `anonymous_claims`: with authentication, searches for claims from before it
//! - `queue_places`: tells the waiters of sessions their places in the queues
//! - `release_requests`: keeps the requests to let go of leases, and enforces them
//! - `readiness`: reads from the store for readiness probes
//!
//! On a store that belongs to one process, also:
//!
//! - `clock_keeper`: slews and stores the deciding clock
//!
//! On a store that several replicas share, also:
//!
//! - `heartbeat`: keeps this replica alive in the eyes of its peers
//! - `log_positions`: assigns committed batches their positions in the log
//! - `peer_listener`, `peer_announcer`: receive messages from peers, and send them
//!
//! `housekeeper` is the connection that `key_gc` and `log_trimmer` delete on.
//!
//! Each task has a thread of its own, and each vital one a connection of its own, so
//! that no number of requests delays an expiry or a heartbeat.

mod anonymous_claims;
mod clock_keeper;
mod heartbeat;
mod housekeeper;
mod key_gc;
mod log_positions;
mod log_trimmer;
mod peer_announcer;
mod peer_listener;
mod queue_places;
mod readiness;
mod release_requests;
mod sweeper;

use std::io;
use std::sync::Arc;

use crate::anonymous_claims::AnonymousClaims;
use crate::audit::Audit;
use crate::background::Background;
use crate::feed::{Feed, LogTailer, broadcast_renewals, send_renewals};
use crate::lease_watchers::LeaseWatchers;
use crate::log::LogDecoder;
use crate::membership::Membership;
use crate::release_requests::ReleaseRequests;
use crate::store::{Cluster, Housekeeping, TaskReaders};
use crate::writer::{NextCheck, Parked, Writers};

use housekeeper::Housekeeper;
use peer_listener::PeerListener;
use release_requests::ReleaseRequestKeeper;

pub(crate) use log_trimmer::Retention;
pub(crate) use readiness::{PendingProbes, ReadinessProbe};

/// What the tasks work with.
pub(crate) struct TaskContext {
    pub(crate) writers: Writers,
    pub(crate) readers: TaskReaders,
    pub(crate) housekeeping: Option<Box<dyn Housekeeping>>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) anonymous_claims: Arc<AnonymousClaims>,
    /// Whether the server has no authentication.
    pub(crate) is_open: bool,
    pub(crate) lease_watchers: Arc<LeaseWatchers>,
    pub(crate) release_requests: Arc<ReleaseRequests>,
    pub(crate) audit: Audit,
    pub(crate) parked: Arc<Parked>,
    pub(crate) feed: Feed,
    pub(crate) next_check: Arc<NextCheck>,
    pub(crate) decoder: Arc<LogDecoder>,
    pub(crate) retention: Retention,
    pub(crate) probes: PendingProbes,
}

/// Why a server is not ready while a task fails.
const CANNOT_SWEEP: &str = "leases that are overdue can't be ended: the database does not accept the changes";
const NO_HEARTBEAT: &str = "no heartbeat can be sent: the database does not accept it";

/// Starts all tasks. They end when `background` is stopped.
pub(crate) fn start(background: &Background, context: TaskContext) -> io::Result<()> {
    let stop = || background.stop_token();
    let attempts = |task| background.health().attempts(task, None);
    let vital_attempts = |task, unready| background.health().attempts(task, Some(unready));
    let TaskReaders { sweeper, feed, maintenance, readiness, .. } = context.readers;
    let (cluster, writers) = (|| Arc::clone(&context.cluster), || context.writers.clone());
    let keeper = ReleaseRequestKeeper {
        requests: Arc::clone(&context.release_requests),
        reader: Arc::clone(&maintenance),
        writers: writers(),
        cluster: cluster(),
        lease_watchers: Arc::clone(&context.lease_watchers),
        audit: context.audit,
    };
    background.spawn("release-requests", keeper.run(attempts("release-requests"), stop()))?;
    let tries = vital_attempts("sweeper", CANNOT_SWEEP);
    let sweep = sweeper::run(writers(), sweeper, cluster(), context.next_check, tries, stop());
    background.spawn("sweeper", sweep)?;
    let reader = Arc::clone(&maintenance);
    let housekeeper = Housekeeper::new(context.housekeeping, writers());
    let collect = key_gc::run(housekeeper.clone(), reader, cluster(), attempts("key-gc"), stop());
    background.spawn("key-gc", collect)?;
    if !context.is_open {
        let (claims, reader) = (Arc::clone(&context.anonymous_claims), Arc::clone(&maintenance));
        let search = anonymous_claims::run(claims, reader, attempts("anonymous-claims"), stop());
        background.spawn("anonymous-claims", search)?;
    }
    let (parked, reader) = (Arc::clone(&context.parked), Arc::clone(&maintenance));
    let places = queue_places::run(parked, reader, attempts("queue-places"), stop());
    background.spawn("queue-places", places)?;
    let (retention, tries) = (context.retention, attempts("log-trimmer"));
    let trim = log_trimmer::run(housekeeper, maintenance, cluster(), retention, tries, stop());
    background.spawn("log-trimmer", trim)?;
    background.spawn("readiness", readiness::run(readiness, context.probes, stop()))?;
    let shared = context.cluster.is_shared();
    let tailer = LogTailer { reader: feed, decoder: Arc::clone(&context.decoder), shared };
    background.spawn("log-tailer", tailer.run(context.feed.clone(), attempts("log-tailer"), stop()))?;
    background.spawn("renewals", send_renewals(context.feed.clone(), stop()))?;
    if !shared {
        return background
            .spawn("clock-keeper", clock_keeper::run(writers(), attempts("clock-keeper"), stop()));
    }
    let (membership, parked) = (context.membership, Arc::clone(&context.parked));
    let tries = vital_attempts("heartbeat", NO_HEARTBEAT);
    let claims = context.anonymous_claims;
    let beat = heartbeat::run(membership, claims, cluster(), parked, writers(), tries, stop());
    background.spawn("heartbeat", beat)?;
    background.spawn("positions", log_positions::run(cluster(), attempts("positions"), stop()))?;
    background.spawn("peer-renewals", broadcast_renewals(context.feed.clone(), cluster(), stop()))?;
    let (announcing, stopped) = (cluster(), stop());
    background.spawn_loop("announcer", move || peer_announcer::run(&*announcing, &stopped))?;
    let (attempts, stop) = (attempts("listener"), stop());
    let listener = PeerListener {
        writers: writers(),
        cluster: context.cluster,
        parked: context.parked,
        lease_watchers: context.lease_watchers,
        release_requests: context.release_requests,
        feed: context.feed,
    };
    background.spawn_loop("listener", move || listener.run(attempts, &stop))
}
