//! A lock request that is still being built.

use dlm_protocol::{AcquireRequest, Mode, ResourceName};

use crate::acquire::{AcquireOptions, WaitPolicy};
use crate::defaults::LockDefaults;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::worker::Handle;

/// The options of a lock request, or the first error in them.
pub(crate) struct RequestDraft {
    handle: Handle,
    pub(crate) options: Result<AcquireOptions, Error>,
}

impl RequestDraft {
    pub(crate) fn new(handle: Handle, defaults: &LockDefaults, name: &str, wait: WaitPolicy) -> Self {
        let options = ResourceName::try_from(name).map(|resource| AcquireOptions {
            resource,
            request: AcquireRequest {
                ttl_ms: defaults.ttl,
                owner: defaults.owner.clone(),
                ..AcquireRequest::default()
            },
            key: None,
            wait,
            auto_renew: true,
        });
        Self { handle, options: options.map_err(Error::from) }
    }

    /// Applies a change, unless an earlier one failed.
    pub(crate) fn change(&mut self, change: impl FnOnce(&mut AcquireOptions) -> Result<(), Error>) {
        if let Ok(options) = &mut self.options
            && let Err(error) = change(options)
        {
            self.options = Err(error);
        }
    }

    pub(crate) async fn send(self) -> Result<LockGuard, Error> {
        self.handle.acquire(self.options?).await
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.options.as_ref().ok().map(|options| options.resource.as_str())
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.options.as_ref().ok().map(|options| options.request.mode)
    }
}
