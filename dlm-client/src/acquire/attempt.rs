//! The state of one attempt: the requests with one idempotency key.

use std::time::Duration;

use dlm_protocol::{AcquireRequest, IdempotencyKey, ProblemCode, Wait};
use tracing::{debug, warn};

use super::options::{AcquireOptions, WaitPolicy};
use crate::request_error::RequestError;
use crate::retry::Backoff;

/// A server that holds a request for less time is shutting down, so the next
/// request is delayed.
const SHORT_HOLD: Duration = Duration::from_secs(1);
/// Retries after which a warning is logged. A caller that waits forever has no
/// other way to learn that the server is unreachable.
const WARN_AFTER_RETRIES: usize = 3;

/// One attempt to acquire a lock.
pub(super) struct Attempt {
    key: IdempotencyKey,
    request: AcquireRequest,
    key_state: KeyState,
    /// Retries after transient errors. A request that follows a reply that the
    /// acquire is queued is not a retry.
    retries: usize,
    backoff: Backoff,
}

/// What the server may hold under the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyState {
    /// Nothing, or a lease that the client has received.
    Nothing,
    /// The first request is in flight.
    InFlight,
    /// A place in the queue or a lease, since a request may have been delivered.
    MayHold,
}

/// What to do after a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Send the request again with the same key.
    Retry { delay: Duration },
    /// Start over with a new key.
    NewAttempt,
    /// Report the error to the caller.
    Fail,
}

impl Attempt {
    pub(super) fn new(key: IdempotencyKey, request: AcquireRequest) -> Self {
        Self { key, request, key_state: KeyState::Nothing, retries: 0, backoff: Backoff::new() }
    }

    pub(super) fn key(&self) -> &IdempotencyKey {
        &self.key
    }

    /// The wait that the attempt requests.
    pub(super) fn wait(&self) -> Wait {
        self.request.wait_ms
    }

    /// Whether the server may hold a place in the queue or a lease that the client
    /// has not received.
    pub(super) fn may_be_held(&self) -> bool {
        self.key_state != KeyState::Nothing
    }

    /// The request to send.
    pub(super) fn request(&self) -> (&IdempotencyKey, &AcquireRequest) {
        (&self.key, &self.request)
    }

    /// Records that the request is about to be sent.
    pub(super) fn start_request(&mut self) {
        if self.key_state == KeyState::Nothing {
            self.key_state = KeyState::InFlight;
        }
    }

    /// Records that the client has received the lease.
    pub(super) fn granted(&mut self) {
        self.key_state = KeyState::Nothing;
    }

    /// Records a reply that the acquire is still queued. Returns the delay before
    /// the next request.
    pub(super) fn queued(&mut self, held_for: Duration) -> Duration {
        self.key_state = KeyState::MayHold;
        if held_for < SHORT_HOLD {
            return self.backoff.next_delay();
        }
        self.backoff = Backoff::new();
        Duration::ZERO
    }

    /// Records an error and decides what to do next.
    pub(super) fn failed(&mut self, error: &RequestError, options: &AcquireOptions) -> NextStep {
        // A denied request has no effect, but one before it may have had.
        let had_no_effect = !error.may_have_been_delivered() || error.is_denial();
        if !had_no_effect {
            self.key_state = KeyState::MayHold;
        } else if self.key_state == KeyState::InFlight {
            self.key_state = KeyState::Nothing;
        }
        if error.is_transient() && self.retries < options.wait.max_retries() {
            let delay = self.backoff.next_delay_after(error);
            if self.retries == WARN_AFTER_RETRIES {
                warn!(resource = %options.resource, %error, "acquire unanswered, still retrying");
            }
            debug!(resource = %options.resource, %error, ?delay, "acquire failed, retrying");
            self.retries += 1;
            return NextStep::Retry { delay };
        }
        let code = error.code();
        if code.is_some_and(leaves_nothing) {
            self.key_state = KeyState::Nothing;
        }
        // The caller's own key must not be replaced.
        if options.key.is_some() {
            return NextStep::Fail;
        }
        match code {
            // The reply to an earlier request was lost, and the lease or wait has
            // ended since.
            Some(ProblemCode::LeaseEnded) => NextStep::NewAttempt,
            // The server's longest wait has passed.
            Some(ProblemCode::WaitTimeout) if options.wait == WaitPolicy::Forever => NextStep::NewAttempt,
            _ => NextStep::Fail,
        }
    }
}

/// Whether a server that rejects an acquire with this code holds neither a place
/// in the queue nor a lease for it.
fn leaves_nothing(code: ProblemCode) -> bool {
    matches!(
        code,
        ProblemCode::LockHeld
            | ProblemCode::WaitTimeout
            | ProblemCode::LeaseEnded
            | ProblemCode::IdempotencyKeyReused
            | ProblemCode::InvalidRequest
            | ProblemCode::InvalidName
            | ProblemCode::HostNotAllowed
            | ProblemCode::OriginNotAllowed
    )
}
