//! Renewals, for the subscribers that want them. They are not in the log: they
//! are sent live, and a subscriber that can't keep up misses some.
//!
//! A server with such subscribers announces it to its peers repeatedly. While
//! the announcements arrive, the peers collect their renewals and send them a
//! few times a second. Without subscribers, renewals cost nothing.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_engine::{Claim, Micros};
use dlm_protocol::{EventMessage, FencingToken, Renewal, ResourceName, Timestamp};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_util::sync::CancellationToken;

use super::Feed;
use crate::store::{Cluster, Name, PeerMessage};

/// Maximum renewals buffered per subscriber; it misses the rest.
const MAX_BUFFERED: usize = 4096;
/// Time between two broadcasts to peers, and maximum renewals in each.
const BROADCAST_INTERVAL: Duration = Duration::from_millis(250);
const MAX_PER_BROADCAST: usize = 1000;
/// How many broadcasts follow the last announcement of a peer's subscribers.
const BROADCASTS_PER_ANNOUNCEMENT: u32 = 12;

/// A renewal, serialized.
#[derive(Debug, Clone)]
pub(crate) struct RenewalMessage {
    pub(crate) resource: Name,
    pub(crate) text: Utf8Bytes,
}

#[derive(Debug)]
pub(super) struct Renewals {
    subscribers: broadcast::Sender<RenewalMessage>,
    /// How many more broadcasts peers want.
    broadcasts_left: AtomicU32,
    /// Renewals for the next broadcast.
    pending: Mutex<Vec<PeerMessage>>,
}

impl Default for Renewals {
    fn default() -> Self {
        let subscribers = broadcast::Sender::new(MAX_BUFFERED);
        Self { subscribers, broadcasts_left: AtomicU32::new(0), pending: Mutex::default() }
    }
}

impl Renewals {
    fn pending(&self) -> MutexGuard<'_, Vec<PeerMessage>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// A lease was renewed at this server.
    pub(crate) fn renewed(&self, name: &Name, claim: &Claim) {
        let Some(lease) = claim.lease() else { return };
        self.renewed_at_peer(name, lease.token, lease.expires_at);
        let renewals = &self.0.renewals;
        if renewals.broadcasts_left.load(Ordering::Relaxed) > 0 {
            let mut pending = renewals.pending();
            if pending.len() < MAX_PER_BROADCAST {
                let (name, token, expires_at) = (Name::clone(name), lease.token, lease.expires_at);
                pending.push(PeerMessage::Renewed { name, token, expires_at });
            }
        }
    }

    /// A lease was renewed at a peer.
    pub(crate) fn renewed_at_peer(&self, name: &Name, token: u64, expires_at: Micros) {
        let subscribers = &self.0.renewals.subscribers;
        if subscribers.receiver_count() == 0 {
            return;
        }
        let Ok(resource) = ResourceName::try_from(&**name) else { return };
        let renewal = EventMessage::Renewed(Renewal {
            resource,
            fencing_token: FencingToken::new(token),
            expires_at: Timestamp::from_micros(expires_at.0),
        });
        if let Ok(text) = serde_json::to_string(&renewal) {
            // Fails only when the last subscriber has just left.
            subscribers.send(RenewalMessage { resource: Name::clone(name), text: text.into() }).ok();
        }
    }

    /// A peer has subscribers to renewals.
    pub(crate) fn renewals_wanted_by_peer(&self) {
        self.0.renewals.broadcasts_left.store(BROADCASTS_PER_ANNOUNCEMENT, Ordering::Relaxed);
    }

    /// Subscribes to renewals from now on.
    pub(crate) fn subscribe_to_renewals(&self) -> broadcast::Receiver<RenewalMessage> {
        self.0.renewals.subscribers.subscribe()
    }
}

/// Broadcasts renewals to peers, and announces this server's subscribers, until
/// `stop` is cancelled.
pub(crate) async fn broadcast_renewals(feed: Feed, cluster: Arc<dyn Cluster>, stop: CancellationToken) {
    let renewals = &feed.0.renewals;
    loop {
        tokio::select! {
            () = tokio::time::sleep(BROADCAST_INTERVAL) => {}
            () = stop.cancelled() => return,
        }
        let mut messages = std::mem::take(&mut *renewals.pending());
        if renewals.subscribers.receiver_count() > 0 {
            messages.push(PeerMessage::RenewalsSubscribed);
        }
        if !messages.is_empty() {
            cluster.announce(messages);
        }
        let decrement = |left: u32| left.checked_sub(1);
        // Fails at zero, where it stays.
        renewals.broadcasts_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, decrement).ok();
    }
}
