//! The sockets to notify when a lease expires or is force-released, or when its holder is asked to
//! let go of it.
//!
//! A socket that acquired or renewed a lease watches it until it ends. The
//! notification is best effort: a holder that misses it learns at its next
//! renewal.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_protocol::{EndReason, FencingToken, Lease, LeaseEnded, ReleaseNotice, ResourceName, Timestamp};
use tokio::sync::mpsc;

use crate::clock::since_boot;
use crate::store::Name;

/// What a socket that watches a lease is told.
#[derive(Debug)]
pub(crate) enum LeaseNotice {
    Ended(LeaseEnded),
    ReleaseRequested(Box<ReleaseNotice>),
}

/// Delivers what concerns a lease to the socket that watches it.
pub(crate) type LeaseNoticeSender = mpsc::UnboundedSender<LeaseNotice>;

/// The leases that are watched, and by which sockets.
#[derive(Debug, Default)]
pub(crate) struct LeaseWatchers(Mutex<Leases>);

#[derive(Debug, Default)]
struct Leases {
    watched: HashMap<LeaseName, Watched>,
    /// Leases that ended moments ago without a watcher: the reply that makes a
    /// socket watch one may still be in flight.
    just_ended: HashMap<LeaseName, EndReason>,
    /// The keys of `just_ended`, oldest first, with the time of the end.
    endings: VecDeque<(Duration, LeaseName)>,
    /// The newest grant seen; a lower bound of the deciding clock.
    newest_grant: Option<Timestamp>,
    /// The size of `watched` that triggers a clean-up. Leases that were released
    /// at another replica leave stale entries.
    clean_up_at: usize,
}

type LeaseName = (Name, u64);

#[derive(Debug)]
struct Watched {
    expires_at: Timestamp,
    senders: Vec<LeaseNoticeSender>,
}

/// Below this many entries a clean-up is not worth its cost.
const MIN_CLEAN_UP: usize = 1024;
/// How long the reply with a lease may take from the commit to the socket, and
/// the maximum number of endings kept for that long.
const REPLY_IN_FLIGHT: Duration = Duration::from_secs(5);
const MAX_ENDINGS: usize = 10_000;

impl LeaseWatchers {
    /// Watches a lease for a socket that acquired or renewed it.
    pub(crate) fn watch(&self, lease: &Lease, sender: &LeaseNoticeSender) {
        let name = (lease.resource.to_shared(), lease.fencing_token.get());
        let mut leases = self.lock();
        if let Some(reason) = leases.just_ended.get(&name) {
            // Fails only when the socket has closed.
            sender.send(lease_ended(&lease.resource, lease.fencing_token, *reason)).ok();
            return;
        }
        leases.newest_grant = leases.newest_grant.max(Some(lease.acquired_at));
        let new = || Watched { expires_at: lease.expires_at, senders: Vec::with_capacity(1) };
        let watched = leases.watched.entry(name).or_insert_with(new);
        watched.expires_at = lease.expires_at;
        if !watched.senders.iter().any(|other| other.same_channel(sender)) {
            watched.senders.retain(|other| !other.is_closed());
            watched.senders.push(sender.clone());
        }
        if leases.watched.len() > leases.clean_up_at.max(MIN_CLEAN_UP) {
            leases.clean_up();
        }
    }

    /// Ends the watch of a lease. Its watchers are notified unless the holder
    /// released it.
    pub(crate) fn ended(&self, name: &Name, token: u64, reason: EndReason) {
        let mut leases = self.lock();
        let ended = (Name::clone(name), token);
        let Some(watched) = leases.watched.remove(&ended) else {
            if reason != EndReason::Released {
                leases.remember(ended, reason);
            }
            return;
        };
        drop(leases);
        let Ok(resource) = ResourceName::try_from(&**name) else { return };
        if reason != EndReason::Released {
            for sender in watched.senders {
                sender.send(lease_ended(&resource, FencingToken::new(token), reason)).ok();
            }
        }
    }

    /// Tells the sockets that watch a lease that its holder is asked to let go of it.
    pub(crate) fn release_requested(&self, notice: &ReleaseNotice) {
        let name = (notice.resource.to_shared(), notice.fencing_token.get());
        let leases = self.lock();
        for sender in leases.watched.get(&name).into_iter().flat_map(|watched| &watched.senders) {
            sender.send(LeaseNotice::ReleaseRequested(Box::new(notice.clone()))).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// Drops entries whose end went unnoticed here, and closed sockets.
    fn clean_up(&mut self) {
        let now = self.newest_grant.map_or(0, Timestamp::as_micros);
        self.watched.retain(|_, watched| {
            watched.senders.retain(|sender| !sender.is_closed());
            !watched.senders.is_empty() && watched.expires_at.as_micros() + 60_000_000 > now
        });
        self.clean_up_at = self.watched.len() * 2;
    }

    fn remember(&mut self, ended: LeaseName, reason: EndReason) {
        let now = since_boot();
        let is_old = |at: Duration| now.saturating_sub(at) > REPLY_IN_FLIGHT;
        while self.endings.len() >= MAX_ENDINGS || self.endings.front().is_some_and(|(at, _)| is_old(*at)) {
            let Some((_, oldest)) = self.endings.pop_front() else { break };
            self.just_ended.remove(&oldest);
        }
        if self.just_ended.insert(ended.clone(), reason).is_none() {
            self.endings.push_back((now, ended));
        }
    }
}

fn lease_ended(resource: &ResourceName, fencing_token: FencingToken, reason: EndReason) -> LeaseNotice {
    LeaseNotice::Ended(LeaseEnded { resource: resource.clone(), fencing_token, reason })
}

#[cfg(test)]
mod tests {
    use dlm_protocol::{LeaseId, Metadata, Mode, Owner, PendingRelease, Ttl};

    use super::*;

    fn lease(token: u64, acquired_at_s: i64, ttl_s: i64) -> Lease {
        let time = |seconds: i64| Timestamp::from_micros(seconds * 1_000_000);
        Lease {
            resource: ResourceName::try_from("a").unwrap(),
            lease_id: LeaseId::try_from("id").unwrap(),
            mode: Mode::Exclusive,
            fencing_token: FencingToken::new(token),
            ttl_ms: Ttl::default(),
            acquired_at: time(acquired_at_s),
            expires_at: time(acquired_at_s + ttl_s),
            elapsed_ms: 0,
            owner: Owner::default(),
            metadata: Metadata::default(),
            release_requested: None,
        }
    }

    fn notice(notices: &mut mpsc::UnboundedReceiver<LeaseNotice>) -> LeaseEnded {
        let notice = notices.try_recv().expect("a notice");
        let LeaseNotice::Ended(ended) = notice else { panic!("{notice:?}") };
        ended
    }

    #[test]
    fn watchers_are_notified_once_and_not_of_a_release() {
        let watchers = LeaseWatchers::default();
        let (sender, mut ended) = mpsc::unbounded_channel();
        let name = Name::from("a");
        for token in 1..=2 {
            watchers.watch(&lease(token, 0, 30), &sender);
            watchers.watch(&lease(token, 0, 30), &sender);
        }
        watchers.ended(&name, 1, EndReason::Released);
        watchers.ended(&name, 2, EndReason::Expired);
        watchers.ended(&name, 2, EndReason::Expired);
        assert_eq!(notice(&mut ended).fencing_token.get(), 2);
        assert!(ended.try_recv().is_err());
    }

    #[test]
    fn watchers_of_one_lease_are_told_that_it_is_wanted_back() {
        let watchers = LeaseWatchers::default();
        let (sender, mut notices) = mpsc::unbounded_channel();
        let (other, mut other_notices) = mpsc::unbounded_channel();
        watchers.watch(&lease(1, 0, 30), &sender);
        watchers.watch(&lease(2, 0, 30), &other);
        let request = PendingRelease {
            reason: "deploy".into(),
            requested_by: None,
            requested_at: Timestamp::from_micros(0),
            deadline: Timestamp::from_micros(1),
            force: false,
        };
        let resource = ResourceName::try_from("a").unwrap();
        watchers.release_requested(&ReleaseNotice { resource, fencing_token: FencingToken::new(1), request });
        let told = notices.try_recv();
        assert!(
            matches!(&told, Ok(LeaseNotice::ReleaseRequested(notice)) if notice.request.reason == "deploy")
        );
        assert!(other_notices.try_recv().is_err());
        watchers.ended(&Name::from("a"), 1, EndReason::Expired);
        assert_eq!(notice(&mut notices).fencing_token.get(), 1, "it is still watched");
    }

    #[test]
    fn a_lease_that_ended_while_its_reply_was_in_flight_is_still_reported() {
        let watchers = LeaseWatchers::default();
        let (sender, mut ended) = mpsc::unbounded_channel();
        watchers.ended(&Name::from("a"), 1, EndReason::ForceReleased);
        watchers.ended(&Name::from("a"), 2, EndReason::Released);
        watchers.watch(&lease(1, 0, 30), &sender);
        watchers.watch(&lease(2, 0, 30), &sender);
        assert_eq!(notice(&mut ended).reason, EndReason::ForceReleased);
        assert!(ended.try_recv().is_err());
    }

    #[test]
    fn endings_without_a_watcher_are_bounded() {
        let watchers = LeaseWatchers::default();
        for token in 0..3 * MAX_ENDINGS as u64 {
            watchers.ended(&Name::from("a"), token, EndReason::Expired);
        }
        let leases = watchers.lock();
        assert_eq!((leases.endings.len(), leases.just_ended.len()), (MAX_ENDINGS, MAX_ENDINGS));
    }

    #[test]
    fn a_long_ttl_does_not_make_other_leases_look_stale() {
        let watchers = LeaseWatchers::default();
        let (sender, mut ended) = mpsc::unbounded_channel();
        for token in 0..MIN_CLEAN_UP as u64 {
            watchers.watch(&lease(token, 0, 30), &sender);
        }
        watchers.watch(&lease(MIN_CLEAN_UP as u64, 0, 86_400), &sender);
        watchers.ended(&Name::from("a"), 0, EndReason::Expired);
        assert_eq!(notice(&mut ended).fencing_token.get(), 0);
    }

    #[test]
    fn stale_entries_are_bounded() {
        let watchers = LeaseWatchers::default();
        let (sender, _ended) = mpsc::unbounded_channel();
        for token in 0..10_000 {
            watchers.watch(&lease(token, token as i64, 30), &sender);
        }
        assert!(watchers.lock().watched.len() <= 2 * MIN_CLEAN_UP);
    }
}
