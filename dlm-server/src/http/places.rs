//! How many connections may be open, in all and from one address.
//!
//! A few places are kept in reserve. A connection that gets one of them may only
//! probe the server, and is closed after one response. So a load balancer or a
//! monitoring system still gets an answer from a server that is full.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::metrics::Metrics;

/// Places for probes while all others are taken.
const RESERVE: usize = 64;
/// How many of them one address may take: the others remain for the probes of
/// other addresses.
const RESERVE_PER_ADDRESS: usize = 48;
/// Open files besides connections: the database, the listeners and their probes, the log.
const OTHER_FILES: usize = 256;
/// Connections to the listener for probes.
const PROBES: usize = 64;

/// How many connections may be open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionLimits {
    total: usize,
    per_address: usize,
}

impl ConnectionLimits {
    /// The limits of a listener for probes, which takes no places of the others.
    pub(super) const PROBES: Self = Self { total: PROBES, per_address: PROBES };

    /// Limits to `total` connections, or fewer if the process may not open so
    /// many files. One address may have `per_address` of them, by default four
    /// fifths.
    pub(crate) fn new(total: usize, per_address: Option<usize>, open_files: Option<u64>) -> Self {
        let files = open_files.and_then(|files| usize::try_from(files).ok()).unwrap_or(usize::MAX);
        let allowed = files.saturating_sub(RESERVE + OTHER_FILES).max(files / 2).max(1);
        if total > allowed {
            tracing::info!(
                open_files = files,
                connections = allowed,
                "open file limit allows fewer connections than configured"
            );
        }
        let total = total.min(allowed).max(1);
        let per_address = per_address.unwrap_or(total.div_ceil(5) * 4).clamp(1, total);
        Self { total, per_address }
    }
}

/// The places of a server. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct Places(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limits: ConnectionLimits,
    taken: Mutex<Taken>,
    freed: Notify,
    metrics: Arc<Metrics>,
}

/// The places that are taken.
#[derive(Debug, Default)]
struct Taken {
    all: Count,
    by_address: HashMap<IpAddr, Count>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    regular: usize,
    reserve: usize,
}

/// The place of one connection. It is free again when it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Inner>,
    address: IpAddr,
    refused: Option<Full>,
}

/// Why a connection got a place of the reserve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Full {
    /// All places of the server are taken.
    Server,
    /// The address has all that it may have.
    Address,
}

impl Place {
    /// Why the connection has a place of the reserve, if so.
    pub(super) fn refused(&self) -> Option<Full> {
        self.refused
    }
}

impl Places {
    pub(super) fn new(limits: ConnectionLimits, metrics: Arc<Metrics>) -> Self {
        Self(Arc::new(Inner { limits, taken: Mutex::default(), freed: Notify::new(), metrics }))
    }

    /// Takes a place for a connection from this address. Waits while even the
    /// reserve is taken. `None` if the address has used up its share of it.
    ///
    /// A trusted proxy may have all regular places: its connections are of many clients.
    pub(super) async fn take(&self, address: IpAddr, is_proxy: bool) -> Option<Place> {
        let address = network(address);
        loop {
            if let Some(place) = self.try_take(address, is_proxy) {
                if place.is_none() {
                    self.0.metrics.connection_refused();
                }
                return place;
            }
            self.0.freed.notified().await;
        }
    }

    /// `None` while all places are taken, `Some(None)` if those of the address
    /// are.
    fn try_take(&self, address: IpAddr, is_proxy: bool) -> Option<Option<Place>> {
        let ConnectionLimits { total, per_address } = self.0.limits;
        let mut taken = self.0.taken();
        let Taken { all, by_address } = &mut *taken;
        let own = by_address.entry(address).or_default();
        let refused = if all.regular >= total {
            Some(Full::Server)
        } else if own.regular >= per_address && !is_proxy {
            Some(Full::Address)
        } else {
            None
        };
        match refused {
            Some(_) if own.reserve >= RESERVE_PER_ADDRESS => return Some(None),
            Some(_) if all.reserve >= RESERVE => {
                taken.forget_if_unused(address);
                return None;
            }
            Some(_) => {
                own.reserve += 1;
                all.reserve += 1;
            }
            None => {
                own.regular += 1;
                all.regular += 1;
            }
        }
        drop(taken);
        self.0.metrics.connection_opened();
        if refused.is_some() {
            self.0.metrics.connection_refused();
        }
        Some(Some(Place { places: Arc::clone(&self.0), address, refused }))
    }
}

impl Inner {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    fn forget_if_unused(&mut self, address: IpAddr) {
        let unused = |count: &Count| count.regular == 0 && count.reserve == 0;
        if self.by_address.get(&address).is_some_and(unused) {
            self.by_address.remove(&address);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        let Taken { all, by_address } = &mut *taken;
        if let Some(own) = by_address.get_mut(&self.address) {
            let places = [all, own];
            for count in places {
                match self.refused {
                    Some(_) => count.reserve -= 1,
                    None => count.regular -= 1,
                }
            }
        }
        taken.forget_if_unused(self.address);
        drop(taken);
        self.places.metrics.connection_closed();
        self.places.freed.notify_one();
    }
}

/// What counts as one address: a host usually has a whole IPv6 network of 64
/// bits.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(total: usize, per_address: usize) -> Places {
        Places::new(ConnectionLimits::new(total, Some(per_address), None), Metrics::new())
    }

    fn taken(places: &Places, address: &str) -> Option<Option<Place>> {
        places.try_take(network(address.parse().unwrap()), false)
    }

    fn is_refused(places: &Places, address: &str) -> bool {
        taken(places, address).unwrap().unwrap().refused().is_some()
    }

    #[test]
    fn an_address_has_a_share_of_the_places() {
        let places = places(5, 3);
        let first: Vec<_> = (0..3).map(|_| taken(&places, "10.0.0.1").unwrap().unwrap()).collect();
        assert!(first.iter().all(|place| place.refused().is_none()));
        assert!(is_refused(&places, "10.0.0.1") && is_refused(&places, "::ffff:10.0.0.1"));
        assert!(!is_refused(&places, "10.0.0.2"));
        drop(first);
        assert!(!is_refused(&places, "10.0.0.1"));
        assert!(places.0.taken().by_address.is_empty(), "an address without connections is forgotten");
    }

    #[test]
    fn a_trusted_proxy_may_have_all_places() {
        let places = places(5, 3);
        let proxy = "10.0.0.1".parse().unwrap();
        let regular = || places.try_take(proxy, true).unwrap().unwrap();
        let taken: Vec<_> = (0..5).map(|_| regular()).collect();
        assert!(taken.iter().all(|place| place.refused().is_none()));
        assert!(regular().refused().is_some(), "there are more places than limited");
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let places = places(9, 1);
        let _first = taken(&places, "2001:db8:0:1::1").unwrap().unwrap();
        assert!(is_refused(&places, "2001:db8:0:1:ffff::2"));
        assert!(!is_refused(&places, "2001:db8:0:2::1"));
    }

    #[tokio::test]
    async fn the_reserve_is_shared_and_given_back() {
        let places = places(1, 1);
        let _regular = taken(&places, "10.0.0.1").unwrap().unwrap();
        let mut reserve: Vec<_> =
            (0..RESERVE_PER_ADDRESS).map(|_| taken(&places, "10.0.0.2").unwrap().unwrap()).collect();
        assert!(taken(&places, "10.0.0.2").unwrap().is_none(), "one address took the whole reserve");
        reserve.extend((RESERVE_PER_ADDRESS..RESERVE).map(|_| taken(&places, "10.0.0.3").unwrap().unwrap()));
        assert!(taken(&places, "10.0.0.3").is_none(), "there are more places than limited");
        let waiting = places.take("10.0.0.3".parse().unwrap(), false);
        let free = async { drop(reserve.pop()) };
        let (place, ()) = tokio::join!(waiting, free);
        assert!(place.unwrap().refused().is_some());
    }

    #[test]
    fn the_open_file_limit_bounds_the_places() {
        let limits = |files| ConnectionLimits::new(20_000, None, files);
        assert_eq!(limits(None), ConnectionLimits { total: 20_000, per_address: 16_000 });
        assert_eq!(limits(Some(1 << 20)), limits(None));
        assert_eq!(limits(Some(1024)).total, 704);
        assert_eq!(limits(Some(256)).total, 128);
        assert_eq!(ConnectionLimits::new(10, Some(99), None).per_address, 10);
    }
}
