//! Descriptors that the runtime watches.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Has the runtime watch a descriptor that becomes readable.
#[expect(
    deprecated,
    reason = "the other constructor is unsafe; types that own their descriptor are sound here"
)]
pub(super) fn readable<T: AsRawFd + AsFd>(descriptor: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(descriptor, Interest::READABLE)
}
