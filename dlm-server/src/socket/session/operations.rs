//! The operations of a session that a writer has.

use std::collections::HashMap;
use std::time::Duration;

use dlm_protocol::ResourceName;
use tokio::sync::oneshot;

use crate::service::Started;
use crate::socket::quota::{Permit, SessionQuota};
use crate::writer::OperationResult;

/// An operation that the quota of the session allows.
pub(super) struct Admitted {
    /// The id of its frame.
    pub(super) id: u64,
    /// Released when its reply is made.
    pub(super) permit: Permit,
    /// Its name and its resource, for the audit log; `None` if there is none.
    pub(super) recorded: Option<(&'static str, Option<ResourceName>)>,
}

/// An operation that a writer has.
pub(super) struct InFlight {
    pub(super) admitted: Admitted,
    pub(super) started: Started,
}

/// Who receives a result.
pub(super) enum Recipient {
    /// It is the reply to this operation, whose permit is released.
    Operation(InFlight),
    /// A future waits for it.
    Future(oneshot::Sender<OperationResult>),
}

/// The operations of a session that a writer has, by number.
#[derive(Default)]
pub(super) struct Operations {
    last_number: u64,
    pub(super) quota: SessionQuota,
    in_flight: HashMap<u64, InFlight>,
    /// Where the results of slow operations go.
    slow: HashMap<u64, SlowOperation>,
}

/// An operation that a future waits for.
struct SlowOperation {
    /// The id of its frame.
    id: u64,
    result: oneshot::Sender<OperationResult>,
}

impl Operations {
    /// The number of a new operation.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn insert(&mut self, number: u64, operation: InFlight) {
        self.in_flight.insert(number, operation);
    }

    /// Whether some may become slow.
    pub(super) fn may_become_slow(&self) -> bool {
        !self.in_flight.is_empty()
    }

    /// Who gets a result; nobody if the session has ended.
    pub(super) fn recipient(&mut self, number: u64) -> Option<Recipient> {
        if let Some(operation) = self.in_flight.remove(&number) {
            self.quota.release(operation.admitted.permit);
            return Some(Recipient::Operation(operation));
        }
        self.slow.remove(&number).map(|slow| Recipient::Future(slow.result))
    }

    /// The id of the frame of an operation that has no result and no reply: a future that was given
    /// up has had its reply.
    pub(super) fn frame_id(&self, number: u64) -> Option<u64> {
        let fast = self.in_flight.get(&number).map(|operation| operation.admitted.id);
        let slow = || self.slow.get(&number).filter(|slow| !slow.result.is_closed());
        fast.or_else(|| slow().map(|slow| slow.id))
    }

    /// Takes the operations that were enqueued before this instant, and the receivers of
    /// their results.
    pub(super) fn take_slow(
        &mut self,
        before: Duration,
    ) -> Vec<(InFlight, oneshot::Receiver<OperationResult>)> {
        let slow = self.in_flight.extract_if(|_, operation| operation.started.arrived() < before);
        let slow = slow.map(|(number, operation)| {
            let (sender, receiver) = oneshot::channel();
            self.slow.insert(number, SlowOperation { id: operation.admitted.id, result: sender });
            (operation, receiver)
        });
        slow.collect()
    }

    /// Takes all operations. Results that arrive later are nobody's.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = InFlight> + use<> {
        self.slow.clear();
        std::mem::take(&mut self.in_flight).into_values()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_operation_whose_future_was_given_up_has_no_frame_to_report_a_place_for() {
        let mut operations = Operations::default();
        let (result, receiver) = oneshot::channel();
        operations.slow.insert(1, SlowOperation { id: 7, result });
        assert_eq!(operations.frame_id(1), Some(7));
        drop(receiver);
        assert_eq!(operations.frame_id(1), None);
    }
}
