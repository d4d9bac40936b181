//! Request bodies.

use serde::{Deserialize, Serialize};

use crate::json::null_as_default;
use crate::{FencingToken, LeaseId, Metadata, Mode, Owner, Reason, ResourceName, Ttl, Wait};

/// The body of an acquire. All fields are optional.
///
/// ```
/// use dlm_protocol::{AcquireRequest, Mode};
///
/// let request: AcquireRequest = serde_json::from_str(r#"{"wait_ms": 5000}"#)?;
/// assert_eq!(request.mode, Mode::Exclusive);
/// assert_eq!(request.ttl_ms.as_millis(), 30_000);
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct AcquireRequest {
    /// The lock mode.
    #[serde(deserialize_with = "null_as_default")]
    pub mode: Mode,
    /// The TTL of the lease, in milliseconds.
    #[serde(deserialize_with = "null_as_default")]
    pub ttl_ms: Ttl,
    /// How long to wait in the queue, in milliseconds, counted from the first
    /// request with this key. With 0 the acquire fails at once when the lock is
    /// held.
    #[serde(deserialize_with = "null_as_default")]
    pub wait_ms: Wait,
    /// A display name for the caller.
    #[serde(deserialize_with = "null_as_default")]
    pub owner: Owner,
    /// Key-value pairs that are shown with the lease.
    #[serde(deserialize_with = "null_as_default")]
    pub metadata: Metadata,
}

/// The body of a renewal of one lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// The id of the lease.
    pub lease_id: LeaseId,
    /// The new TTL of the lease, in milliseconds. If absent, the TTL is
    /// unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
}

/// One lease of a renewal of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenewItem {
    /// The locked resource.
    pub resource: ResourceName,
    /// The id of the lease.
    pub lease_id: LeaseId,
    /// The new TTL of the lease, in milliseconds. If absent, the TTL is
    /// unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
}

/// The body of a renewal of several leases, at most 1,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenewManyRequest {
    /// The leases. The results come in the same order.
    pub leases: Vec<RenewItem>,
}

/// The body of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// The id of the lease.
    pub lease_id: LeaseId,
}

/// The body of a force-release. It ends one particular lease, never its
/// successor.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ForceReleaseRequest {
    /// The fencing token of the lease to end.
    pub fencing_token: FencingToken,
    /// The reason. It is recorded in the event log.
    pub reason: Reason,
}

/// The body of a check, for a storage that cannot keep a fence itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The fencing token to check, as received with a write.
    pub fencing_token: FencingToken,
}

/// Which resources a list contains.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub enum StateFilter {
    /// Resources with a live lease.
    #[default]
    Held,
    /// Resources with waiters.
    Waiting,
    /// All resources in the store.
    All,
}

impl StateFilter {
    /// The value of the query parameter `state`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Waiting => "waiting",
            Self::All => "all",
        }
    }
}
