//! A lock request that is still being built.

use dlm_protocol::{AcquireRequest, Mode, ResourceName};
use tracing::Span;

use crate::acquire::{AcquireOptions, WaitPolicy};
use crate::defaults::LockDefaults;
use crate::error::Error;
use crate::guard::LockGuard;
use crate::outcome::OutcomeRecorder;
use crate::place::PlaceCallback;
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
            places: None,
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

    /// Acquires the lock. Records in the span how that ended, once.
    pub(crate) async fn send(self, on_queued: Option<PlaceCallback>, span: Span) -> Result<LockGuard, Error> {
        let Self { handle, options } = self;
        let (recorder, started_at) = (OutcomeRecorder::new(&span), handle.now());
        let result = match options {
            Ok(options) => handle.acquire(options, on_queued).await,
            Err(invalid) => Err(invalid),
        };
        let waited = handle.now().duration_since(started_at);
        span.record("waited_ms", u64::try_from(waited.as_millis()).unwrap_or(u64::MAX));
        if let Ok(guard) = &result {
            span.record("fencing_token", guard.fencing_token().get());
        }
        recorder.record(result.as_ref().map_or_else(Error::outcome, |_| "granted"));
        result
    }

    pub(crate) fn name(&self) -> Option<&str> {
        self.options.as_ref().ok().map(|options| options.resource.as_str())
    }

    pub(crate) fn mode(&self) -> Option<Mode> {
        self.options.as_ref().ok().map(|options| options.request.mode)
    }
}
