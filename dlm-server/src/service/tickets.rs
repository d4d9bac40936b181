//! Tickets: kept in the store, so that each is good once, and at any replica.
//!
//! A ticket is 128 random bits and a MAC over them. So a made-up ticket is refused
//! without the store: it comes from callers that are not authenticated.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dlm_engine::Micros;
use dlm_protocol::Quota;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use super::{Error, Service};
use crate::auth::Principal;
use crate::store::{self, NewTicket};

/// How long a ticket is good for.
const VALID_MS: u64 = 30_000;
const RANDOM_BYTES: usize = 16;
const MAC_BYTES: usize = 16;
/// When a principal with too many tickets may ask again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Makes and verifies tickets.
pub(super) struct Tickets {
    mac: Hmac<Sha256>,
}

impl Tickets {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self { mac: Hmac::new_from_slice(secret).expect("an HMAC takes a key of any length") }
    }

    pub(super) fn make(&self, random: [u8; RANDOM_BYTES]) -> String {
        let full = self.mac_of(&random).finalize().into_bytes();
        let mut ticket = random.to_vec();
        ticket.extend_from_slice(&full[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode(ticket)
    }

    /// Whether a ticket was made by a server of this database.
    pub(super) fn is_genuine(&self, ticket: &str) -> bool {
        let bytes = URL_SAFE_NO_PAD.decode(ticket).unwrap_or_default();
        let Some((random, mac)) = bytes.split_at_checked(RANDOM_BYTES) else { return false };
        mac.len() == MAC_BYTES && self.mac_of(random).verify_truncated_left(mac).is_ok()
    }

    fn mac_of(&self, random: &[u8]) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        mac.update(b"dlm ticket");
        mac.update(random);
        mac
    }
}

/// What is stored of a ticket.
fn digest(ticket: &str) -> String {
    Sha256::digest(ticket.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Service {
    /// Makes a ticket of a principal. Returns it and when it expires.
    pub(crate) async fn add_ticket(
        &self,
        principal: &Principal,
        content: String,
    ) -> Result<(String, Micros), Error> {
        let ticket = self.0.tickets.make(store::random()?);
        let new = NewTicket { digest: digest(&ticket), principal: principal.name().to_string(), content };
        let writers = self.0.access.system().writers();
        let added = writers.run_maintenance(move |store| store.add_ticket(new, VALID_MS)).await?;
        let too_many = || Error::QuotaExceeded {
            what: "too many tickets of this principal are open",
            quota: Quota::Requests,
            retry_after: RETRY_AFTER,
        };
        Ok((ticket, added.ok_or_else(|| self.quota_refused(principal, too_many()))?))
    }

    /// Removes a ticket and returns its content; `None` if it was used, has expired or
    /// never existed.
    pub(crate) async fn take_ticket(&self, ticket: &str) -> Result<Option<String>, Error> {
        if !self.0.tickets.is_genuine(ticket) {
            return Ok(None);
        }
        let digest = digest(ticket);
        let writers = self.0.access.system().writers();
        Ok(writers.run_maintenance(move |store| store.take_ticket(&digest)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tickets_of_this_database_are_genuine() {
        let tickets = Tickets::new(b"secret");
        let ticket = tickets.make([7; RANDOM_BYTES]);
        assert_eq!(ticket.len(), 43);
        assert!(tickets.is_genuine(&ticket));
        assert!(!Tickets::new(b"other").is_genuine(&ticket));
        let mut bytes = URL_SAFE_NO_PAD.decode(&ticket).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            assert!(!tickets.is_genuine(&URL_SAFE_NO_PAD.encode(&bytes)), "byte {index}");
            bytes[index] ^= 1;
        }
        let short = URL_SAFE_NO_PAD.encode(&bytes[..bytes.len() - 1]);
        for made_up in
            ["", "x", "not base64!", &short, &URL_SAFE_NO_PAD.encode([0; 16]), &format!("{ticket}AA")]
        {
            assert!(!tickets.is_genuine(made_up), "{made_up}");
        }
    }
}
