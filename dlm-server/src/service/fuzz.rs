//! Fuzz targets of what the service makes and gets back: lease ids and tickets.

use dlm_engine::{ClaimKey, Lease, Micros};
use dlm_protocol::{IdempotencyKey, LeaseId};

use super::lease_id::LeaseIds;
use super::tickets::Tickets;
use crate::auth::fuzz::edited;

const SECRET: &[u8] = b"a secret that no peer has";
const RESOURCE: &str = "orders/42";

/// No text is a ticket but one that was made, to the last bit.
pub fn ticket(input: &[u8]) {
    let tickets = Tickets::new(SECRET);
    let made = tickets.make([7; 16]);
    for text in [String::from_utf8_lossy(input).into_owned(), edited(&made, input)] {
        assert_eq!(tickets.is_genuine(&text), text == made, "{text}");
    }
}

/// No text is a lease id but one that was issued, to the last bit, and only for its
/// resource. Every id that is issued decodes to what it was issued for.
pub fn lease_id(input: &[u8]) {
    let ids = LeaseIds::new(SECRET);
    let issued = ids.issue(RESOURCE, &ClaimKey::new("api", "job-7"), &lease(42, 7));
    for text in [String::from_utf8_lossy(input).into_owned(), edited(issued.as_str(), input)] {
        // U+0000 is refused when a request is decoded.
        let Ok(id) = LeaseId::try_from(text) else { continue };
        assert_eq!(ids.decode(RESOURCE, &id).is_some(), id == issued, "{}", id.as_str());
        assert_eq!(ids.decode("orders/43", &id), None);
    }
    let Some((token, rest)) = input.split_first_chunk::<8>() else { return };
    let (principal, key) = rest.split_at(rest.iter().position(|byte| *byte == b' ').unwrap_or(0));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    let (principal, key) = (text(principal), text(key));
    if principal.len() > 128 || IdempotencyKey::try_from(key.clone()).is_err() {
        return;
    }
    let (key, token) = (ClaimKey::new(&*principal, &*key), u64::from_be_bytes(*token));
    let id = ids.issue(RESOURCE, &key, &lease(token, i64::MIN));
    let decoded = ids.decode(RESOURCE, &id).expect("an id that was issued");
    assert_eq!((decoded.key, decoded.token, decoded.granted_at), (key, token, Micros(i64::MIN)));
}

fn lease(token: u64, granted_at: i64) -> Lease {
    Lease {
        token,
        granted_at: Micros(granted_at),
        term_at: Micros(granted_at),
        ttl_ms: 30_000,
        expires_at: Micros(i64::MAX),
        ticket: None,
    }
}
