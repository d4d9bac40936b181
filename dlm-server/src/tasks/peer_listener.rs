//! Receives messages from peers about waits, leases and renewals.

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::background::Attempts;
use crate::clock::since_boot;
use crate::feed::Feed;
use crate::lease_watchers::LeaseWatchers;
use crate::release_requests::ReleaseRequests;
use crate::store::{Cluster, PeerMessage};
use crate::writer::{Parked, Writers};

/// Time between two polls for parked waits that ended at a peer whose message
/// was lost. It grows with the number of waits, so that the polls stay cheap.
const POLL: Duration = Duration::from_millis(100);
const POLL_PER_WAIT: Duration = Duration::from_micros(100);

/// What the messages are passed on to.
pub(super) struct PeerListener {
    pub(super) writers: Writers,
    pub(super) cluster: Arc<dyn Cluster>,
    pub(super) parked: Arc<Parked>,
    pub(super) lease_watchers: Arc<LeaseWatchers>,
    pub(super) release_requests: Arc<ReleaseRequests>,
    pub(super) feed: Feed,
}

impl PeerListener {
    /// Listens until `stop` is cancelled. Blocks.
    pub(super) fn run(&self, mut attempts: Attempts, stop: &CancellationToken) {
        let Self { cluster, parked, lease_watchers, release_requests, feed, writers } = self;
        let mut poll_at = since_boot();
        while !stop.is_cancelled() {
            let mut ended = Vec::new();
            for message in cluster.receive() {
                match message {
                    PeerMessage::WaitEnded { wait, .. } => ended.extend(parked.claim(wait)),
                    PeerMessage::LeaseEnded { name, token, reason } => {
                        lease_watchers.ended(&name, token, reason);
                    }
                    PeerMessage::Renewed { name, token, expires_at } => {
                        feed.renewed_at_peer(&name, token, expires_at);
                    }
                    PeerMessage::RenewalsSubscribed => feed.renewals_wanted_by_peer(),
                    PeerMessage::ReleaseRequested => release_requests.changed_elsewhere(),
                }
            }
            if since_boot() >= poll_at {
                let waits = parked.all();
                if !waits.is_empty() {
                    match cluster.ended_waits(&waits) {
                        Ok(missed) => {
                            attempts.succeeded();
                            ended.extend(missed);
                        }
                        Err(error) => {
                            attempts.failed(&error);
                        }
                    }
                }
                poll_at =
                    since_boot() + POLL.max(POLL_PER_WAIT * u32::try_from(waits.len()).unwrap_or(u32::MAX));
            }
            for (name, key) in ended {
                if writers.recheck(name, key).is_err() {
                    return;
                }
            }
        }
    }
}
