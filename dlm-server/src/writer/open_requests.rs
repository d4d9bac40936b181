//! Which requests are open, as the tasks of an uncommitted batch see it.

use std::collections::{HashMap, HashSet};

use dlm_engine::{ClaimKey, KnowsKey};

use super::job::{Leave, RequestId};
use super::parked::Parked;
use crate::store::Name;

/// The requests that joined or departed in an uncommitted batch. Together with
/// [`Parked`], which changes only after the commit, they tell which requests of
/// a claim are open.
#[derive(Default)]
pub(super) struct OpenRequests {
    joined: HashMap<(Name, ClaimKey), Vec<RequestId>>,
    departed: HashSet<RequestId>,
}

impl OpenRequests {
    /// The request was queued.
    pub(super) fn join(&mut self, name: &Name, key: &ClaimKey, request: RequestId) {
        self.joined.entry((Name::clone(name), key.clone())).or_default().push(request);
    }

    /// Whether a request of the claim is parked or has joined.
    pub(super) fn contains(&self, parked: &Parked, name: &Name, key: &ClaimKey, request: RequestId) -> bool {
        self.of(parked, name, key).any(|open| open == request)
    }

    /// Whether the claim has an open request.
    pub(super) fn any(&self, parked: &Parked, name: &Name, key: &ClaimKey) -> bool {
        self.of(parked, name, key).any(|request| !self.departed.contains(&request))
    }

    /// The request of a claim departs. Returns whether its claim has no open request from
    /// now on. A request that was not open changes nothing, unless it is
    /// unknown whether it was, or its caller does not know the key: then it may
    /// have been granted.
    pub(super) fn depart(&mut self, parked: &Parked, leave: &Leave, key: &ClaimKey) -> bool {
        let mut was_open = leave.request.is_none() || leave.knows_key == KnowsKey::No;
        let mut others = false;
        for request in self.of(parked, &leave.name, key) {
            if Some(request) == leave.request {
                was_open = true;
            } else if !self.departed.contains(&request) {
                others = true;
            }
        }
        self.departed.extend(leave.request);
        was_open && !others
    }

    /// The requests that are parked or have joined.
    fn of(&self, parked: &Parked, name: &Name, key: &ClaimKey) -> impl Iterator<Item = RequestId> {
        let joined = self.joined.get(&(Name::clone(name), key.clone()));
        parked.requests(name, key).into_iter().chain(joined.into_iter().flatten().copied())
    }
}
