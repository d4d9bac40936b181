//! Where the results of operations go.
//!
//! Most callers wait for one result, with a future. A session has many operations in flight, so
//! it gets its results by number: a writer puts them down for it, and notifies it once for
//! all that a batch has.

use std::fmt;
use std::sync::Arc;

use dlm_protocol::SessionQueued;
use tokio::sync::oneshot;

use super::job::OperationResult;

/// So few results are few: a session may send the replies in the writer's thread. More are left to
/// the task of the session, so that the writer can go on.
pub(crate) const FEW: usize = 2;

/// Receives the results of the operations of one session.
pub(crate) trait ResultSink: Send + Sync {
    /// Takes a result, or `None` if the writer stopped without one. Never waits. Returns
    /// whether the sink has to be notified, since nothing was left in it.
    fn put(&self, number: u64, result: Option<OperationResult>) -> bool;

    /// Takes the newest place in the queue of an acquire that waits. Never waits.
    fn place(&self, number: u64, place: SessionQueued);

    /// Notifies the sink that it has results. If they are `few`, it may answer its peer
    /// right here, if it need not wait for that.
    fn notify(&self, few: bool);
}

/// Where the result of an operation goes.
#[derive(Debug)]
pub(crate) enum ReplyTo {
    /// To a future that waits for it.
    Future(oneshot::Sender<OperationResult>),
    Session(SessionReply),
}

impl ReplyTo {
    /// Whether the caller can be told its place in the queue while it waits.
    pub(super) fn takes_places(&self) -> bool {
        matches!(self, Self::Session(_))
    }

    /// Tells the caller its place in the queue, if it can be.
    pub(super) fn place(&self, place: SessionQueued) {
        if let Self::Session(SessionReply { sink: Some(sink), number }) = self {
            sink.place(*number, place);
        }
    }
}

/// The place for the result of one operation of a session. The session learns if it is dropped
/// without a result.
pub(crate) struct SessionReply {
    /// `None` once the result was put.
    sink: Option<Arc<dyn ResultSink>>,
    number: u64,
}

impl SessionReply {
    pub(crate) fn new(sink: Arc<dyn ResultSink>, number: u64) -> Self {
        Self { sink: Some(sink), number }
    }
}

impl fmt::Debug for SessionReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionReply").field("number", &self.number).finish_non_exhaustive()
    }
}

impl Drop for SessionReply {
    fn drop(&mut self) {
        if let Some(sink) = self.sink.take()
            && sink.put(self.number, None)
        {
            sink.notify(false);
        }
    }
}

/// Results on their way to their callers. Sessions are notified when it is dropped.
#[derive(Default)]
pub(super) struct Outgoing {
    sinks: Vec<Arc<dyn ResultSink>>,
    results: usize,
}

impl Outgoing {
    /// Sends a result, unless the caller is gone.
    pub(super) fn send(&mut self, to: ReplyTo, result: OperationResult) {
        self.results += 1;
        match to {
            ReplyTo::Future(sender) => {
                sender.send(result).ok();
            }
            ReplyTo::Session(mut reply) => {
                if let Some(sink) = reply.sink.take()
                    && sink.put(reply.number, Some(result))
                {
                    self.sinks.push(sink);
                }
            }
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        let few = self.results <= FEW;
        self.sinks.drain(..).for_each(|sink| sink.notify(few));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use dlm_engine::Micros;

    use super::*;
    use crate::writer::OperationError;

    #[derive(Default)]
    struct Recorded {
        /// The number of each result, and whether there was one.
        results: Mutex<Vec<(u64, bool)>>,
        notified: Mutex<Vec<bool>>,
    }

    impl ResultSink for Recorded {
        fn put(&self, number: u64, result: Option<OperationResult>) -> bool {
            let mut results = self.results.lock().unwrap();
            results.push((number, result.is_some()));
            results.len() == 1
        }

        fn place(&self, _: u64, _: SessionQueued) {}

        fn notify(&self, few: bool) {
            self.notified.lock().unwrap().push(few);
        }
    }

    fn send(sink: &Arc<Recorded>, numbers: std::ops::Range<u64>) {
        let mut outgoing = Outgoing::default();
        for number in numbers {
            let to = ReplyTo::Session(SessionReply::new(Arc::clone(sink) as Arc<dyn ResultSink>, number));
            let result = OperationResult { outcome: Err(OperationError::Overloaded), first_now: Micros(0) };
            outgoing.send(to, result);
        }
        assert!(sink.notified.lock().unwrap().is_empty(), "there may be more");
    }

    #[test]
    fn a_session_is_notified_once_for_all_results_of_a_batch() {
        let sink = Arc::<Recorded>::default();
        send(&sink, 0..3);
        assert_eq!(*sink.results.lock().unwrap(), [(0, true), (1, true), (2, true)]);
        assert_eq!(*sink.notified.lock().unwrap(), [false]);
    }

    #[test]
    fn a_session_learns_that_its_results_are_few() {
        let sink = Arc::<Recorded>::default();
        send(&sink, 0..2);
        assert_eq!(*sink.notified.lock().unwrap(), [true]);
    }

    #[test]
    fn a_session_learns_that_there_will_be_no_result() {
        let sink = Arc::<Recorded>::default();
        drop(SessionReply::new(Arc::clone(&sink) as Arc<dyn ResultSink>, 7));
        assert_eq!(*sink.results.lock().unwrap(), [(7, false)]);
        assert_eq!(*sink.notified.lock().unwrap(), [false]);
    }
}
