//! The operations that were sent over a socket and have no reply.

use std::collections::HashMap;

use dlm_protocol::SessionQueued;

use super::recipient::Recipient;
use crate::clock::BootInstant;
use crate::place::PlaceSender;

/// An operation without a reply.
pub(super) struct InFlight {
    pub(super) recipient: Recipient,
    /// When its frame was handed to the socket; until then, when it was enqueued.
    pub(super) sent_at: BootInstant,
    /// Where to put the place of a waiting acquire.
    pub(super) places: Option<PlaceSender>,
}

/// The operations in flight, and those among them that have no task.
#[derive(Default)]
pub(super) struct Operations {
    by_id: HashMap<u64, InFlight>,
    /// Those without a task, added since the last call of [`slow`](Self::slow).
    recent: Vec<u64>,
    /// Those without a task, added before it.
    older: Vec<u64>,
}

impl Operations {
    /// Adds an operation. Returns whether there was none without a task, and now is.
    pub(super) fn insert(&mut self, id: u64, operation: InFlight) -> bool {
        let is_first = !self.have_no_task();
        if let Recipient::Continuation(_) = &operation.recipient {
            self.recent.push(id);
        }
        self.by_id.insert(id, operation);
        is_first && self.have_no_task()
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<InFlight> {
        self.by_id.remove(&id)
    }

    /// Reports the place of a waiting acquire to its caller.
    pub(super) fn queued(&self, id: u64, place: SessionQueued) {
        if let Some(InFlight { places: Some(places), .. }) = self.by_id.get(&id) {
            places.send(place.position, place.queue_len);
        }
    }

    /// Records when the frame of an operation is handed to the socket.
    pub(super) fn sent(&mut self, id: u64, now: BootInstant) {
        if let Some(operation) = self.by_id.get_mut(&id) {
            operation.sent_at = now;
        }
    }

    /// Whether some may have no task.
    pub(super) fn have_no_task(&self) -> bool {
        !self.recent.is_empty() || !self.older.is_empty()
    }

    /// Makes those go on in tasks that had none at the call before the last one already.
    pub(super) fn slow(&mut self) {
        for id in std::mem::replace(&mut self.older, std::mem::take(&mut self.recent)) {
            self.go_on_in_task(id);
        }
    }

    /// Makes all go on in tasks.
    pub(super) fn all_slow(&mut self) {
        self.slow();
        self.slow();
    }

    /// Takes all operations.
    pub(super) fn take(&mut self) -> Vec<InFlight> {
        std::mem::take(self).by_id.into_values().collect()
    }

    fn go_on_in_task(&mut self, id: u64) {
        if let Some(InFlight { recipient, sent_at, places }) = self.by_id.remove(&id) {
            let recipient = recipient.wait(sent_at);
            self.by_id.insert(id, InFlight { recipient, sent_at, places });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::clock::Clock;
    use crate::transport::session::recipient::{Continuation, PendingReply, SessionResult};

    struct Waits(Arc<AtomicBool>);

    impl Continuation for Waits {
        fn is_abandoned(&self) -> bool {
            false
        }
        fn complete(self: Box<Self>, _: SessionResult) {}
        fn wait(self: Box<Self>, _: PendingReply) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    #[test]
    fn operation_gets_a_task_at_the_second_tick_after_it() {
        let mut operations = Operations::default();
        let mut add = |id| {
            let waits = Arc::<AtomicBool>::default();
            let recipient = Recipient::Continuation(Box::new(Waits(Arc::clone(&waits))));
            let first =
                operations.insert(id, InFlight { recipient, sent_at: Clock::System.now(), places: None });
            (first, waits)
        };
        let ((first, slow), (second, fast)) = (add(1), add(2));
        assert!(first && !second);
        assert!(operations.remove(2).is_some());
        operations.slow();
        assert!(!slow.load(Ordering::Relaxed) && operations.have_no_task());
        operations.slow();
        assert!(slow.load(Ordering::Relaxed) && !fast.load(Ordering::Relaxed));
        assert!(!operations.have_no_task() && operations.remove(1).is_some());
    }
}
