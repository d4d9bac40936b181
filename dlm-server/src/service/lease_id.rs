//! The lease id: a capability for which no secret is stored per lease.
//!
//! It contains the token, the grant instant and the key of the lease, and a MAC
//! over these and the resource name. Any server can verify it, so "was never
//! issued" is distinguished from "has ended" even after the row was deleted, and
//! the row is found by its key, without an index on tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use dlm_engine::{ClaimKey, Lease, Micros};
use dlm_protocol::LeaseId;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use uuid::Uuid;

const MAC_BYTES: usize = 16;
const TEXT_KEY: u8 = 0;
const UUID_KEY: u8 = 1;

/// Issues and verifies lease ids.
#[derive(Clone)]
pub(super) struct LeaseIds {
    mac: Hmac<Sha256>,
}

/// The content of a lease id.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct DecodedLeaseId {
    pub(super) key: ClaimKey,
    pub(super) token: u64,
    pub(super) granted_at: Micros,
}

impl LeaseIds {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self { mac: Hmac::new_from_slice(secret).expect("an HMAC takes a key of any length") }
    }

    pub(super) fn issue(&self, resource: &str, key: &ClaimKey, lease: &Lease) -> LeaseId {
        let body = body(key, lease.token, lease.granted_at);
        let mut id = self.mac(resource, &body).to_vec();
        id.extend_from_slice(&body);
        let text = URL_SAFE_NO_PAD.encode(id);
        LeaseId::try_from(text).expect("base64 of a bounded key is a lease id")
    }

    /// Decodes an id; `None` unless it was issued for this resource.
    pub(super) fn decode(&self, resource: &str, id: &LeaseId) -> Option<DecodedLeaseId> {
        let bytes = URL_SAFE_NO_PAD.decode(id.as_str()).ok()?;
        let (mac, body) = bytes.split_at_checked(MAC_BYTES)?;
        let mut expected = self.mac.clone();
        update(&mut expected, resource, body);
        expected.verify_truncated_left(mac).ok()?;
        let (token, rest) = body.split_first_chunk::<8>()?;
        let (granted_at, rest) = rest.split_first_chunk::<8>()?;
        let (principal_len, rest) = rest.split_first()?;
        let (principal, rest) = rest.split_at_checked(usize::from(*principal_len))?;
        let (form, key) = rest.split_first()?;
        let key = match *form {
            UUID_KEY => Uuid::from_slice(key).ok()?.to_string(),
            _ => String::from_utf8(key.to_vec()).ok()?,
        };
        Some(DecodedLeaseId {
            key: ClaimKey::new(std::str::from_utf8(principal).ok()?, key),
            token: u64::from_be_bytes(*token),
            granted_at: Micros(i64::from_be_bytes(*granted_at)),
        })
    }

    fn mac(&self, resource: &str, body: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = self.mac.clone();
        update(&mut mac, resource, body);
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|index| full[index])
    }
}

fn update(mac: &mut Hmac<Sha256>, resource: &str, body: &[u8]) {
    mac.update(b"dlm lease");
    mac.update(&(resource.len() as u64).to_be_bytes());
    mac.update(resource.as_bytes());
    mac.update(body);
}

fn body(key: &ClaimKey, token: u64, granted_at: Micros) -> Vec<u8> {
    let mut body = Vec::with_capacity(34 + key.principal.len());
    body.extend_from_slice(&token.to_be_bytes());
    body.extend_from_slice(&granted_at.0.to_be_bytes());
    body.push(u8::try_from(key.principal.len()).expect("a principal's name is short"));
    body.extend_from_slice(key.principal.as_bytes());
    match Uuid::try_parse(&key.key) {
        // Only the canonical form of a UUID decodes to the same text.
        Ok(uuid) if *uuid.to_string() == *key.key => {
            body.push(UUID_KEY);
            body.extend_from_slice(uuid.as_bytes());
        }
        _ => {
            body.push(TEXT_KEY);
            body.extend_from_slice(key.key.as_bytes());
        }
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease() -> Lease {
        Lease {
            token: 42,
            granted_at: Micros(7),
            term_at: Micros(9),
            ttl_ms: 30_000,
            expires_at: Micros(30_000_009),
            ticket: None,
        }
    }

    #[test]
    fn an_issued_id_decodes_to_its_lease() {
        let ids = LeaseIds::new(b"secret");
        for key in [
            "0190b0b4-8b6a-7c3e-9d7a-0123456789ab",
            "0190B0B4-8B6A-7C3E-9D7A-0123456789AB",
            "job-7",
            &"k".repeat(255),
        ] {
            let key = ClaimKey::new("", key);
            let id = ids.issue("orders/42", &key, &lease());
            assert_eq!(
                ids.decode("orders/42", &id),
                Some(DecodedLeaseId { key, token: 42, granted_at: Micros(7) })
            );
        }
    }

    #[test]
    fn an_id_of_another_resource_or_secret_or_with_a_flipped_bit_is_rejected() {
        let ids = LeaseIds::new(b"secret");
        let id = ids.issue("a", &ClaimKey::new("", "job-7"), &lease());
        assert_eq!(ids.decode("b", &id), None);
        assert_eq!(LeaseIds::new(b"other").decode("a", &id), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(id.as_str()).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            let changed = LeaseId::try_from(URL_SAFE_NO_PAD.encode(&bytes)).unwrap();
            assert_eq!(ids.decode("a", &changed), None, "byte {index}");
            bytes[index] ^= 1;
        }
        for forged in ["x", "AAAA", "not base64!"] {
            assert_eq!(ids.decode("a", &LeaseId::try_from(forged.replace(' ', "_")).unwrap()), None);
        }
    }
}
