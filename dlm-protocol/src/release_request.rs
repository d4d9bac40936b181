//! Asking a holder to let go of its lease.

use serde::{Deserialize, Serialize};

use crate::{FencingToken, Reason, ResourceName, Timestamp, Within, lenient};

/// The body of a request that asks the holder of a lease to let go of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RequestReleaseRequest {
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// The reason. The holder gets it.
    pub reason: Reason,
    /// How long the holder has to let go, in milliseconds.
    pub within_ms: Within,
    /// Whether to force-release the lease when that time is over.
    #[serde(default)]
    pub force: bool,
}

/// The reply to a request that asks a holder to let go. A repeat with the same token gets that of
/// the first one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct RequestedRelease {
    /// The locked resource.
    #[serde(deserialize_with = "lenient::value")]
    pub resource: ResourceName,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// When the request was made.
    pub requested_at: Timestamp,
    /// Until when the holder has to let go.
    pub deadline: Timestamp,
    /// Whether the lease is force-released at the deadline.
    pub forced: bool,
}

/// A request to let go of a lease, as its holder and others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct PendingRelease {
    /// Why the holder is asked.
    pub reason: String,
    /// The principal that asks; absent without authentication.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_by: Option<String>,
    /// When the request was made.
    pub requested_at: Timestamp,
    /// Until when the holder has to let go.
    pub deadline: Timestamp,
    /// Whether the lease is force-released at the deadline.
    pub force: bool,
}

/// The message of a session that tells a holder that it is asked to let go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReleaseNotice {
    /// The locked resource.
    #[serde(deserialize_with = "lenient::value")]
    pub resource: ResourceName,
    /// The fencing token of the lease.
    pub fencing_token: FencingToken,
    /// The request.
    #[serde(flatten)]
    pub request: PendingRelease,
}
