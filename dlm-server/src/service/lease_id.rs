//! The lease id: a capability that nothing secret is stored for.
//!
//! It holds what finds the lease (its token and its key), when it was granted,
//! and a MAC over these and the resource's name. So any server can tell "was
//! never ours" from "has ended", also when the row is long forgotten, and
//! finds the row without an index of its own.

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

/// Makes lease ids and knows its own.
#[derive(Clone)]
pub(super) struct LeaseIds {
    mac: Hmac<Sha256>,
}

/// A lease, as its id names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Named {
    pub(super) key: ClaimKey,
    pub(super) token: u64,
    pub(super) granted_at: Micros,
}

impl LeaseIds {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self { mac: Hmac::new_from_slice(secret).expect("an HMAC takes a key of any length") }
    }

    pub(super) fn make(&self, resource: &str, key: &ClaimKey, lease: &Lease) -> LeaseId {
        let body = body(key, lease.token, lease.granted_at);
        let mut id = self.mac(resource, &body).to_vec();
        id.extend_from_slice(&body);
        let text = URL_SAFE_NO_PAD.encode(id);
        LeaseId::try_from(text).expect("base64 of a bounded key is a lease id")
    }

    /// What the id names, if it was made here for this resource.
    pub(super) fn read(&self, resource: &str, id: &LeaseId) -> Option<Named> {
        let bytes = URL_SAFE_NO_PAD.decode(id.as_str()).ok()?;
        let (mac, body) = bytes.split_at_checked(MAC_BYTES)?;
        let mut expected = self.mac.clone();
        feed(&mut expected, resource, body);
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
        Some(Named {
            key: ClaimKey::new(std::str::from_utf8(principal).ok()?, key),
            token: u64::from_be_bytes(*token),
            granted_at: Micros(i64::from_be_bytes(*granted_at)),
        })
    }

    fn mac(&self, resource: &str, body: &[u8]) -> [u8; MAC_BYTES] {
        let mut mac = self.mac.clone();
        feed(&mut mac, resource, body);
        let full = mac.finalize().into_bytes();
        std::array::from_fn(|index| full[index])
    }
}

fn feed(mac: &mut Hmac<Sha256>, resource: &str, body: &[u8]) {
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
        // Only a UUID in the form it is read back in.
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
    fn an_id_names_its_lease_to_who_made_it() {
        let ids = LeaseIds::new(b"secret");
        for key in [
            "0190b0b4-8b6a-7c3e-9d7a-0123456789ab",
            "0190B0B4-8B6A-7C3E-9D7A-0123456789AB",
            "job-7",
            &"k".repeat(255),
        ] {
            let key = ClaimKey::new("", key);
            let id = ids.make("orders/42", &key, &lease());
            assert_eq!(ids.read("orders/42", &id), Some(Named { key, token: 42, granted_at: Micros(7) }));
        }
    }

    #[test]
    fn an_id_of_another_resource_or_secret_or_a_changed_one_is_not_ours() {
        let ids = LeaseIds::new(b"secret");
        let id = ids.make("a", &ClaimKey::new("", "job-7"), &lease());
        assert_eq!(ids.read("b", &id), None);
        assert_eq!(LeaseIds::new(b"other").read("a", &id), None);
        let mut bytes = URL_SAFE_NO_PAD.decode(id.as_str()).unwrap();
        for index in 0..bytes.len() {
            bytes[index] ^= 1;
            let changed = LeaseId::try_from(URL_SAFE_NO_PAD.encode(&bytes)).unwrap();
            assert_eq!(ids.read("a", &changed), None, "byte {index}");
            bytes[index] ^= 1;
        }
        for made_up in ["x", "AAAA", "not base64!"] {
            assert_eq!(ids.read("a", &LeaseId::try_from(made_up.replace(' ', "_")).unwrap()), None);
        }
    }
}
