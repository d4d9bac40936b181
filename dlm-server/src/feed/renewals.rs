//! Renewals, for the subscribers that want them. They are not in the log: they
//! are sent live, and a subscriber that can't keep up misses some. Those of a short
//! time are sent together, of each lease the last one.
//!
//! A server with such subscribers announces it to its peers repeatedly. While
//! the announcements arrive, the peers collect their renewals and send them a
//! few times a second. Without subscribers, renewals cost nothing.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_engine::{Claim, Micros};
use dlm_protocol::{EventMessage, FencingToken, Renewal, ResourceName, Timestamp};
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;

use super::Feed;
use super::segment::{Segment, SegmentBuilder};
use crate::store::{Cluster, Name, PeerMessage};

/// How long renewals are collected, and of how many leases; subscribers miss the rest.
const COLLECT: Duration = Duration::from_millis(100);
const MAX_COLLECTED: usize = 4096;
/// Maximum segments buffered per subscriber; it misses the rest.
const MAX_BUFFERED: usize = 64;
/// Time between two broadcasts to peers, and maximum renewals in each.
const BROADCAST_INTERVAL: Duration = Duration::from_millis(250);
const MAX_PER_BROADCAST: usize = 1000;
/// How many broadcasts follow the last announcement of a peer's subscribers.
const BROADCASTS_PER_ANNOUNCEMENT: u32 = 12;

#[derive(Debug)]
pub(super) struct Renewals {
    subscribers: broadcast::Sender<Arc<Segment>>,
    /// The renewals to send next: until when each lease, by its token, is held now.
    collected: Mutex<HashMap<(Name, u64), Micros>>,
    collecting: Notify,
    /// How many more broadcasts peers want.
    broadcasts_left: AtomicU32,
    /// Renewals for the next broadcast.
    pending: Mutex<Vec<PeerMessage>>,
}

impl Default for Renewals {
    fn default() -> Self {
        let subscribers = broadcast::Sender::new(MAX_BUFFERED);
        Self {
            subscribers,
            collected: Mutex::default(),
            collecting: Notify::new(),
            broadcasts_left: AtomicU32::new(0),
            pending: Mutex::default(),
        }
    }
}

impl Renewals {
    fn pending(&self) -> MutexGuard<'_, Vec<PeerMessage>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn collected(&self) -> MutexGuard<'_, HashMap<(Name, u64), Micros>> {
        self.collected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends what was collected.
    fn send(&self) {
        let mut segments = SegmentBuilder::default();
        let collected = std::mem::take(&mut *self.collected());
        for ((name, token), expires_at) in collected {
            let Ok(resource) = ResourceName::try_from(&*name) else { continue };
            let renewal = EventMessage::Renewed(Renewal {
                resource,
                fencing_token: FencingToken::new(token),
                expires_at: Timestamp::from_micros(expires_at.0),
            });
            // Fails for no such message.
            segments.add_renewal(name, &renewal).ok();
        }
        for segment in segments.finish() {
            // Fails only when the last subscriber has just left.
            self.subscribers.send(segment).ok();
        }
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
        let renewals = &self.0.renewals;
        if renewals.subscribers.receiver_count() == 0 {
            return;
        }
        let mut collected = renewals.collected();
        if collected.is_empty() {
            renewals.collecting.notify_one();
        }
        let lease = (Name::clone(name), token);
        if collected.len() < MAX_COLLECTED || collected.contains_key(&lease) {
            collected.insert(lease, expires_at);
        }
    }

    /// A peer has subscribers to renewals.
    pub(crate) fn renewals_wanted_by_peer(&self) {
        self.0.renewals.broadcasts_left.store(BROADCASTS_PER_ANNOUNCEMENT, Ordering::Relaxed);
    }

    /// Subscribes to renewals from now on.
    pub(crate) fn subscribe_to_renewals(&self) -> broadcast::Receiver<Arc<Segment>> {
        self.0.renewals.subscribers.subscribe()
    }
}

/// Sends renewals to this server's subscribers, until `stop` is cancelled.
pub(crate) async fn send_renewals(feed: Feed, stop: CancellationToken) {
    let sending = async {
        loop {
            feed.0.renewals.collecting.notified().await;
            tokio::time::sleep(COLLECT).await;
            feed.0.renewals.send();
        }
    };
    tokio::select! {
        () = sending => {}
        () = stop.cancelled() => {}
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

#[cfg(test)]
mod tests {
    use super::super::Part;
    use super::*;

    #[tokio::test]
    async fn renewals_of_a_short_time_are_sent_together_and_of_each_lease_the_last() {
        let (feed, stop) = (Feed::new(), CancellationToken::new());
        let (a, b) = (Name::from("a"), Name::from("b"));
        feed.renewed_at_peer(&a, 1, Micros(1_000));
        let mut subscriber = feed.subscribe_to_renewals();
        let renewing = async {
            for expires_at in 1..=500 {
                feed.renewed_at_peer(&a, 1, Micros(expires_at * 1_000));
                feed.renewed_at_peer(&b, 2, Micros(7_000));
            }
            let segment = subscriber.recv().await.unwrap();
            stop.cancel();
            segment
        };
        let (segment, ()) = tokio::join!(renewing, send_renewals(feed.clone(), stop.clone()));
        assert_eq!(segment.len(), 2, "nobody was there for the first");
        let of_a = Part::whole(&segment).matching_frames(|name| name == "a");
        let text = std::str::from_utf8(&of_a[2..]).unwrap();
        assert_eq!(
            text,
            r#"{"type":"renewed","resource":"a","fencing_token":1,"expires_at":"1970-01-01T00:00:00.500Z"}"#
        );
        assert!(subscriber.try_recv().is_err());
    }
}
