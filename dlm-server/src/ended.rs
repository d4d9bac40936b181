//! Who is told at once that a lease has ended without its holder's doing.
//!
//! A socket that acquired or renewed a lease is remembered here until the lease
//! ends. It is a courtesy: a holder that is not told learns of it at its next
//! renewal.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use dlm_protocol::{EndReason, FencingToken, LeaseEnded, ResourceName, Timestamp};
use tokio::sync::mpsc;

use crate::store::Name;

/// Where a socket is told.
pub(crate) type Told = mpsc::UnboundedSender<LeaseEnded>;

/// The leases that sockets hold.
#[derive(Debug, Default)]
pub(crate) struct Holders(Mutex<Leases>);

#[derive(Debug, Default)]
struct Leases {
    by_name: HashMap<(Name, u64), Holder>,
    /// How many there may be before those that are over are looked for: a
    /// lease may have been released at another replica.
    clean_up_at: usize,
}

#[derive(Debug)]
struct Holder {
    expires_at: Timestamp,
    told: Vec<Told>,
}

/// Below this many it is not worth looking for leases that are over.
const FEW: usize = 1024;

impl Holders {
    /// A socket acquired or renewed a lease.
    pub(crate) fn add(
        &self,
        resource: &ResourceName,
        token: FencingToken,
        expires_at: Timestamp,
        told: &Told,
    ) {
        let mut leases = self.lock();
        let new = || Holder { expires_at, told: Vec::with_capacity(1) };
        let holder = leases.by_name.entry((resource.to_shared(), token.get())).or_insert_with(new);
        holder.expires_at = expires_at;
        if !holder.told.iter().any(|other| other.same_channel(told)) {
            // One that went away need not be told.
            holder.told.retain(|other| !other.is_closed());
            holder.told.push(told.clone());
        }
        if leases.by_name.len() > leases.clean_up_at.max(FEW) {
            leases.by_name.retain(|_, holder| {
                holder.told.retain(|told| !told.is_closed());
                !holder.told.is_empty() && holder.expires_at.as_micros() + 60_000_000 > expires_at.as_micros()
            });
            leases.clean_up_at = leases.by_name.len() * 2;
        }
    }

    /// A lease has ended; whoever holds it is told, unless it is by their doing.
    pub(crate) fn ended(&self, name: &Name, token: u64, reason: EndReason) {
        let Some(holder) = self.lock().by_name.remove(&(Name::clone(name), token)) else { return };
        if reason == EndReason::Released {
            return;
        }
        let Ok(resource) = ResourceName::try_from(&**name) else { return };
        let ended = LeaseEnded { resource, fencing_token: FencingToken::new(token), reason };
        for told in holder.told {
            // One that went away need not be told.
            told.send(ended.clone()).ok();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Leases> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_holder_is_told_once_of_an_end_that_is_not_its_own() {
        let holders = Holders::default();
        let (told, mut heard) = mpsc::unbounded_channel();
        let name = ResourceName::try_from("a").unwrap();
        let at = Timestamp::from_micros(0);
        for token in 1..=2 {
            holders.add(&name, FencingToken::new(token), at, &told);
            holders.add(&name, FencingToken::new(token), at, &told);
        }
        holders.ended(&name.to_shared(), 1, EndReason::Released);
        holders.ended(&name.to_shared(), 2, EndReason::Expired);
        holders.ended(&name.to_shared(), 2, EndReason::Expired);
        assert_eq!(heard.try_recv().unwrap().fencing_token.get(), 2);
        assert!(heard.try_recv().is_err());
    }

    #[test]
    fn leases_that_are_over_unseen_do_not_pile_up() {
        let holders = Holders::default();
        let (told, _heard) = mpsc::unbounded_channel();
        for token in 0..10_000_i64 {
            let name = ResourceName::try_from("a").unwrap();
            let at = Timestamp::from_micros(token * 1_000_000);
            holders.add(&name, FencingToken::new(token as u64), at, &told);
        }
        assert!(holders.lock().by_name.len() <= 2 * FEW);
    }
}
