//! The operations of a session that are not done yet.

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio::task::coop::unconstrained;

/// Operations that run at the same time in one task.
///
/// They are polled without tokio's cooperative budget. Once that is used up, everything else that
/// the task polls has to wait for its next turn, and is woken then: of 100,000 operations that are
/// ready, each would be polled again for every hundred that get on. The session yields by
/// itself, since it reads and sends a bounded number of frames at a time.
pub(super) struct PendingOperations<F>(FuturesUnordered<F>);

impl<F: Future + Unpin> PendingOperations<F> {
    pub(super) fn new() -> Self {
        Self(FuturesUnordered::new())
    }

    /// Begins an operation: it is polled once. Returns its result if it has one already.
    pub(super) fn begin(&mut self, mut operation: F) -> Option<F::Output> {
        let done = unconstrained(&mut operation).now_or_never();
        if done.is_none() {
            self.0.push(operation);
        }
        done
    }

    /// The result of the next operation that is done; `None` if there are no operations.
    ///
    /// Cancel safe.
    pub(super) async fn next(&mut self) -> Option<F::Output> {
        unconstrained(self.0.next()).await
    }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll};

    use tokio::sync::oneshot;

    use super::*;

    struct Counted<'a> {
        reply: oneshot::Receiver<()>,
        polls: &'a AtomicUsize,
    }

    impl Future for Counted<'_> {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            self.polls.fetch_add(1, Ordering::Relaxed);
            Pin::new(&mut self.reply).poll(context).map(|reply| reply.expect("a reply"))
        }
    }

    #[tokio::test]
    async fn operations_that_become_ready_together_are_polled_a_few_times_each() {
        const OPERATIONS: usize = 10_000;
        let polls = AtomicUsize::new(0);
        let mut pending = PendingOperations::new();
        let mut replies = Vec::new();
        for _ in 0..OPERATIONS {
            let (sender, reply) = oneshot::channel();
            assert!(pending.begin(Counted { reply, polls: &polls }).is_none());
            replies.push(sender);
        }
        replies.into_iter().for_each(|reply| reply.send(()).expect("it is awaited"));
        for _ in 0..OPERATIONS {
            pending.next().await.expect("an operation");
        }
        assert!(pending.next().await.is_none());
        let polls = polls.load(Ordering::Relaxed);
        assert!(polls <= 3 * OPERATIONS, "{polls} polls");
    }
}
