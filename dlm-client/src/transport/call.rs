//! The operations of the wire contract, with their form in each transport.

use std::time::Duration;

use dlm_protocol::limits::MAX_HOLD_MS;
use dlm_protocol::{
    AcquireRequest, Cancelled, CheckRequest, Checked, EventPage, Explanation, ForceReleaseRequest,
    ForceReleased, IdempotencyKey, Lease, LeaseId, LockPage, LockStatus, Metadata, Mode, Owner, OwnerDetails,
    OwnerPage, PrincipalDetails, Queued, ReleaseRequest, Released, RenewManyRequest, RenewRequest, Renewed,
    RequestReleaseRequest, RequestedRelease, ResourceName, SessionBody, SessionOp, SessionRequest, Ttl, Wait,
    WhoAmI,
};
use reqwest::{Request, StatusCode};

use super::address::ServerAddress;
use super::answer::Answer;
use super::http::{PoolKind, get, post, post_empty, with_key};
use super::response::HttpResponse;
use super::servers::any_unavailable;
use crate::place::PlaceSender;
use crate::request_error::RequestError;

/// An acquire.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AcquireCall<'a> {
    pub(crate) resource: &'a ResourceName,
    pub(crate) key: &'a IdempotencyKey,
    pub(crate) request: &'a AcquireRequest,
    /// Where the session puts the place in the queue.
    pub(crate) places: Option<&'a PlaceSender>,
}

/// One operation.
#[derive(Debug)]
pub(super) enum Call<'a> {
    Acquire(AcquireCall<'a>),
    Cancel { resource: &'a ResourceName, key: &'a IdempotencyKey },
    Renew { resource: &'a ResourceName, request: &'a RenewRequest },
    RenewMany { request: &'a RenewManyRequest },
    Release { resource: &'a ResourceName, lease_id: &'a LeaseId },
    Check { resource: &'a ResourceName, request: &'a CheckRequest },
    Status { resource: &'a ResourceName },
    ForceRelease { resource: &'a ResourceName, request: &'a ForceReleaseRequest },
    RequestRelease { resource: &'a ResourceName, request: &'a RequestReleaseRequest },
    ListLocks { query: &'a str },
    ListEvents { query: &'a str },
    Explain { resource: &'a ResourceName, query: &'a str },
    ListOwners { query: &'a str },
    Owner { owner: &'a Owner },
    Principal { name: &'a str },
    WhoAmI,
    Ready,
}

impl Call<'_> {
    /// The session operation; `None` for an operation that only HTTP has.
    pub(super) fn session_op(&self) -> Option<SessionOp> {
        match self {
            Self::Acquire(_) => Some(SessionOp::Acquire),
            Self::Cancel { .. } => Some(SessionOp::Cancel),
            Self::Renew { .. } | Self::RenewMany { .. } => Some(SessionOp::Renew),
            Self::Release { .. } => Some(SessionOp::Release),
            Self::Check { .. } => Some(SessionOp::Check),
            Self::Status { .. } => Some(SessionOp::Status),
            Self::ForceRelease { .. }
            | Self::RequestRelease { .. }
            | Self::ListLocks { .. }
            | Self::ListEvents { .. }
            | Self::Explain { .. }
            | Self::ListOwners { .. }
            | Self::Owner { .. }
            | Self::Principal { .. }
            | Self::WhoAmI
            | Self::Ready => None,
        }
    }

    /// The session frame; the session assigns its id. Fields with their default
    /// value are left out.
    pub(super) fn session_request(&self) -> Option<SessionRequest> {
        let frame = SessionRequest {
            resource: self.resource().cloned(),
            ..SessionRequest::new(0, self.session_op()?)
        };
        Some(match *self {
            Self::Acquire(AcquireCall { key, request, .. }) => SessionRequest {
                idempotency_key: Some(key.clone()),
                mode: (request.mode != Mode::default()).then_some(request.mode),
                ttl_ms: (request.ttl_ms != Ttl::default()).then_some(request.ttl_ms),
                wait_ms: (request.wait_ms != Wait::default()).then_some(request.wait_ms),
                owner: (request.owner != Owner::default()).then(|| request.owner.clone()),
                metadata: (request.metadata != Metadata::default()).then(|| request.metadata.clone()),
                ..frame
            },
            Self::Cancel { key, .. } => SessionRequest { idempotency_key: Some(key.clone()), ..frame },
            Self::Renew { request, .. } => {
                SessionRequest { lease_id: Some(request.lease_id.clone()), ttl_ms: request.ttl_ms, ..frame }
            }
            Self::RenewMany { request } => SessionRequest { leases: Some(request.leases.clone()), ..frame },
            Self::Release { lease_id, .. } => SessionRequest { lease_id: Some(lease_id.clone()), ..frame },
            Self::Check { request, .. } => {
                SessionRequest { fencing_token: Some(request.fencing_token), ..frame }
            }
            Self::Status { .. }
            | Self::ForceRelease { .. }
            | Self::RequestRelease { .. }
            | Self::ListLocks { .. }
            | Self::ListEvents { .. }
            | Self::Explain { .. }
            | Self::ListOwners { .. }
            | Self::Owner { .. }
            | Self::Principal { .. }
            | Self::WhoAmI
            | Self::Ready => frame,
        })
    }

    /// The HTTP request to the server at `address`.
    pub(super) fn http_request(&self, address: &ServerAddress) -> Result<Request, RequestError> {
        match *self {
            Self::Acquire(AcquireCall { resource, key, request, .. }) => {
                with_key(post(address.lock_url(resource, "acquire"), request)?, key)
            }
            Self::Cancel { resource, key } => with_key(post_empty(address.lock_url(resource, "cancel")), key),
            Self::Renew { resource, request } => post(address.lock_url(resource, "renew"), request),
            Self::RenewMany { request } => post(address.url("/v1/renew"), request),
            Self::Release { resource, lease_id } => {
                let body = ReleaseRequest { lease_id: lease_id.clone() };
                post(address.lock_url(resource, "release"), &body)
            }
            Self::Check { resource, request } => post(address.lock_url(resource, "check"), request),
            Self::Status { resource } => Ok(get(address.lock_url(resource, ""))),
            Self::ForceRelease { resource, request } => {
                post(address.lock_url(resource, "force-release"), request)
            }
            Self::RequestRelease { resource, request } => {
                post(address.lock_url(resource, "request-release"), request)
            }
            Self::ListLocks { query } => Ok(get(address.url_with_query("/v1/locks", query))),
            Self::ListEvents { query } => Ok(get(address.url_with_query("/v1/events", query))),
            Self::Explain { resource, query } => {
                Ok(get(address.lock_url_with_query(resource, "explain", query)))
            }
            Self::ListOwners { query } => Ok(get(address.url_with_query("/v1/owners", query))),
            Self::Owner { owner } => Ok(get(address.owner_url(owner))),
            Self::Principal { name } => Ok(get(address.principal_url(name))),
            Self::WhoAmI => Ok(get(address.url("/v1/whoami"))),
            Self::Ready => Ok(get(address.url("/readyz"))),
        }
    }

    /// The connections to use over HTTP.
    pub(super) fn pool(&self) -> PoolKind {
        if matches!(self, Self::RenewMany { .. }) { PoolKind::Renewals } else { PoolKind::General }
    }

    /// Whether the server asks for a credential.
    pub(super) fn is_authenticated(&self) -> bool {
        !matches!(self, Self::Ready)
    }

    /// How long a session holds the operation before it replies.
    pub(super) fn session_wait(&self) -> Duration {
        match self {
            Self::Acquire(acquire) => acquire.request.wait_ms.into(),
            _ => Duration::ZERO,
        }
    }

    /// How long an HTTP server holds the request before it replies: at most 20 s,
    /// after which the client asks again.
    pub(super) fn http_wait(&self) -> Duration {
        self.session_wait().min(Duration::from_millis(MAX_HOLD_MS))
    }

    /// Where the session puts the place in the queue.
    pub(super) fn places(&self) -> Option<&PlaceSender> {
        match self {
            Self::Acquire(acquire) => acquire.places,
            _ => None,
        }
    }

    fn resource(&self) -> Option<&ResourceName> {
        match self {
            Self::Acquire(AcquireCall { resource, .. })
            | Self::Cancel { resource, .. }
            | Self::Renew { resource, .. }
            | Self::Release { resource, .. }
            | Self::Check { resource, .. }
            | Self::Status { resource }
            | Self::Explain { resource, .. }
            | Self::ForceRelease { resource, .. }
            | Self::RequestRelease { resource, .. } => Some(resource),
            Self::RenewMany { .. }
            | Self::ListLocks { .. }
            | Self::ListEvents { .. }
            | Self::ListOwners { .. }
            | Self::Owner { .. }
            | Self::Principal { .. }
            | Self::WhoAmI
            | Self::Ready => None,
        }
    }
}

/// The reply to one kind of [`Call`].
pub(super) trait CallReply: Sized {
    /// Decodes an HTTP response.
    fn from_http(response: &HttpResponse<impl AsRef<[u8]>>) -> Result<Self, RequestError>;

    /// Takes the reply out of a session message; `None` if the message replies to
    /// another kind of operation.
    fn from_session(_: SessionBody) -> Option<Self> {
        None
    }

    /// Whether the server could not perform all of the operation, and another
    /// server might.
    fn warrants_failover(&self) -> bool {
        false
    }
}

/// Takes the reply to one kind of call out of the answer of a session.
pub(super) fn from_session<R: CallReply>(answer: Answer<SessionBody>) -> Result<Answer<R>, RequestError> {
    let Answer { body, sent_at, socket } = answer;
    let body = R::from_session(body)
        .ok_or_else(|| RequestError::unexpected_reply("the reply belongs to another operation".into()))?;
    Ok(Answer { body, sent_at, socket })
}

/// The successful reply to an acquire.
#[derive(Debug)]
pub(crate) enum Acquired {
    Granted(Box<Lease>),
    /// The request is queued. Over HTTP only; a session replies at the grant.
    Queued(Box<Queued>),
}

impl CallReply for Acquired {
    fn from_http(response: &HttpResponse<impl AsRef<[u8]>>) -> Result<Self, RequestError> {
        match response.status {
            StatusCode::OK => response.json().map(Acquired::Granted),
            StatusCode::ACCEPTED => response.json().map(Acquired::Queued),
            _ => Err(response.error()),
        }
    }

    fn from_session(body: SessionBody) -> Option<Self> {
        match body {
            SessionBody::Lease(lease) => Some(Acquired::Granted(lease)),
            _ => None,
        }
    }
}

impl CallReply for Renewed {
    fn from_http(response: &HttpResponse<impl AsRef<[u8]>>) -> Result<Self, RequestError> {
        response.decode_ok()
    }

    fn from_session(body: SessionBody) -> Option<Self> {
        match body {
            SessionBody::Results(results) => Some(Renewed { results }),
            _ => None,
        }
    }

    fn warrants_failover(&self) -> bool {
        any_unavailable(&self.results)
    }
}

/// A server is ready if it replies with 200, whatever the body.
impl CallReply for () {
    fn from_http(response: &HttpResponse<impl AsRef<[u8]>>) -> Result<Self, RequestError> {
        if response.status == StatusCode::OK { Ok(()) } else { Err(response.error()) }
    }
}

/// Replies whose JSON is the same in both transports, and replies that only HTTP
/// has.
macro_rules! replies {
    ($($reply:ty $(: $pattern:pat => $value:expr)?;)+) => {$(
        impl CallReply for $reply {
            fn from_http(response: &HttpResponse<impl AsRef<[u8]>>) -> Result<Self, RequestError> {
                response.decode_ok()
            }

            $(fn from_session(body: SessionBody) -> Option<Self> {
                match body {
                    $pattern => Some($value),
                    _ => None,
                }
            })?
        }
    )+};
}

replies! {
    Lease: SessionBody::Lease(lease) => *lease;
    Cancelled: SessionBody::Cancel(cancelled) => cancelled;
    Released: SessionBody::Released(released) => released;
    Checked: SessionBody::Check(checked) => checked;
    LockStatus: SessionBody::Status(status) => *status;
    ForceReleased;
    RequestedRelease;
    LockPage;
    EventPage;
    WhoAmI;
    Explanation;
    OwnerPage;
    OwnerDetails;
    PrincipalDetails;
}
