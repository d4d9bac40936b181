//! A server that can't be reached.

use std::sync::Arc;

use crate::front::Front;

/// The server is unreachable while this lives. Created by
/// [`TestServer::away`](crate::TestServer::away).
#[derive(Debug)]
#[must_use = "the server comes back when this is dropped"]
pub struct Away(Arc<Front>);

impl Away {
    pub(crate) fn new(front: &Arc<Front>) -> Self {
        front.away.send_replace(true);
        Self(Arc::clone(front))
    }
}

impl Drop for Away {
    fn drop(&mut self) {
        self.0.away.send_replace(false);
    }
}
