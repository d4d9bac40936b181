//! How much one session may have unanswered. It is read all the while, so that
//! renewals and pongs are never behind what waits; what there is no room for is
//! refused.

use std::time::Duration;

use super::frame::Asked;
use crate::service::{Error, Operation};

/// Most acquires that wait for their grant.
const MOST_WAITS: usize = 100_000;
/// Most of everything else, by weight: a renewal of several counts its leases.
const MOST_WEIGHT: usize = 100_000;
/// What a status weighs: there are a hundred holders and waiters in it.
const STATUS: usize = 10;
/// When it is worth asking again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// What one session has unanswered.
#[derive(Debug, Default)]
pub(super) struct Room {
    waits: usize,
    weight: usize,
}

/// What one operation takes up until it is answered.
#[derive(Debug, Clone, Copy)]
pub(super) enum Share {
    Wait,
    Weight(usize),
}

impl Room {
    /// Takes an operation in, if there is room for it.
    pub(super) fn take(&mut self, asked: &Asked) -> Result<Share, Error> {
        let share = share(asked);
        let full = |what| Error::QuotaExceeded { what, retry_after: RETRY_AFTER };
        match share {
            Share::Wait if self.waits >= MOST_WAITS => {
                return Err(full("too many acquires wait over this session"));
            }
            Share::Wait => self.waits += 1,
            Share::Weight(weight) if self.weight + weight > MOST_WEIGHT => {
                return Err(full("too many operations of this session are not answered yet"));
            }
            Share::Weight(weight) => self.weight += weight,
        }
        Ok(share)
    }

    /// An operation was answered.
    pub(super) fn give_back(&mut self, share: Share) {
        match share {
            Share::Wait => self.waits -= 1,
            Share::Weight(weight) => self.weight -= weight,
        }
    }
}

fn share(asked: &Asked) -> Share {
    match asked {
        Asked::Acquire { request, .. } if request.wait_ms.as_millis() > 0 => Share::Wait,
        Asked::Operation(Operation::RenewMany { leases }) => Share::Weight(leases.len().max(1)),
        Asked::Status { .. } => Share::Weight(STATUS),
        Asked::Acquire { .. } | Asked::Operation(_) => Share::Weight(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::socket::frame;

    fn asked(text: &str) -> Asked {
        frame::read(text).unwrap_or_else(|unread| panic!("{}", unread.why)).1
    }

    #[test]
    fn waits_leave_room_for_everything_else() {
        let mut room = Room::default();
        let wait =
            asked(r#"{"id": 1, "op": "acquire", "resource": "a", "idempotency_key": "k", "wait_ms": 9}"#);
        for _ in 0..MOST_WAITS {
            room.take(&wait).unwrap();
        }
        assert!(matches!(room.take(&wait), Err(Error::QuotaExceeded { .. })));
        let release = asked(r#"{"id": 1, "op": "release", "resource": "a", "lease_id": "x"}"#);
        let share = room.take(&release).unwrap();
        room.give_back(share);
        room.give_back(Share::Wait);
        room.take(&wait).unwrap();
    }

    #[test]
    fn a_renewal_of_several_counts_its_leases() {
        let mut room = Room::default();
        let leases = vec![r#"{"resource": "a", "lease_id": "x"}"#; 1000].join(",");
        let renewal = asked(&format!(r#"{{"id": 1, "op": "renew", "leases": [{leases}]}}"#));
        for _ in 0..MOST_WEIGHT / 1000 {
            room.take(&renewal).unwrap();
        }
        assert!(matches!(room.take(&renewal), Err(Error::QuotaExceeded { .. })));
    }
}
