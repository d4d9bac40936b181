//! Renewals, for those who follow them. They are not in the log: they are told
//! live, and one who can't keep up misses some.
//!
//! A server where somebody follows them says so to the others, again and again.
//! As long as one does, the others collect theirs and tell them a few times a
//! second. So they cost nothing while nobody looks.

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

/// Most renewals that wait to be sent to one who follows; it misses the rest.
const MOST_WAITING: usize = 4096;
/// How often other servers are told of renewals, and how many at a time.
const TELL: Duration = Duration::from_millis(250);
const MOST_TOLD: usize = 1000;
/// For so many times after the last word of a server where somebody follows.
const TIMES: u32 = 12;

/// A renewal, as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Renewed {
    pub(crate) resource: Name,
    pub(crate) text: Utf8Bytes,
}

#[derive(Debug)]
pub(super) struct Renewals {
    followed: broadcast::Sender<Renewed>,
    /// How many times other servers are still to be told.
    times: AtomicU32,
    untold: Mutex<Vec<PeerMessage>>,
}

impl Default for Renewals {
    fn default() -> Self {
        let followed = broadcast::Sender::new(MOST_WAITING);
        Self { followed, times: AtomicU32::new(0), untold: Mutex::default() }
    }
}

impl Renewals {
    fn untold(&self) -> MutexGuard<'_, Vec<PeerMessage>> {
        self.untold.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    /// A lease began a new term.
    pub(crate) fn renewed(&self, name: &Name, claim: &Claim) {
        let Some(lease) = claim.lease() else { return };
        self.renewed_elsewhere(name, lease.token, lease.expires_at);
        let renewals = &self.0.renewals;
        if renewals.times.load(Ordering::Relaxed) > 0 {
            let mut untold = renewals.untold();
            if untold.len() < MOST_TOLD {
                let (name, token, expires_at) = (Name::clone(name), lease.token, lease.expires_at);
                untold.push(PeerMessage::Renewed { name, token, expires_at });
            }
        }
    }

    /// A lease began a new term at another server.
    pub(crate) fn renewed_elsewhere(&self, name: &Name, token: u64, expires_at: Micros) {
        let followed = &self.0.renewals.followed;
        if followed.receiver_count() == 0 {
            return;
        }
        let Ok(resource) = ResourceName::try_from(&**name) else { return };
        let renewal = EventMessage::Renewed(Renewal {
            resource,
            fencing_token: FencingToken::new(token),
            expires_at: Timestamp::from_micros(expires_at.0),
        });
        if let Ok(text) = serde_json::to_string(&renewal) {
            // Nobody listens any more.
            followed.send(Renewed { resource: Name::clone(name), text: text.into() }).ok();
        }
    }

    /// At another server somebody follows renewals.
    pub(crate) fn followed_elsewhere(&self) {
        self.0.renewals.times.store(TIMES, Ordering::Relaxed);
    }

    /// Renewals from now on.
    pub(crate) fn renewals(&self) -> broadcast::Receiver<Renewed> {
        self.0.renewals.followed.subscribe()
    }
}

/// Tells other servers of renewals, and that renewals are followed here, until it
/// is told to stop.
pub(crate) async fn tell(feed: Feed, cluster: Arc<dyn Cluster>, stop: CancellationToken) {
    let renewals = &feed.0.renewals;
    loop {
        tokio::select! {
            () = tokio::time::sleep(TELL) => {}
            () = stop.cancelled() => return,
        }
        let mut messages = std::mem::take(&mut *renewals.untold());
        if renewals.followed.receiver_count() > 0 {
            messages.push(PeerMessage::RenewalsSubscribed);
        }
        if !messages.is_empty() {
            cluster.announce(messages);
        }
        let one_less = |times: u32| times.checked_sub(1);
        // At zero it stays there.
        renewals.times.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).ok();
    }
}
