//! Who is told at once that a lease has ended without its holder's doing.
//!
//! A socket that acquired or renewed a lease is remembered here until the lease
//! ends. It is a courtesy: a holder that is not told learns of it at its next
//! renewal.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dlm_protocol::{EndReason, FencingToken, Lease, LeaseEnded, ResourceName, Timestamp};
use tokio::sync::mpsc;

use crate::clock::since_boot;
use crate::store::Name;

/// Where a socket is told.
pub(crate) type Told = mpsc::UnboundedSender<LeaseEnded>;

/// The leases that sockets hold.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<Leases>);

#[derive(Debug, Default)]
struct Leases {
    by_name: HashMap<LeaseName, Holder>,
    /// Leases that ended a moment ago and that no socket held: the answer with
    /// the lease may still be on its way to one.
    just_ended: HashMap<LeaseName, EndReason>,
    /// Those in the order in which they ended.
    endings: VecDeque<(Duration, LeaseName)>,
    /// The newest grant that was seen: the deciding clock is not before it.
    newest_grant: Option<Timestamp>,
    /// How many there may be before those that are over are looked for: a
    /// lease may have been released at another replica.
    clean_up_at: usize,
}

type LeaseName = (Name, u64);

#[derive(Debug)]
struct Holder {
    expires_at: Timestamp,
    told: Vec<Told>,
}

/// Below this many it is not worth looking for leases that are over.
const FEW: usize = 1024;
/// How long an answer may take from the commit to the socket, and how many ends
/// are remembered for so long.
const ON_ITS_WAY: Duration = Duration::from_secs(5);
const MOST_ENDINGS: usize = 10_000;

impl Holders {
    /// A socket acquired or renewed a lease.
    pub(crate) fn add(&self, lease: &Lease, told: &Told) {
        let name = (lease.resource.to_shared(), lease.fencing_token.get());
        let mut leases = self.lock();
        if let Some(reason) = leases.just_ended.get(&name) {
            // One that went away need not be told.
            told.send(word(&lease.resource, lease.fencing_token, *reason)).ok();
            return;
        }
        leases.newest_grant = leases.newest_grant.max(Some(lease.acquired_at));
        let new = || Holder { expires_at: lease.expires_at, told: Vec::with_capacity(1) };
        let holder = leases.by_name.entry(name).or_insert_with(new);
        holder.expires_at = lease.expires_at;
        if !holder.told.iter().any(|other| other.same_channel(told)) {
            holder.told.retain(|other| !other.is_closed());
            holder.told.push(told.clone());
        }
        if leases.by_name.len() > leases.clean_up_at.max(FEW) {
            leases.clean_up();
        }
    }

    /// A lease has ended; whoever holds it is told, unless it is by their doing.
    pub(crate) fn ended(&self, name: &Name, token: u64, reason: EndReason) {
        let mut leases = self.lock();
        let ended = (Name::clone(name), token);
        let Some(holder) = leases.by_name.remove(&ended) else {
            if reason != EndReason::Released {
                leases.remember(ended, reason);
            }
            return;
        };
        drop(leases);
        let Ok(resource) = ResourceName::try_from(&**name) else { return };
        if reason != EndReason::Released {
            for told in holder.told {
                told.send(word(&resource, FencingToken::new(token), reason)).ok();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// Forgets leases that ended without a word of it.
    fn clean_up(&mut self) {
        let now = self.newest_grant.map_or(0, Timestamp::as_micros);
        self.by_name.retain(|_, holder| {
            holder.told.retain(|told| !told.is_closed());
            !holder.told.is_empty() && holder.expires_at.as_micros() + 60_000_000 > now
        });
        self.clean_up_at = self.by_name.len() * 2;
    }

    fn remember(&mut self, ended: LeaseName, reason: EndReason) {
        let now = since_boot();
        let is_old = |at: Duration| now.saturating_sub(at) > ON_ITS_WAY;
        while self.endings.len() >= MOST_ENDINGS || self.endings.front().is_some_and(|(at, _)| is_old(*at)) {
            let Some((_, oldest)) = self.endings.pop_front() else { break };
            self.just_ended.remove(&oldest);
        }
        if self.just_ended.insert(ended.clone(), reason).is_none() {
            self.endings.push_back((now, ended));
        }
    }
}

fn word(resource: &ResourceName, fencing_token: FencingToken, reason: EndReason) -> LeaseEnded {
    LeaseEnded { resource: resource.clone(), fencing_token, reason }
}

#[cfg(test)]
mod tests {
    use dlm_protocol::{LeaseId, Metadata, Mode, Owner, Ttl};

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
        }
    }

    #[test]
    fn a_holder_is_told_once_of_an_end_that_is_not_its_own() {
        let holders = Holders::default();
        let (told, mut heard) = mpsc::unbounded_channel();
        let name = Name::from("a");
        for token in 1..=2 {
            holders.add(&lease(token, 0, 30), &told);
            holders.add(&lease(token, 0, 30), &told);
        }
        holders.ended(&name, 1, EndReason::Released);
        holders.ended(&name, 2, EndReason::Expired);
        holders.ended(&name, 2, EndReason::Expired);
        assert_eq!(heard.try_recv().unwrap().fencing_token.get(), 2);
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn one_whose_lease_ended_while_the_answer_was_on_its_way_is_told() {
        let holders = Holders::default();
        let (told, mut heard) = mpsc::unbounded_channel();
        holders.ended(&Name::from("a"), 1, EndReason::ForceReleased);
        holders.ended(&Name::from("a"), 2, EndReason::Released);
        holders.add(&lease(1, 0, 30), &told);
        holders.add(&lease(2, 0, 30), &told);
        assert_eq!(heard.try_recv().unwrap().reason, EndReason::ForceReleased);
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn ends_that_concern_no_socket_do_not_pile_up() {
        let holders = Holders::default();
        for token in 0..3 * MOST_ENDINGS as u64 {
            holders.ended(&Name::from("a"), token, EndReason::Expired);
        }
        let leases = holders.lock();
        assert_eq!((leases.endings.len(), leases.just_ended.len()), (MOST_ENDINGS, MOST_ENDINGS));
    }

    #[test]
    fn a_lease_that_lives_long_does_not_make_others_look_over() {
        let holders = Holders::default();
        let (told, mut heard) = mpsc::unbounded_channel();
        for token in 0..FEW as u64 {
            holders.add(&lease(token, 0, 30), &told);
        }
        holders.add(&lease(FEW as u64, 0, 86_400), &told);
        holders.ended(&Name::from("a"), 0, EndReason::Expired);
        assert_eq!(heard.try_recv().unwrap().fencing_token.get(), 0);
    }

    #[test]
    fn leases_that_are_over_unseen_do_not_pile_up() {
        let holders = Holders::default();
        let (told, _heard) = mpsc::unbounded_channel();
        for token in 0..10_000 {
            holders.add(&lease(token, token as i64, 30), &told);
        }
        assert!(holders.lock().by_name.len() <= 2 * FEW);
    }
}
