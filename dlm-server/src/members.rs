//! The replicas that share the store, as this one sees them.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use dlm_engine::Replicas;
use tokio_util::sync::CancellationToken;

use crate::clock::since_boot;
use crate::ended::Holders;
use crate::feed::Feed;
use crate::store::{Cluster, PeerMessage, StoreError};
use crate::writer::{Parked, Writers};

/// Between two signs of life.
const BEAT: Duration = Duration::from_millis(500);
/// Between two looks for waits that ended elsewhere without a word of it: this
/// long, and longer with the number of waits so that it costs little.
const LOOK: Duration = Duration::from_millis(100);
const LOOK_PER_WAIT: Duration = Duration::from_micros(100);

/// Which replicas are gone, as of the last beat.
pub(crate) struct Members(RwLock<Arc<Replicas>>);

impl Members {
    /// As of the first beat of this replica.
    pub(crate) fn join(cluster: &dyn Cluster) -> Result<Self, StoreError> {
        Ok(Self(RwLock::new(Arc::new(cluster.heartbeat()?.replicas))))
    }

    pub(crate) fn current(&self) -> Arc<Replicas> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, replicas: Replicas) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(replicas);
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Members").field(&*self.current()).finish()
    }
}

/// Says that this replica is alive until it is told to stop.
pub(crate) async fn beat(
    members: Arc<Members>,
    cluster: Arc<dyn Cluster>,
    parked: Arc<Parked>,
    writers: Writers,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let beating = Arc::clone(&cluster);
        match tokio::task::spawn_blocking(move || beating.heartbeat()).await {
            Ok(Ok(beat)) => {
                members.set(beat.replicas);
                if beat.declared_dead {
                    tracing::warn!("the other servers took this one for gone");
                    // A lock that was freed meanwhile passed over who waits here.
                    for (name, key) in parked.all() {
                        if writers.recheck(name, key).is_err() {
                            return;
                        }
                    }
                }
            }
            Ok(Err(error)) => tracing::warn!(%error, "no sign of life could be given"),
            Err(error) => tracing::error!(%error, "a sign of life ended in a panic"),
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Has batches placed in the log until it is told to stop.
pub(crate) async fn place(cluster: Arc<dyn Cluster>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        // One replica is enough for it.
        if cluster.rank() == 0 {
            let placing = Arc::clone(&cluster);
            match tokio::task::spawn_blocking(move || placing.assign_positions()).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "batches could not be placed in the log"),
                Err(error) => tracing::error!(%error, "placing batches ended in a panic"),
            }
        }
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            () = stop.cancelled() => {}
        }
    }
}

/// Listens for what happens elsewhere to waits and leases, until it is told to stop.
/// Blocks.
pub(crate) fn listen(
    cluster: &dyn Cluster,
    parked: &Parked,
    holders: &Holders,
    feed: &Feed,
    writers: &Writers,
    stop: &CancellationToken,
) {
    let mut look_at = since_boot();
    while !stop.is_cancelled() {
        let mut ended = Vec::new();
        for heard in cluster.receive() {
            match heard {
                PeerMessage::WaitEnded { name, key, .. } => ended.push((name, key)),
                PeerMessage::LeaseEnded { name, token, reason } => holders.ended(&name, token, reason),
                PeerMessage::Renewed { name, token, expires_at } => {
                    feed.renewed_elsewhere(&name, token, expires_at)
                }
                PeerMessage::RenewalsSubscribed => feed.followed_elsewhere(),
            }
        }
        if since_boot() >= look_at {
            let waits = parked.all();
            if !waits.is_empty() {
                match cluster.ended_waits(&waits) {
                    Ok(missed) => ended.extend(missed),
                    Err(error) => {
                        tracing::warn!(%error, "the waits that are held open could not be looked at");
                    }
                }
            }
            look_at = since_boot() + LOOK.max(LOOK_PER_WAIT * u32::try_from(waits.len()).unwrap_or(u32::MAX));
        }
        for (name, key) in ended {
            if writers.recheck(name, key).is_err() {
                return;
            }
        }
    }
}
