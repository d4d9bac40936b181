//! Who the caller is and what it may do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// Begins the WebSocket subprotocol that carries a [`Ticket`]; the ticket follows.
pub const TICKET_PROTOCOL_PREFIX: &str = "dlm.ticket.";

/// What a rule allows. Each role includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// Status, lists, events and the overview.
    Observe,
    /// Acquire, renew, release, cancel and check.
    Lock,
    /// Force-release.
    Admin,
    /// A role that this version does not know.
    #[serde(other)]
    Other,
}

impl Role {
    /// The value on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Lock => "lock",
            Self::Admin => "admin",
            Self::Other => "other",
        }
    }
}

/// What a principal may have or do only so much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Quota {
    /// Live leases.
    Leases,
    /// Waiters in queues.
    Waiters,
    /// Requests per second.
    Requests,
    /// Open sessions.
    Sessions,
    /// Open event streams.
    Subscribers,
    /// Connections of one address.
    Connections,
    /// A quota that this version does not know.
    #[serde(other)]
    Other,
}

impl Quota {
    /// The value on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Leases => "leases",
            Self::Waiters => "waiters",
            Self::Requests => "requests",
            Self::Sessions => "sessions",
            Self::Subscribers => "subscribers",
            Self::Connections => "connections",
            Self::Other => "other",
        }
    }
}

/// The caller, as the server knows it.
///
/// ```
/// use dlm_protocol::{Role, WhoAmI};
///
/// let reply = r#"{"principal": "api", "rules": [{"role": "lock", "prefix": "orders/"}], "expires_at": null}"#;
/// let me: WhoAmI = serde_json::from_str(reply)?;
/// assert_eq!((me.principal.as_str(), me.rules[0].role), ("api", Role::Lock));
/// # Ok::<_, serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct WhoAmI {
    /// The name of the principal; empty if the server does not authenticate.
    pub principal: String,
    /// What the principal may do.
    pub rules: Vec<AccessRule>,
    /// When the credential expires; null if it does not.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
}

/// A role on the resources below a prefix.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct AccessRule {
    /// What the rule allows.
    pub role: Role,
    /// The names that it covers: whole segments, so `orders` and `orders/` cover
    /// `orders` and `orders/42` but not `orders2`. Empty: all names.
    pub prefix: String,
    /// The maximum TTL, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ttl_ms: Option<u64>,
    /// The maximum wait, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_wait_ms: Option<u64>,
    /// The maximum number of live leases.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_leases: Option<u64>,
    /// The maximum number of waiters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_waiters: Option<u64>,
    /// The maximum number of requests per second, at each server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_second: Option<u32>,
}

/// What a ticket opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TicketPurpose {
    /// A session socket.
    Session,
    /// An event stream.
    Events,
}

/// The body of a request for a ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct TicketRequest {
    /// What the ticket is for.
    pub purpose: TicketPurpose,
}

/// Authenticates one WebSocket upgrade of its principal, for callers that cannot send
/// headers with it. Its `Debug` is redacted.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(not(feature = "server"), non_exhaustive)]
pub struct Ticket {
    /// The ticket. Send it as a subprotocol, after [`TICKET_PROTOCOL_PREFIX`].
    pub ticket: String,
    /// When it expires.
    pub expires_at: Timestamp,
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticket").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_newer_server_are_read_as_other() {
        assert_eq!(serde_json::from_str::<Role>(r#""not_yet_known""#).unwrap(), Role::Other);
        assert_eq!(serde_json::from_str::<Quota>(r#""not_yet_known""#).unwrap(), Quota::Other);
        let me: WhoAmI = serde_json::from_str(
            r#"{"principal": "api", "rules": [{"role": "not_yet_known", "prefix": "", "more": 1}], "more": {}}"#,
        )
        .unwrap();
        assert_eq!((me.rules[0].role, me.expires_at), (Role::Other, None));
    }

    #[test]
    fn values_on_the_wire_match_their_names() {
        for role in [Role::Observe, Role::Lock, Role::Admin] {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
        let quotas = [
            Quota::Leases,
            Quota::Waiters,
            Quota::Requests,
            Quota::Sessions,
            Quota::Subscribers,
            Quota::Connections,
        ];
        for quota in quotas {
            assert_eq!(serde_json::to_value(quota).unwrap(), quota.as_str());
        }
    }

    #[test]
    fn absent_limits_are_not_serialized() {
        let rule = AccessRule {
            role: Role::Lock,
            prefix: "orders/".into(),
            max_ttl_ms: Some(600_000),
            max_wait_ms: None,
            max_leases: None,
            max_waiters: None,
            requests_per_second: None,
        };
        let text = r#"{"role":"lock","prefix":"orders/","max_ttl_ms":600000}"#;
        assert_eq!(serde_json::to_string(&rule).unwrap(), text);
    }

    #[test]
    fn request_for_a_ticket_is_checked() {
        assert!(serde_json::from_str::<TicketRequest>(r#"{"purpose": "events"}"#).is_ok());
        for request in [r#"{"purpose": "not_yet_known"}"#, r#"{"purpose": "events", "more": 1}"#, "{}"] {
            assert!(serde_json::from_str::<TicketRequest>(request).is_err(), "{request}");
        }
    }

    #[test]
    fn debug_output_of_a_ticket_is_redacted() {
        let ticket = Ticket { ticket: "s3cret".into(), expires_at: Timestamp::from_micros(0) };
        assert!(!format!("{ticket:?}").contains("s3cret"));
    }
}
