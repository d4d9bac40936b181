//! Operations on their way to the socket.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dlm_protocol::SessionRequest;

use super::recipient::Recipient;
use crate::place::PlaceSender;

/// An operation that was submitted and not sent yet.
#[derive(Debug)]
pub(super) struct SubmittedRequest {
    pub(super) request: SessionRequest,
    pub(super) recipient: Recipient,
    /// Where to put the place of a waiting acquire.
    pub(super) places: Option<PlaceSender>,
    /// `None` if it was not left to the task of the socket.
    pub(super) unsent: Option<Unsent>,
}

/// Counts the operations that are left to the task and not written yet. Those of one caller
/// must keep their order, so none is written before them.
#[derive(Debug)]
pub(super) struct Unsent(Arc<AtomicUsize>);

impl Unsent {
    pub(super) fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}
