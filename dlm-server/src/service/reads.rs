//! Reads from the store. They are many and some are long, so only a few run at a
//! time; the others wait, or are refused.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{Error, unavailable};
use crate::background::Background;
use crate::store::{READERS, Reader, StoreError};

/// How long an operation waits until it may read.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(2);
/// How long one that was accepted waits: without the read, a waiter is not told its
/// place and its key.
const MAX_WAIT_ACCEPTED: Duration = Duration::from_secs(5);
/// How long a read may take. Only a database that does not respond needs longer.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The reader of requests, and the permits to use it. Clones share them.
#[derive(Clone)]
pub(super) struct Reads {
    reader: Arc<dyn Reader>,
    /// One per connection: a read never blocks a thread to wait for one.
    permits: Arc<Semaphore>,
}

/// The permission of one operation to read, one read after the other.
pub(super) struct ReadPermit {
    reader: Arc<dyn Reader>,
    permit: Arc<OwnedSemaphorePermit>,
}

impl Reads {
    pub(super) fn new(reader: Arc<dyn Reader>) -> Self {
        Self { reader, permits: Arc::new(Semaphore::new(READERS)) }
    }

    /// Waits for a permit, for two seconds at most.
    pub(super) async fn permit(&self) -> Result<ReadPermit, Error> {
        self.permit_within(MAX_WAIT).await
    }

    /// Like [`Self::permit`], for the last read of an operation that was accepted.
    pub(super) async fn permit_to_finish(&self) -> Result<ReadPermit, Error> {
        self.permit_within(MAX_WAIT_ACCEPTED).await
    }

    async fn permit_within(&self, max_wait: Duration) -> Result<ReadPermit, Error> {
        let permit = tokio::time::timeout(max_wait, self.permit_in_turn()).await;
        permit.map_err(|_| unavailable("too many reads are in progress"))?
    }

    /// Waits for a permit as long as it takes, for a subscriber that reads the log.
    pub(super) async fn permit_in_turn(&self) -> Result<ReadPermit, Error> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| Error::Internal)?;
        Ok(ReadPermit { reader: Arc::clone(&self.reader), permit: Arc::new(permit) })
    }
}

impl ReadPermit {
    /// Reads from the store, on a thread that may block. Fails after five seconds.
    ///
    /// # Cancel safety
    ///
    /// A read that has begun completes even if the future is dropped, and keeps the
    /// permit until then.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Reader) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Error> {
        let (reader, permit) = (Arc::clone(&self.reader), Arc::clone(&self.permit));
        let reading = tokio::task::spawn_blocking(move || {
            let result = read(&*reader);
            drop(permit);
            result
        });
        finished(reading).await?.map_err(Error::from)
    }

    /// Like [`Self::read`], with work that a shutdown waits for.
    pub(super) async fn run<T: Send + 'static>(
        self,
        background: &Background,
        work: impl FnOnce(&dyn Reader) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let working = background.spawn_blocking(move || {
            let result = work(&*self.reader);
            drop(self.permit);
            result
        });
        finished(working).await
    }
}

async fn finished<T>(reading: tokio::task::JoinHandle<T>) -> Result<T, Error> {
    let read = tokio::time::timeout(READ_WITHIN, reading).await;
    read.map_err(|_| unavailable("the database does not respond"))?.map_err(|error| {
        tracing::error!(%error, "read panicked");
        Error::Internal
    })
}
