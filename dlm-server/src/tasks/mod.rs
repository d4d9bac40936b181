//! The work that a server does besides requests.
//!
//! - `sweeper`: ends overdue leases and waits
//! - `key_gc`: deletes expired idempotency keys
//! - `log_trimmer`: trims the event log
//!
//! On a store that several replicas share, also:
//!
//! - `heartbeat`: keeps this replica alive in the eyes of its peers
//! - `log_positions`: assigns committed batches their positions in the log
//! - `peer_listener`: receives messages from peers

mod heartbeat;
mod key_gc;
mod log_positions;
mod log_trimmer;
mod peer_listener;
mod sweeper;

use std::io;
use std::sync::Arc;

use crate::background::{Background, ThreadKind};
use crate::feed::{Feed, LogTailer, broadcast_renewals};
use crate::lease_watchers::LeaseWatchers;
use crate::membership::Membership;
use crate::store::{Cluster, Reader};
use crate::writer::{NextCheck, Parked, Writers};

pub(crate) use log_trimmer::Retention;

/// What the tasks work with.
pub(crate) struct TaskContext {
    pub(crate) writers: Writers,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) cluster: Arc<dyn Cluster>,
    pub(crate) membership: Arc<Membership>,
    pub(crate) lease_watchers: Arc<LeaseWatchers>,
    pub(crate) parked: Arc<Parked>,
    pub(crate) feed: Feed,
    pub(crate) next_check: Arc<NextCheck>,
    pub(crate) log_id: u64,
    pub(crate) retention: Retention,
}

/// Starts all tasks. They end when `background` is stopped.
pub(crate) fn start(background: &Background, context: TaskContext) -> io::Result<()> {
    let TaskContext { writers, reader, cluster, .. } = &context;
    let stop = || background.stop_token();
    let (reader, cluster) = (|| Arc::clone(reader), || Arc::clone(cluster));
    let sweeper = sweeper::run(writers.clone(), reader(), cluster(), Arc::clone(&context.next_check), stop());
    background.spawn("sweeper", sweeper);
    background.spawn("key gc", key_gc::run(writers.clone(), reader(), cluster(), stop()));
    let trimmer = log_trimmer::run(writers.clone(), reader(), cluster(), context.retention, stop());
    background.spawn("log trimmer", trimmer);
    let shared = context.cluster.is_shared();
    let tailer = LogTailer { reader: reader(), log_id: context.log_id, shared };
    background.spawn("log tailer", tailer.run(context.feed.clone(), stop()));
    if !shared {
        return Ok(());
    }
    let (membership, parked) = (Arc::clone(&context.membership), Arc::clone(&context.parked));
    background.spawn("heartbeat", heartbeat::run(membership, cluster(), parked, writers.clone(), stop()));
    background.spawn("log positions", log_positions::run(cluster(), stop()));
    background.spawn("renewal broadcast", broadcast_renewals(context.feed.clone(), cluster(), stop()));
    let stop = stop();
    let listen = move || peer_listener::run(&context, &stop);
    background.spawn_thread("dlm-listener".into(), ThreadKind::Expendable, listen)
}
