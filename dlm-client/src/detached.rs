use dlm_protocol::{FencingToken, LeaseId, Mode, ResourceName};
use serde::{Deserialize, Serialize};

/// A lease without a guard: [`detach`](crate::LockGuard::detach)ed from one, to
/// be [`adopt`](crate::Client::adopt)ed by another, perhaps elsewhere.
///
/// Whoever has it can renew and release the lease: once serialised, keep it as
/// secret as a password. Its `Debug` doesn't tell the id.
///
/// # Examples
///
/// ```no_run
/// # async fn example(client: dlm_client::Client) -> Result<(), Box<dyn std::error::Error>> {
/// # let hand_over = |_: String| {};
/// let lease = client.lock("migration").await?.detach();
/// println!("{} goes to another process, with token {}", lease.resource(), lease.fencing_token());
/// hand_over(serde_json::to_string(&lease)?); // there: `Client::adopt`
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[must_use = "the lease lives to its expiry, and nobody renews it"]
pub struct DetachedLease {
    pub(crate) resource: ResourceName,
    pub(crate) lease_id: LeaseId,
    pub(crate) mode: Mode,
    pub(crate) fencing_token: FencingToken,
}

impl DetachedLease {
    /// The name of what is locked.
    #[must_use]
    pub fn resource(&self) -> &str {
        self.resource.as_str()
    }

    /// Exclusive or shared.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// The token of the grant.
    #[must_use]
    pub fn fencing_token(&self) -> FencingToken {
        self.fencing_token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_survives_being_written_down_and_its_debug_does_not_tell_the_id() {
        let lease = DetachedLease {
            resource: ResourceName::try_from("orders/42").unwrap(),
            lease_id: LeaseId::try_from("s3cret").unwrap(),
            mode: Mode::Shared,
            fencing_token: FencingToken::new(7),
        };
        let written = serde_json::to_string(&lease).unwrap();
        let read: DetachedLease = serde_json::from_str(&written).unwrap();
        assert_eq!(read.lease_id, lease.lease_id);
        assert_eq!(
            (read.resource(), read.mode(), read.fencing_token()),
            ("orders/42", Mode::Shared, lease.fencing_token)
        );
        assert!(!format!("{lease:?}").contains("s3cret"));
    }
}
