//! A lease without a guard, for handing a lock to another process.

use dlm_protocol::{FencingToken, LeaseId, Mode, ResourceName, Timestamp, lenient};
use serde::{Deserialize, Serialize};

/// A lease that was [detached](crate::LockGuard::detach) from its guard and can
/// be [adopted](crate::Client::adopt) by another one, in this process or
/// elsewhere.
///
/// It can be serialized. Anyone who has the serialized form can renew and release
/// the lease, so keep it as secret as a password. Its `Debug` output does not
/// contain the lease id. Fields that a newer version of this crate adds to the
/// serialized form are ignored.
///
/// If nobody adopts the lease it lives until it expires, unless it is
/// [released](crate::Client::release).
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// # let send_to_peer = |_: String| {};
/// let lease = client.lock("migration").await?.detach();
/// println!("handing over {} with token {}", lease.resource(), lease.fencing_token());
/// send_to_peer(serde_json::to_string(&lease)?); // the other process calls `Client::adopt`
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[must_use = "a detached lease is not renewed and lives until it expires"]
pub struct DetachedLease {
    #[serde(deserialize_with = "lenient::value")]
    pub(crate) resource: ResourceName,
    pub(crate) lease_id: LeaseId,
    #[serde(deserialize_with = "lenient::value")]
    pub(crate) mode: Mode,
    pub(crate) fencing_token: FencingToken,
    #[serde(default)]
    pub(crate) expires_at: Option<Timestamp>,
}

impl DetachedLease {
    /// The name of the locked resource.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.resource.as_str()
    }

    /// Whether the lease is exclusive or shared.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The fencing token of the grant.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.fencing_token
    }

    /// When the lease expires unless it is adopted before, by the server's clock and
    /// as far as this client knows; the lease may live longer if the reply to a
    /// renewal was lost. `None` if an older version of this crate serialized the
    /// lease.
    #[must_use]
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lease_survives_serialization_and_debug_hides_the_lease_id() {
        let lease = DetachedLease {
            resource: ResourceName::try_from("orders/42").unwrap(),
            lease_id: LeaseId::try_from("s3cret").unwrap(),
            mode: Mode::Shared,
            fencing_token: FencingToken::new(7),
            expires_at: Some(Timestamp::from_micros(1_000_000)),
        };
        let written = serde_json::to_string(&lease).unwrap();
        let read: DetachedLease = serde_json::from_str(&written).unwrap();
        assert_eq!(read.lease_id, lease.lease_id);
        assert_eq!(
            (read.resource(), read.mode(), read.fencing_token()),
            ("orders/42", Mode::Shared, lease.fencing_token)
        );
        assert_eq!(read.expires_at(), lease.expires_at);
        assert!(!format!("{lease:?}").contains("s3cret"));
    }

    #[test]
    fn leases_of_newer_and_older_versions_can_be_read() {
        let lease = r#"{"resource":"a","lease_id":"b","mode":"exclusive","fencing_token":7"#;
        let older: DetachedLease = serde_json::from_str(&format!("{lease}}}")).unwrap();
        assert_eq!(older.expires_at(), None);
        let name = "n".repeat(1_000);
        let newer = format!(
            r#"{{"resource":"{name}","lease_id":"b","mode":"not_yet_known","fencing_token":7,
                "expires_at":"2026-01-01T00:00:30.000Z","not_yet_known":{{"of":"this"}}}}"#
        );
        let newer: DetachedLease = serde_json::from_str(&newer).unwrap();
        assert_eq!((newer.resource(), newer.mode()), (&*name, Mode::Other));
        assert_eq!(newer.fencing_token(), FencingToken::new(7));
        assert!(newer.expires_at().is_some());
    }
}
