//! The place of a lock request in the queue.

use tokio::sync::watch;

/// The place of a lock request in the queue, as the server last reported it.
///
/// Passed to the callback of [`LockRequest::on_queued`](crate::LockRequest::on_queued).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct QueuePlace {
    /// The position in the queue, from 1. The request at 1 is granted next.
    pub position: u64,
    /// How many requests were in the queue.
    pub queue_len: u64,
}

/// What is called with each new place.
pub(crate) type PlaceCallback = Box<dyn FnMut(QueuePlace) + Send>;

/// Where the connection puts the newest place of a request. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct PlaceSender(watch::Sender<Option<QueuePlace>>);

/// Receives the newest place.
#[derive(Debug)]
pub(crate) struct PlaceReceiver(watch::Receiver<Option<QueuePlace>>);

pub(crate) fn channel() -> (PlaceSender, PlaceReceiver) {
    let (sender, receiver) = watch::channel(None);
    (PlaceSender(sender), PlaceReceiver(receiver))
}

impl PlaceSender {
    /// Reports a place, if the position is another than before.
    pub(crate) fn send(&self, position: u64, queue_len: u64) {
        self.0.send_if_modified(|place| {
            let moved = place.is_none_or(|place| place.position != position);
            if moved {
                *place = Some(QueuePlace { position, queue_len });
            }
            moved
        });
    }
}

impl PlaceReceiver {
    /// Waits for a place that was not returned before. Never returns once there will be none.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: no place is lost but those that a newer one replaces.
    pub(crate) async fn next(&mut self) -> QueuePlace {
        loop {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            let newest = *self.0.borrow_and_update();
            if let Some(place) = newest {
                return place;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn place_is_reported_when_the_position_changes_and_only_the_newest_one() {
        let (sender, mut receiver) = channel();
        assert!(receiver.next().now_or_never().is_none());
        sender.send(3, 3);
        sender.send(2, 5);
        let newest = receiver.next().now_or_never();
        assert_eq!(newest, Some(QueuePlace { position: 2, queue_len: 5 }));
        sender.send(2, 9);
        assert!(receiver.next().now_or_never().is_none());
        sender.send(1, 9);
        drop(sender);
        assert_eq!(receiver.next().now_or_never().map(|place| place.position), Some(1));
        assert!(receiver.next().now_or_never().is_none());
    }
}
