use dlm_protocol::{AcquireRequest, Mode, ResourceName};

use crate::client::Client;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::worker::{Handle, Order, Patience};

/// An order that is still being written, and the first error in it.
pub(crate) struct Draft {
    handle: Handle,
    pub(crate) order: Result<Order, Error>,
}

impl Draft {
    pub(crate) fn new(client: &Client, name: &str, patience: Patience) -> Self {
        let order = ResourceName::try_from(name).map(|resource| Order {
            resource,
            request: AcquireRequest {
                ttl_ms: client.options.ttl,
                owner: client.options.owner.clone(),
                ..AcquireRequest::default()
            },
            key: None,
            patience,
            auto_renew: true,
        });
        Self { handle: client.handle.clone(), order: order.map_err(Error::from) }
    }

    pub(crate) async fn send(self) -> Result<LockGuard, Error> {
        self.handle.acquire(self.order?).await
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.order.as_ref().ok().map(|order| order.resource.as_str())
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.order.as_ref().ok().map(|order| order.request.mode)
    }
}
