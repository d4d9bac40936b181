use serde::{Deserialize, Serialize};

use crate::{FencingToken, LeaseId, Metadata, Mode, Owner, Reason, ResourceName, Ttl, Wait};

/// The body of an acquire. Every field has a default.
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
    /// Exclusive or shared.
    pub mode: Mode,
    /// How long the lease lives without a renewal.
    pub ttl_ms: Ttl,
    /// How long to wait for a turn, counted from the first request with this
    /// key; 0 answers at once.
    pub wait_ms: Wait,
    /// Who asks, for people to read.
    pub owner: Owner,
    /// Shown beside the lease.
    pub metadata: Metadata,
}

/// The body of a renewal of one lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenewRequest {
    /// The lease's id.
    pub lease_id: LeaseId,
    /// The new TTL; the lease's own when absent. Given, it becomes its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
}

/// One lease of a renewal of several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenewItem {
    /// What is locked.
    pub resource: ResourceName,
    /// The lease's id.
    pub lease_id: LeaseId,
    /// The new TTL; the lease's own when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<Ttl>,
}

/// The body of a renewal of several leases: at most 1,000.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RenewManyRequest {
    /// The leases, answered in this order.
    pub leases: Vec<RenewItem>,
}

/// The body of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ReleaseRequest {
    /// The lease's id.
    pub lease_id: LeaseId,
}

/// The body of a force-release: it ends the one lease the operator saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct ForceReleaseRequest {
    /// The token of the lease to end.
    pub fencing_token: FencingToken,
    /// Why, for those who read the event log.
    pub reason: Reason,
}

/// The body of a check by a storage that can't keep a fence of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The token that came with a write.
    pub fencing_token: FencingToken,
}

/// Which resources a list shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum StateFilter {
    /// Those with a live lease.
    #[default]
    Held,
    /// Those with a waiter.
    Waiting,
    /// All the store knows.
    All,
}
